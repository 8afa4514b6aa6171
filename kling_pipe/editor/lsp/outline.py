"""A document's outline: its sections, and in them the entries by name."""

from __future__ import annotations

from collections.abc import Sequence

from kling_pipe.editor.lsp.partial_yaml import rows
from kling_pipe.editor.lsp.results import Heading
from kling_pipe.editor.lsp.symbols import leaves, recipe_of
from kling_pipe.manifest.scope import Scope

_KINDS = {
    "elements": "class",
    "voices": "class",
    "images": "object",
    "videos": "event",
    "audios": "event",
    "vars": "variable",
    "include": "module",
}
_OPEN = (*_KINDS, "profiles")
_Key = tuple[tuple[str | int, ...], int, int, int]


def outline(text: str, scope: Scope | None) -> list[Heading]:
    """The headings of a text; by its indentation alone while it is no YAML."""
    keys = _keys(text)
    found = []
    for path, start, end, until in keys:
        if len(path) == 1:
            below = tuple(_entry(key, scope) for key in keys if len(key[0]) == 2 and key[0][0] == path[0])
            shown = below if path[0] in _OPEN else ()
            found.append(Heading(str(path[0]), "namespace" if shown else "field", start, end, until, "", shown))
    return found


def _keys(text: str) -> Sequence[_Key]:
    read = leaves(text)
    if read is not None:
        return [(leaf.path, leaf.start, leaf.end, _trimmed(text, leaf.until)) for leaf in read if leaf.is_key]
    typed = rows(text)
    found: list[_Key] = []
    for number, row in enumerate(typed):
        after = next((other.start for other in typed[number + 1 :] if other.column <= row.column), len(text))
        found.append((row.path, row.start, row.end, max(row.end, _trimmed(text, after))))
    return found


def _trimmed(text: str, end: int) -> int:
    return len(text[:end].rstrip())


def _entry(key: _Key, scope: Scope | None) -> Heading:
    path, start, end, until = key
    return Heading(str(path[1]), _KINDS.get(str(path[0]), "field"), start, end, max(until, end), _detail(path, scope))


def _detail(path: tuple[str | int, ...], scope: Scope | None) -> str:
    recipe = recipe_of(scope, path) if scope is not None else None
    if recipe is None:
        return ""
    jobs = len(recipe.cells) * recipe.takes
    return recipe.operation.name + (f", {jobs} jobs" if jobs > 1 else "")
