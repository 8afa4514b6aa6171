"""Completion: the fields that fit, the values they take, and the names of everything that has one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from kling_pipe.editor.lsp.cursor import CursorContext, place_at
from kling_pipe.editor.lsp.documents import Documents
from kling_pipe.editor.lsp.partial_yaml import rows
from kling_pipe.editor.lsp.results import Choice
from kling_pipe.editor.lsp.schema_lookup import about, fields_at, operation_at, values_at
from kling_pipe.editor.lsp.symbols import recipe_of
from kling_pipe.editor.lsp.templates import in_template, references
from kling_pipe.manifest.keywords import KINDS
from kling_pipe.manifest.operation_layout import layout_of
from kling_pipe.manifest.scope import Broken, Scope

Path_ = tuple[str | int, ...]


def complete(desk: Documents, file: Path, offset: int) -> list[Choice]:
    """The choices at a character of a file, however much of it is still missing."""
    text = desk.text(file)
    place = place_at(text, offset)
    if place is None:
        return []
    scope = _typed(desk.good(file).reading.scopes[0], text)
    if place.expression is not None:
        return in_template(scope, recipe_of(scope, place.path), place.expression, offset)
    data = _data(text, scope)
    found = _keys(text, data, place, offset) if place.is_key else []
    if not place.is_key or (place.may_be_value and not found):
        found += _values(scope, data, place)
    return found


def _typed(scope: Scope, text: str) -> Scope:
    """The scope with the names that were typed since it was read."""
    entries = {kind: dict(names) for kind, names in scope.entries.items()}
    for row in rows(text):
        kind = KINDS.get(str(row.path[0]))
        if kind and len(row.path) == 2:
            entries.setdefault(kind, {}).setdefault(str(row.path[1]), Broken(row.path))
    typed = {str(row.path[1]): "" for row in rows(text) if row.path[0] == "vars" and len(row.path) == 2}
    return Scope(
        scope.document, scope.folder, scope.data, scope.prefix, scope.project, {**typed, **scope.vars}, entries,
        scope.includes,
    )  # fmt: skip


def _data(text: str, scope: Scope) -> Mapping[str, Any]:
    """The manifest's data as far as `api` goes, with what is typed right now on top."""
    data: dict[str, Any] = {name: value for name, value in scope.data.items() if isinstance(value, Mapping)}
    for row in rows(text):
        if row.path[-1] == "api" and row.path[0] in (*KINDS, "defaults", "profiles"):
            line = text[row.value : text.find("\n", row.value) if "\n" in text[row.value :] else len(text)]
            data = _put(data, row.path, line.split(" #")[0].strip().strip("'\""))
    return data


def _put(data: Mapping[str, Any], path: Path_, value: str) -> dict[str, Any]:
    head, *rest = path
    inner = data.get(str(head))
    below = _put(inner if isinstance(inner, Mapping) else {}, tuple(rest), value) if rest else value
    return {**data, str(head): below}


def _keys(text: str, data: Mapping[str, Any], place: CursorContext, offset: int) -> list[Choice]:
    """Fields of the mapping that are not written yet."""
    here = {
        str(row.path[-1]) for row in rows(text) if row.path[:-1] == place.path and not row.start <= offset <= row.end
    }
    written = here | {*place.keys}
    found = []
    for name, schema in fields_at(data, place.path).items():
        if name not in written:
            colon = "" if text[offset : offset + 1] == ":" else ": "
            found.append(Choice(name, f"{name}{colon}", place.start, "field", "", about(schema)))
    return found


def _values(scope: Scope, data: Mapping[str, Any], place: CursorContext) -> list[Choice]:
    if "\n" in place.prefix:
        return []
    found = [
        Choice(str(value).lower() if isinstance(value, bool) else str(value), _written(value), place.start, "value")
        for value in values_at(data, place.path)
    ]
    kinds = _kinds(data, place.path)
    return found + [Choice(name, name, place.start, "reference", told) for name, told in references(scope, kinds)]


def _written(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _kinds(data: Mapping[str, Any], path: Path_) -> Iterable[str]:
    """The kinds of names that a field takes; none for a plain field."""
    if len(path) < 3 or path[0] not in (*KINDS, "defaults", "profiles"):
        return ()
    skipped = {"defaults": 2, "profiles": 3}.get(str(path[0]), 2)
    field = tuple("*" if isinstance(part, int) else str(part) for part in path[skipped:])
    operation = operation_at(data, path)
    if operation is None or not field:
        return ()
    form = layout_of(operation)
    if field[0] == "needs":
        return KINDS.values()
    if field[0] == "references":
        return tuple(operation.kling.get("inputs", ()))
    if field[0] in form.sugar:
        return (str(form.sugar[field[0]]["kind"]),)
    return (str(form.medias[field]["kind"]),) if field in form.medias else ()
