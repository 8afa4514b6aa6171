"""The numbered references in prompts: `<<<image_1>>>`, `<<<element_2>>>`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from kling_pipe.core.json_pointer import Pointer, walk

_TOKEN = re.compile(r"<<<([a-z]+)_([0-9]{1,9})>>>")


def tokens(text: str) -> list[tuple[str, int]]:
    """The well-formed references of a prompt in order: kind and number."""
    return [(kind, int(number)) for kind, number in _TOKEN.findall(text)]


def prompts(body: Mapping[str, Any], patterns: Sequence[str]) -> Iterator[tuple[Pointer, str]]:
    """Every prompt of a body that is text, with its place."""
    for pattern in patterns:
        for pointer, value in walk(body, pattern):
            if isinstance(value, str):
                yield pointer, value
