"""`{ a: 1, b: [x, y` up to the cursor: where in it one stands. Pure, and patient with what is not closed yet."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_TOKEN = re.compile(
    r"""(?P<quoted>"(?:[^"\\]|\\.)*"|'(?:[^']|'')*')|(?P<open>[\[{])|(?P<close>[\]}])|(?P<comma>,)|(?P<colon>:(?=\s|$))
    |(?P<rest>["'].*\Z)|(?P<space>\s+)|(?P<word>(?:[^\s\[\]{},:]|:(?!\s|$))+)|(?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)


@dataclass(slots=True)
class _Open:
    """A collection that is not closed yet: the key, or the index, that one stands at."""

    is_list: bool
    index: int = 0
    key: str | None = None
    keys: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class FlowPosition:
    """`path` below the value; `is_key` where a key may stand; `start` where the word under the cursor begins."""

    path: tuple[str | int, ...]
    is_key: bool
    start: int
    keys: tuple[str, ...]
    depth: int


def flow_place(text: str) -> FlowPosition:
    """Where the end of `text` stands, in the flow collection that `text` begins."""
    stack: list[_Open] = []
    word, start = "", len(text)
    for match in _TOKEN.finditer(text):
        kind, found = match.lastgroup, match[0]
        if kind in ("word", "quoted", "rest", "other"):
            start = match.start() if not word else start
            word += found
            continue
        if kind == "space":
            word = f"{word} " if word and match.end() < len(text) else word
            start = start if word and match.end() < len(text) else len(text)
            continue
        _structure(stack, str(kind), found, word.strip().strip("'\""))
        word, start = "", match.end()
    path = tuple(part for one in stack for part in _step(one))
    inside = stack[-1] if stack else None
    is_key = inside is not None and not inside.is_list and inside.key is None
    begins = start + (1 if word[:1] in ("'", '"') else 0) if word and start < len(text) else len(text)
    return FlowPosition(path, is_key, begins, tuple(inside.keys) if inside else (), len(stack))


def _structure(stack: list[_Open], kind: str, found: str, word: str) -> None:
    if kind == "open":
        stack.append(_Open(found == "["))
    elif kind == "close":
        if stack:
            stack.pop()
    elif stack and kind == "comma":
        stack[-1].index += 1
        stack[-1].key = None
    elif stack and kind == "colon" and not stack[-1].is_list:
        stack[-1].key = word
        stack[-1].keys.append(word)


def _step(one: _Open) -> tuple[str | int, ...]:
    if one.is_list:
        return (one.index,)
    return (one.key,) if one.key is not None else ()
