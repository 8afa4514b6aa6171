"""Reads what stands at a pattern of places in a request."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kling_pipe.pointers import Pointer, walk


def values(body: Any, pattern: str) -> Iterator[tuple[Pointer, Any]]:
    """Every value at a pattern (`/image_list/*/image_url`) with its place; null and empty text are passed over."""
    return ((path, value) for path, value in walk(body, pattern) if value is not None and value != "")
