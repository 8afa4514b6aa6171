"""Half-typed YAML, read line by line by its indentation: good enough to know where somebody stands. Pure.

It never refuses a text. Where the compiler can read the file, the compiler is asked instead.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache

from kling_pipe.editor.lsp.partial_flow import flow_place

Path_ = tuple[str | int, ...]
KEY = re.compile(r"""("[^"]*"|'[^']*'|[^\s\-?#&*!|>%@`"'{}\[\],:][^\s:#{}\[\],]*)[ \t]*:(?=\s|$)""")
_DASH = re.compile(r"-(?:[ \t]+|$)")
_HEADER = re.compile(r"(?:[&!]\S+[ \t]+)*[|>][-+0-9]*[ \t]*(?:#.*)?$")
_LINE = re.compile(r"[^\n]*(?:\n|\Z)")


@dataclass(frozen=True, slots=True)
class Row:
    """A key as it is written: the path of what it names, where it stands, and where its value begins."""

    path: Path_
    start: int
    end: int
    value: int
    column: int


@dataclass(slots=True)
class PartialYaml:
    """Lines, read one after the other. `stack` holds columns and keys (or indices) of what is open."""

    stack: list[tuple[int, str | int]] = field(default_factory=list)
    block: int | None = None
    flow: str = ""
    flow_start: int = 0
    quote: str = ""
    value_start: int = 0

    @property
    def path(self) -> Path_:
        """What is open, from the outside in."""
        return tuple(part for _, part in self.stack)

    def feed(self, line: str, start: int) -> Row | None:
        """Read one line that begins at a character of the text; the key on it, if there is one."""
        content = line.strip()
        column = len(line) - len(line.lstrip(" "))
        if self.block is not None:
            if not content or column > self.block:
                return None
            self.block = None
        self.recover(line, column)
        if self.quote:
            self.quote = "" if self.quote in line else self.quote
            return None
        if self.flow:
            self.flow = self._still_open(f"{self.flow}{line}")
            return None
        if not content or content.startswith("#"):
            return None
        column = self.dashes(line, column)
        return self._key(line.rstrip("\r\n"), column, start)

    def recover(self, line: str, column: int) -> None:
        """Give up a quote or bracket that was never closed: a key this far out begins something new."""
        if (self.quote or self.flow) and self.stack and column <= self.stack[-1][0] and KEY.match(line, column):
            self.quote = self.flow = ""

    def dashes(self, line: str, column: int) -> int:
        """Take the `- ` marks at the head of a line; the column behind them."""
        while match := _DASH.match(line, column):
            index = -1
            while self.stack and (
                self.stack[-1][0] > column or (self.stack[-1][0] == column and isinstance(self.stack[-1][1], int))
            ):
                last, part = self.stack.pop()
                index = part if last == column and isinstance(part, int) else -1
            self.stack.append((column, index + 1))
            column = match.end()
        return column

    def close(self, column: int) -> None:
        """Leave what stands at this column or further in."""
        while self.stack and self.stack[-1][0] >= column:
            self.stack.pop()

    def _key(self, line: str, column: int, start: int) -> Row | None:
        match = KEY.match(line, column)
        self.value_start = start + (match.end() if match else column)
        if match is None:
            if self.stack and _HEADER.match(line, column):
                self.block = self.stack[-1][0]
            return None
        self.close(column)
        name = match[1].strip("'\"")
        self.stack.append((column, name))
        value = line[match.end() :].strip()
        if _HEADER.match(value):
            self.block = column
        elif value[:1] in ("{", "["):
            self.flow_start = start + line.index(value[0], match.end())
            self.flow = self._still_open(f"{value}\n")
        elif value[:1] in ("'", '"') and value.count(value[0]) % 2:
            self.quote = value[0]
        quoted = len(match[1]) != len(name)
        return Row(self.path, start + column + quoted, start + column + quoted + len(name), self.value_start, column)

    @staticmethod
    def _still_open(text: str) -> str:
        return text if flow_place(text).depth else ""


def lines_of(text: str) -> Iterator[tuple[int, str]]:
    """Every line with the character that it begins at."""
    for match in _LINE.finditer(text):
        if match[0]:
            yield match.start(), match[0]


@lru_cache(maxsize=16)
def rows(text: str) -> tuple[Row, ...]:
    """The keys of a text, as far as they stand in lines of their own."""
    sketch = PartialYaml()
    return tuple(row for start, line in lines_of(text) if (row := sketch.feed(line, start)) is not None)
