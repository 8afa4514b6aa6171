"""The two views of a body that rules look at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from kling_pipe.catalog.defaults import Body, written
from kling_pipe.catalog.operations import Operation, type_key, with_defaults
from kling_pipe.core.json_pointer import parts


class View(NamedTuple):
    """A body under check: as Kling reads it, defaults filled in, and as its author wrote it."""

    read: Body
    written: Body


def view_of(operation: Operation, body: Mapping[str, Any], element_kinds: Mapping[int, str]) -> View:
    """Both views; in `read`, elements whose kind is known (by index in their list) carry it as `reference_type`."""
    own = written(body)
    read = with_defaults(operation, own)
    for media in operation.kling["media"]:
        name = parts(media["at"])[0]
        if element_kinds and media["kind"] == "element" and isinstance(read.get(name), list):
            read[name] = [_with_kind(item, element_kinds.get(index)) for index, item in enumerate(read[name])]
    return View(read, own)


def _with_kind(item: Any, kind: str | None) -> Any:
    """An element of the list, with the kind that is known of it under Kling's own name for it."""
    return {**item, type_key("element"): kind} if kind and isinstance(item, dict) else item
