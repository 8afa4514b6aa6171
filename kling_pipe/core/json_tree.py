"""Walks over JSON values: find leaves, or what stands at a pattern of places; copy with leaves changed. Pure.

Mappings and lists are inner places, as are tuples, which a copy makes lists of; whatever else stands there is a leaf.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from kling_pipe.core.json_pointer import Pointer, walk


def values(body: Any, pattern: str) -> Iterator[tuple[Pointer, Any]]:
    """Every value at a pattern (`/image_list/*/image_url`) with its place; null and empty text are passed over."""
    return ((path, value) for path, value in walk(body, pattern) if value is not None and value != "")


Place = tuple[str | int, ...]
"""The keys and indices (from 0) that lead to a leaf."""

T = TypeVar("T")
_PLAIN = (str, int, float, type(None))  # asked for first: to tell that something is no Mapping takes longer


def leaves(value: Any, at: Place = ()) -> Iterator[tuple[Place, Any]]:
    """Yield every leaf with its place, in order."""
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield from leaves(item, (*at, name))
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from leaves(item, (*at, index))
    else:
        yield at, value


def find_leaves(value: Any, kind: type[T]) -> Iterator[T]:
    """Yield every leaf of a type, in order."""
    if isinstance(value, kind):
        yield value
    elif not isinstance(value, _PLAIN):
        for item in value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else ():
            if isinstance(item, kind):
                yield item
            elif not isinstance(item, _PLAIN):
                yield from find_leaves(item, kind)


def map_leaves(value: Any, change: Callable[[Any], Any]) -> Any:
    """Return a copy with `change(leaf)` in place of every leaf."""
    if isinstance(value, _PLAIN):
        return change(value)
    if type(value) is dict or isinstance(value, Mapping):  # the first answers fast
        return {
            name: change(item) if isinstance(item, _PLAIN) else map_leaves(item, change) for name, item in value.items()
        }
    return [map_leaves(item, change) for item in value] if isinstance(value, list | tuple) else change(value)


def map_leaves_at(value: Any, change: Callable[[Place, Any], Any], at: Place = ()) -> Any:
    """Return a copy with `change(place, leaf)` in place of every leaf."""
    if isinstance(value, Mapping):
        return {name: map_leaves_at(item, change, (*at, name)) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [map_leaves_at(item, change, (*at, index)) for index, item in enumerate(value)]
    return change(at, value)
