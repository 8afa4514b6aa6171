"""Numbering: a reference gets a place in the request's list, and the place is the number in the prompt."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kling_pipe.catalog import Operation
from kling_pipe.manifest.lookup import NotFound, Value


def pointer_parts(pointer: str) -> tuple[str, ...]:
    """`/image_list/*/image_url` as parts."""
    return tuple(pointer.strip("/").split("/"))


def put(body: dict[str, Any], parts: tuple[str, ...], value: Any) -> None:
    """Set a nested field, making the mappings on the way."""
    for part in parts[:-1]:
        body = body.setdefault(part, {})
    body[parts[-1]] = value


def get(body: Any, parts: tuple[str, ...]) -> Any:
    """A nested field or None."""
    for part in parts:
        body = body.get(part) if isinstance(body, Mapping) else None
    return body


def filled(item: Mapping[str, Any], value: Any) -> dict[str, Any]:
    """An item template of the operation's data with `$` replaced."""
    return {name: value if part == "$" else part for name, part in item.items()}


class Lists:
    """The request's lists of images, elements and videos while they are being filled."""

    def __init__(self, operation: Operation, body: dict[str, Any]) -> None:
        self._inputs: Mapping[str, Any] = operation.kling.get("inputs", {})
        self._operation = operation
        self._body = body

    def number(self, kind: str, value: Value) -> tuple[int, tuple[str | int, ...]]:
        """The number of `value` among the request's inputs of this kind, added if it is new, and its pointer."""
        place = self._inputs.get(kind)
        if place is None:
            takes = " and ".join(f"{name}s" for name in self._inputs) or "no references"
            raise NotFound("KP308", f"`{self._operation.name}` takes no {kind} in its prompt", allowed=takes,
                           hint="Use another `api:`, or leave the reference out.")  # fmt: skip
        if "field" in place:
            return self._single(kind, pointer_parts(place["field"]), value)
        return self.add(pointer_parts(place["list"]), place["item"], value)

    def token(self, kind: str, number: int) -> str:
        """`<<<image_2>>>`, with the operation's own word for the kind."""
        return f"<<<{self._inputs[kind].get('token', kind)}_{number}>>>"

    def add(self, parts: tuple[str, ...], item: Mapping[str, Any], value: Value) -> tuple[int, tuple[str | int, ...]]:
        """A place in a list; the same value keeps the place that it has."""
        items = get(self._body, parts)
        if not isinstance(items, list):
            items = []
            put(self._body, parts, items)
        slot = next(name for name, part in item.items() if part == "$")
        for index, known in enumerate(items):
            if isinstance(known, Mapping) and slot in known and known[slot] == value:
                return index + 1, (*parts, index, slot)
        items.append(filled(item, value))
        return len(items), (*parts, len(items) - 1, slot)

    def _single(self, kind: str, parts: tuple[str, ...], value: Value) -> tuple[int, tuple[str | int, ...]]:
        known = get(self._body, parts)
        if known is not None and known != value:
            raise NotFound("KP308", f"`{self._operation.name}` takes one {kind} only, and has one already",
                           hint="Remove one of the two, or use an `api:` that takes several.")  # fmt: skip
        put(self._body, parts, value)
        return 1, parts
