"""Every scalar of a YAML text with its path and its place: what a reader finds who looks for words, not for data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import yaml

from kling_pipe.manifest.yaml.nodes import compose, is_merge

Path_ = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Scalar:
    """A key or a scalar value. A key has the path of what it names, and `until` is where that ends.

    `start` and `end` count characters. What an alias repeats is there once, at its anchor.
    """

    path: Path_
    value: str
    start: int
    end: int
    is_key: bool
    until: int


def leaves(text: str) -> list[Scalar] | None:
    """All scalars in the order of the text; None when it is no YAML."""
    try:
        root = compose(text)
    except (yaml.YAMLError, RecursionError):
        return None
    return sorted(_walk(root, (), set()), key=lambda leaf: leaf.start) if root is not None else []


def _walk(node: yaml.Node, path: Path_, seen: set[int]) -> Iterator[Scalar]:
    if id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, yaml.ScalarNode):
        yield _leaf(node, path, is_key=False, until=node.end_mark.index)
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield from _walk(item, (*path, index), seen)
    else:
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode):
                below = path if is_merge(key) else (*path, key.value)
                until = value.end_mark.index if value.start_mark.index >= key.start_mark.index else key.end_mark.index
                yield _leaf(key, below, is_key=True, until=until)
                yield from _walk(value, below, seen)


def _leaf(node: yaml.ScalarNode, path: Path_, *, is_key: bool, until: int) -> Scalar:
    return Scalar(path, node.value, node.start_mark.index, node.end_mark.index, is_key, until)
