"""Places in a JSON value, and patterns of places: `/image_list/*/image_url`, where `*` is every item or every key."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

Pointer = tuple[str | int, ...]
"""A place as the keys and indices (from 0) that lead to it: `("multi_prompt", 2, "prompt")`."""


@cache
def parts(pattern: str) -> tuple[str, ...]:
    """The steps of a pattern; `""` has none and is the whole value."""
    return tuple(pattern.strip("/").split("/")) if pattern else ()


def walk(value: Any, pattern: str) -> Iterator[tuple[Pointer, Any]]:
    """Every place that a pattern names and that exists, in order, with its value."""
    return _walk(value, parts(pattern), ())


def _walk(value: Any, steps: Sequence[str], at: Pointer) -> Iterator[tuple[Pointer, Any]]:
    if not steps:
        yield at, value
        return
    step, rest = steps[0], steps[1:]
    if type(value) is dict or isinstance(value, Mapping):  # the first answers fast
        for name in value if step == "*" else (step,):
            if name in value:
                yield from _walk(value[name], rest, (*at, name))
    elif isinstance(value, list) and step == "*":
        for index, item in enumerate(value):
            yield from _walk(item, rest, (*at, index))


def fixed(pattern: str) -> Pointer:
    """The part of a pattern before its first `*`: where a value that is missing would stand."""
    steps = parts(pattern)
    return steps[: steps.index("*")] if "*" in steps else steps


def pattern_of(pointer: Pointer) -> tuple[str, ...]:
    """Return the steps of the pattern that names a place and its neighbours in lists: `*` for every index."""
    return tuple("*" if isinstance(step, int) else step for step in pointer)


def touches(pointer: Pointer, pattern: str) -> bool:
    """Whether a place is one that a pattern names, or encloses such places. What lies deeper does not touch it."""
    steps = parts(pattern)
    return len(pointer) <= len(steps) and all(step in ("*", place) for step, place in zip(steps, pointer, strict=False))
