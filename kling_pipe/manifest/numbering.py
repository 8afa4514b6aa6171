"""Numbering: a reference gets a place in the request's list, and the place is the number in the prompt."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kling_pipe.catalog.operations import Operation
from kling_pipe.core.json_pointer import Pointer, parts
from kling_pipe.manifest.problems import Path_
from kling_pipe.manifest.reference_lookup import NotFound, Value
from kling_pipe.model import FileRef

Origins = dict[Pointer, Path_]


def put(body: dict[str, Any], place: tuple[str, ...], value: Any) -> None:
    """Set a nested field, making the mappings on the way."""
    for part in place[:-1]:
        body = body.setdefault(part, {})
    body[place[-1]] = value


def get(body: Any, place: tuple[str, ...]) -> Any:
    """A nested field or None."""
    for part in place:
        body = body.get(part) if isinstance(body, (dict, Mapping)) else None  # a dict is known at once
    return body


def filled(item: Mapping[str, Any], value: Any) -> dict[str, Any]:
    """An item template of the operation's data with `$` replaced."""
    return {name: value if part == "$" else part for name, part in item.items()}


def slot(item: Mapping[str, Any]) -> str:
    """The name that `$` stands at in an item template."""
    return next(name for name, part in item.items() if part == "$")


def _same(one: object, other: object) -> bool:
    """Whether two values are one input. Of files the bytes decide: a path must never change a key."""
    if isinstance(one, FileRef) and isinstance(other, FileRef):
        return one.sha256 == other.sha256
    return one == other


class Numbering:
    """The request's lists of images, elements and videos while they are being filled."""

    __slots__ = ("_body", "_inputs", "_operation", "_origins")

    def __init__(self, operation: Operation, body: dict[str, Any], origins: Origins | None) -> None:
        self._inputs: Mapping[str, Any] = operation.kling.get("inputs", {})
        self._operation, self._body, self._origins = operation, body, origins

    def token(self, kind: str, value: Value, path: Path_) -> str:
        """`<<<image_2>>>`: the input's number in the operation's own words; a new input is added."""
        return f"<<<{self._input(kind).get('token', kind)}_{self.number(kind, value, path)}>>>"

    def number(self, kind: str, value: Value, path: Path_) -> int:
        """The number of `value` among the request's inputs of this kind. Raises `NotFound` when there is no room."""
        place = self._input(kind)
        if "field" in place:
            return self._single(kind, parts(place["field"]), value, path)
        return self._add(parts(place["list"]), place["item"], value, path)

    def _input(self, kind: str) -> Mapping[str, Any]:
        found: Mapping[str, Any] | None = self._inputs.get(kind)
        if found is None:
            takes = " and ".join(f"{name}s" for name in self._inputs) or "no references"
            raise NotFound(
                "KP308",
                f"`{self._operation.name}` takes no {kind} as a reference",
                allowed=takes,
                hint="Use another `api:`, or leave the reference out.",
            )
        return found

    def _add(self, place: tuple[str, ...], item: Mapping[str, Any], value: Value, path: Path_) -> int:
        """A place in a list; the same value keeps the place that it has."""
        items = get(self._body, place)
        if not isinstance(items, list):
            items = []
            put(self._body, place, items)
        name = slot(item)
        for index, known in enumerate(items):
            if isinstance(known, Mapping) and name in known and _same(known[name], value):
                return index + 1
        items.append(filled(item, value))
        self._written((*place, len(items) - 1), path)
        return len(items)

    def _single(self, kind: str, place: tuple[str, ...], value: Value, path: Path_) -> int:
        known = get(self._body, place)
        if known is not None and not _same(known, value):
            raise NotFound(
                "KP308",
                f"`{self._operation.name}` takes one {kind} only, and has one already",
                hint="Remove one of the two, or use an `api:` that takes several.",
            )
        put(self._body, place, value)
        self._written(place, path)
        return 1

    def _written(self, pointer: Pointer, path: Path_) -> None:
        if self._origins is not None:
            self._origins.setdefault(pointer, path)
