"""Reads what stands at a pattern of places in a request, and copies a request with its leaves changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from kling_pipe.pointers import Pointer, walk


def values(body: Any, pattern: str) -> Iterator[tuple[Pointer, Any]]:
    """Every value at a pattern (`/image_list/*/image_url`) with its place; null and empty text are passed over."""
    return ((path, value) for path, value in walk(body, pattern) if value is not None and value != "")


def replaced(body: Any, change: Callable[[Pointer, Any], Any], path: Pointer = ()) -> Any:
    """A copy with every leaf replaced by `change(path, leaf)`."""
    if isinstance(body, dict):
        return {name: replaced(value, change, (*path, name)) for name, value in body.items()}
    if isinstance(body, list):
        return [replaced(item, change, (*path, index)) for index, item in enumerate(body)]
    return change(path, body)
