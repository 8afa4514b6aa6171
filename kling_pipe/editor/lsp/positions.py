"""Places in a text: characters from its start, and the lines and columns that an editor counts. Pure."""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property, lru_cache

from kling_pipe.model import Problem

_LINE_END = re.compile("\r\n|\n|\r")
_BREAKS = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
_WIDTHS = {"utf-8": ("utf-8", 1), "utf-16": ("utf-16-le", 2), "utf-32": ("utf-32-le", 4)}


@dataclass(frozen=True)
class Lines:
    """A text whose columns are counted in units of `encoding`, as the protocol has it: `utf-16` unless agreed."""

    text: str
    encoding: str = "utf-16"

    @cached_property
    def _starts(self) -> list[int]:
        return [0, *(end.end() for end in _LINE_END.finditer(self.text))]

    @cached_property
    def _yaml_starts(self) -> list[int]:
        return [0, *(end.end() for end in _BREAKS.finditer(self.text))]

    def at(self, index: int) -> tuple[int, int]:
        """Line and column, both from 0, of a character."""
        index = max(0, min(index, len(self.text)))
        line = bisect_right(self._starts, index) - 1
        return line, self._units(self.text[self._starts[line] : index])

    def index(self, line: int, column: int) -> int:
        """The character at a line and column; what is beyond an end is the end."""
        if line >= len(self._starts):
            return len(self.text)
        start = self._starts[line]
        stop = self._starts[line + 1] if line + 1 < len(self._starts) else len(self.text)
        content = self.text[start:stop].rstrip("\r\n")
        codec, width = _WIDTHS[self.encoding]
        return start + len(content.encode(codec, "surrogatepass")[: column * width].decode(codec, "ignore"))

    def of_position(self, line: int, column: int) -> int:
        """The character at a place as problems give it: from 1, with YAML's idea of what ends a line."""
        starts = self._yaml_starts
        return min(starts[min(line, len(starts)) - 1] + column - 1, len(self.text))

    def stretch(self, problem: Problem) -> tuple[int, int]:
        """The characters that a problem marks."""
        start = self.of_position(problem.position.line, problem.position.column) if problem.position else 0
        return start, min(start + max(1, problem.width), len(self.text))

    def _units(self, text: str) -> int:
        codec, width = _WIDTHS[self.encoding]
        return len(text.encode(codec, "surrogatepass")) // width


@lru_cache(maxsize=16)
def lines_of(text: str, encoding: str) -> Lines:
    """A text's lines, found once for all questions about it."""
    return Lines(text, encoding)
