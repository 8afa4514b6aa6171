"""Where the entries of a mapping stand in its text, to the character: for edits that leave all else as it was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import yaml

from kling_pipe.manifest.yaml.nodes import compose


@dataclass(frozen=True, slots=True)
class Span:
    """One `key: value`: from the key's first character to behind the value's last. `is_scalar`: a plain value."""

    start: int
    value: int
    end: int
    is_scalar: bool


@dataclass(frozen=True, slots=True)
class Block:
    """A mapping as it is written: its own entries (not merged ones) by key. `is_flow`: `{ in: braces }`."""

    entries: Mapping[str, Span]
    is_flow: bool
    indent: int


def block_at(text: str, path: Sequence[str]) -> Block | None:
    """The mapping at a path; None when there is none, or it is an alias of one that is written elsewhere."""
    node = compose(text)
    key: yaml.Node | None = None
    for part in path:
        if not isinstance(node, yaml.MappingNode):
            return None
        key, node = next(((name, value) for name, value in node.value if name.value == part), (None, None))
    if not isinstance(node, yaml.MappingNode) or not node.value:
        return None
    if key is not None and node.start_mark.index < key.start_mark.index:
        return None  # an alias: the mapping belongs to another entry
    entries = {
        name.value: Span(
            name.start_mark.index, value.start_mark.index, value.end_mark.index, isinstance(value, yaml.ScalarNode)
        )
        for name, value in node.value
    }
    return Block(entries, bool(node.flow_style), node.value[0][0].start_mark.column)
