"""YAML text as the atoms that it is written in: tokens, comments, nothing lost but white space between them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

import yaml

try:
    from yaml import CSafeLoader as _Loader
except ImportError:  # PyYAML without libyaml: slower, same tokens
    from yaml import SafeLoader as _Loader  # type: ignore[assignment]

_COMMENT = re.compile(r"#[^\n]*")
_HEADER = re.compile(r"([|>][-+0-9]*)[ \t]*(#[^\n]*)?\n?")
_BLOCK = ("|", ">")


class Token(NamedTuple):
    """A token or a comment. `kind` is PyYAML's name of the token without `Token`, or `Comment`.

    `start` and `end` count characters, `line` and `column` count from 0. Tokens of structure have no width.
    A comment behind the head of a block scalar (`>-  # why`) is part of that scalar's text: see `head`.
    """

    kind: str
    text: str
    start: int
    end: int
    line: int
    column: int
    style: str = ""

    @property
    def is_block(self) -> bool:
        """Whether this is a literal or folded block scalar."""
        return self.style in _BLOCK

    def head(self) -> tuple[str, str, str]:
        """A block scalar in three parts: indicator, comment behind it, and the lines below."""
        match = _HEADER.match(self.text)
        assert match is not None
        return match.group(1), (match.group(2) or "").rstrip(" \t"), self.text[match.end() :]


def atoms(text: str) -> Iterator[Token]:
    r"""Every token and comment in order. Raises `yaml.YAMLError` where the text is no YAML.

    The text has line ends of one kind (`\n`) and no byte order mark.
    """
    at = 0
    for token in yaml.scan(text, _Loader):
        start, end = token.start_mark.index, token.end_mark.index
        if start > at:
            yield from _comments(text, at, start)
        at = max(at, end)
        yield Token(
            type(token).__name__.removesuffix("Token"),
            text[start:end],
            start,
            end,
            token.start_mark.line,
            token.start_mark.column,
            getattr(token, "style", None) or "",
        )


def _comments(text: str, start: int, end: int) -> Iterator[Token]:
    for match in _COMMENT.finditer(text, start, end):
        line_start = text.rfind("\n", 0, match.start()) + 1
        yield Token(
            "Comment",
            match.group().rstrip(" \t"),
            match.start(),
            match.end(),
            text.count("\n", 0, match.start()),
            match.start() - line_start,
        )


class Comment(NamedTuple):
    """A comment and the lines (from 1) that it speaks about: its own, the next if it stands alone, or a whole block."""

    text: str
    first: int
    last: int


def comments(text: str) -> list[Comment]:
    """Every comment of a text with what it speaks about; empty when the text is no YAML."""
    try:
        found = [atom for atom in atoms(text) if atom.text]
    except yaml.YAMLError:
        return []
    result = []
    for index, atom in enumerate(found):
        if atom.kind == "Comment":
            alone = index == 0 or found[index - 1].line != atom.line or found[index - 1].is_block
            below = next((one.line for one in found[index + 1 :] if one.kind != "Comment"), atom.line)
            first, last = (atom.line, below) if alone else (atom.line, atom.line)
            result.append(Comment(atom.text, first + 1, last + 1))
        elif atom.is_block and (remark := atom.head()[1]):
            result.append(Comment(remark, atom.line + 1, atom.line + 1 + atom.text.rstrip("\n").count("\n")))
    return result
