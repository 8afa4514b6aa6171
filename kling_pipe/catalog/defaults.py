"""A request body as Kling reads it: what is blank is absent, and what is absent has the vendor's default."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Body = dict[str, Any]
Filler = Callable[[Body], Body]


def written(body: Mapping[str, Any]) -> Body:
    """The fields that say something: no blank strings, null or `[]`, at any depth. List items keep their place."""
    return {name: _inner(value) for name, value in body.items() if not _is_blank(value)}


def _inner(value: Any) -> Any:
    if isinstance(value, Mapping):
        return written(value)
    return [_inner(item) for item in value] if isinstance(value, list) else value


def _is_blank(value: Any) -> bool:
    if isinstance(value, str):
        return not value or value.isspace()
    return value is None or (isinstance(value, list) and not value)


def filler(schema: Mapping[str, Any]) -> Filler | None:
    """A function that adds the defaults of an object's schema, also in objects inside it. None when it has none."""
    fields: Mapping[str, Any] = schema.get("properties", {})
    defaults = {name: field["default"] for name, field in fields.items() if "default" in field}
    inner = {name: fill for name, field in fields.items() if (fill := _deep(field))}
    if not defaults and not inner:
        return None

    def fill_in(body: Body) -> Body:
        deeper = {name: fill(body[name]) for name, fill in inner.items() if name in body}
        return {**defaults, **body, **deeper}

    return fill_in


def _deep(field: Mapping[str, Any]) -> Callable[[Any], Any] | None:
    one = filler(field)
    if one is not None:
        fill = one
        return lambda value: fill(value) if isinstance(value, dict) else value
    item = _deep(field["items"]) if "items" in field else None
    if item is None:
        return None
    fill_item = item
    return lambda value: [fill_item(entry) for entry in value] if isinstance(value, list) else value
