"""What the editor's schema says about a place of a manifest: the fields that fit there, and the values of a field."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from kling_pipe.catalog.operations import Operation, find
from kling_pipe.editor.schema import manifest_schema
from kling_pipe.manifest.keywords import DEFAULT_API, KINDS

Path_ = tuple[str | int, ...]
Schema = Mapping[str, Any]


@cache
def _schema() -> Schema:
    return manifest_schema()


def operation_at(data: Any, path: Path_) -> Operation | None:
    """The operation that the fields at a path belong to: by `api` there, else in `defaults`, else the kind's own.

    `data` is the manifest as far as it could be read; `path` leads into an entry, `defaults` or a profile.
    """
    plural = str(path[0]) if path[0] in KINDS else _layer_kind(path)
    kind = KINDS.get(plural)
    if kind is None:
        return None
    places: list[Path_] = [path[:2], ("defaults", plural)] if path[0] in KINDS else [("defaults", plural)]
    if path[0] == "profiles":
        places.insert(0, path[:3])
    written = [_at(data, (*place, "api")) for place in places]
    api = next((name for name in written if isinstance(name, str)), DEFAULT_API[kind])
    found = find(api)
    return found if found is not None and found.kind == kind else find(DEFAULT_API[kind])


def _layer_kind(path: Path_) -> str:
    at = 1 if path[0] == "defaults" else 2
    return str(path[at]) if len(path) > at else ""


def _at(data: Any, path: Path_) -> Any:
    for part in path:
        data = data.get(part) if isinstance(data, Mapping) else None
    return data


def schemas_at(data: Any, path: Path_) -> list[Schema]:
    """Every form that the value at a path may have, `$ref`, `anyOf` and `allOf` followed."""
    start, rest = _start(data, path)
    found = list(_forms(start))
    for part in rest:
        found = [form for one in found for below in _below(one, part) for form in _forms(below)]
    return found


def _start(data: Any, path: Path_) -> tuple[Schema, Path_]:
    """The schema that a path is under, and the rest of the path."""
    depth = {"defaults": 2, "profiles": 3}.get(str(path[0]) if path else "", 2)
    if path and (path[0] in KINDS or path[0] in ("defaults", "profiles")) and len(path) >= depth:
        operation = operation_at(data, path)
        if operation is not None:
            suffix = "" if path[0] in KINDS else "-layer"
            return _schema()["definitions"][f"{operation.name}{suffix}"], path[depth:]
    return _schema(), path


def _forms(schema: Schema) -> Iterator[Schema]:
    yield schema
    if "$ref" in schema:
        yield from _forms(_named(schema["$ref"]))
    for word in ("anyOf", "allOf"):
        for one in schema.get(word, ()):
            if "if" not in one:
                yield from _forms(one)


def _named(reference: str) -> Schema:
    found: Any = _schema()
    for part in reference.removeprefix("#/").split("/"):
        found = found[part]
    return found  # type: ignore[no-any-return]  # a definition is a mapping


def _below(schema: Schema, part: str | int) -> Iterator[Schema]:
    if isinstance(part, int):
        items = schema.get("items")
        if isinstance(items, Mapping):
            yield items
        return
    known = schema.get("properties", {})
    if part in known:
        yield known[part]
    elif isinstance(schema.get("additionalProperties"), Mapping):
        yield schema["additionalProperties"]


def fields_at(data: Any, path: Path_) -> dict[str, Schema]:
    """The keys that a mapping at a path may have, with what is known of each."""
    found: dict[str, Schema] = {}
    for form in schemas_at(data, path):
        for name, schema in form.get("properties", {}).items():
            found.setdefault(name, schema)
    return found


def values_at(data: Any, path: Path_) -> list[Any]:
    """The values that a field takes, when they can be listed."""
    found: list[Any] = []
    for form in schemas_at(data, path):
        found += form.get("enum", [form["const"]] if "const" in form else ())
        kind = form.get("type")
        found += [True, False] if kind == "boolean" else ()
    return list(dict.fromkeys(found)) if all(isinstance(one, str | int | float) for one in found) else []


def about(schema: Schema) -> str:
    """A field in words: what it is, what it takes, an example. Markdown."""
    forms = list(_forms(schema))
    text = next((str(form["description"]) for form in forms if "description" in form), "")
    facts = []
    listed = list(dict.fromkeys(str(one) for form in forms for one in form.get("enum", ()) if isinstance(one, str)))
    if listed:
        facts.append("Takes " + ", ".join(f"`{one}`" for one in listed) + ".")
    facts += [f"{word} {form[key]}." for key, word in _RANGES.items() for form in forms[:3] if key in form]
    default = next((form["default"] for form in forms if "default" in form), None)
    if default is not None:
        facts.append(f"Kling's own default is `{_plain(default)}`.")
    examples: list[Any] = next((form["examples"] for form in forms if "examples" in form), [])
    if examples and not isinstance(examples[0], dict | list):
        facts.append(f"Example: `{_plain(examples[0])}`.")
    return "\n\n".join(filter(None, [text, " ".join(dict.fromkeys(facts))]))


_RANGES = {
    "minimum": "At least",
    "maximum": "At most",
    "maxLength": "Characters at most:",
    "maxItems": "Entries at most:",
}


def _plain(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
