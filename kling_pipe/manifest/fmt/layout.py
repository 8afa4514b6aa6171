"""YAML text -> the same text in canonical form: two spaces a level, one space between tokens, one blank line at most.

Only white space outside of scalars changes: quotes, comments, anchors, the order of keys and the lines of a block
scalar stay as they were written. `formatted` proves that before it returns.
"""

from __future__ import annotations

from collections.abc import Sequence

from kling_pipe.errors import KlingPipeError
from kling_pipe.manifest.fmt.indentation import STEP, Level, Levels
from kling_pipe.manifest.fmt.spacing import between
from kling_pipe.manifest.yaml.nodes import Construction, compose
from kling_pipe.manifest.yaml.tokens import Token, atoms

_COMMENT_GAP = 2


def formatted(text: str) -> str:
    """The canonical form of a YAML text. Raises `yaml.YAMLError` where it is no YAML.

    Raises `KlingPipeError` when the outcome would not mean the same: a bug, and the file stays as it is.
    """
    source = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    found = list(atoms(source))
    result = _Writer(source).write(found)
    if not source.endswith("\n") and not _same(source, found, result):
        # A last line break is part of a literal's text when the file ends in one.
        result = result.removesuffix("\n")
    if not _same(source, found, result):
        raise KlingPipeError("the formatted text would not mean the same; the file is left alone")
    return result


def _same(source: str, found: Sequence[Token], result: str) -> bool:
    def said(listed: Sequence[Token]) -> list[str]:
        remarks = [
            atom.head()[1] if atom.is_block else atom.text for atom in listed if atom.is_block or atom.kind == "Comment"
        ]
        return [remark for remark in remarks if remark]

    return _meaning(source) == _meaning(result) and said(found) == said(list(atoms(result)))


def _meaning(text: str) -> tuple[str, list[str]]:
    """Data and what is wrong with it, told apart by type: 1, 1.0 and true are three things."""
    construction = Construction()
    data = construction.data(compose(text))
    return repr(data), [problem.message for problem in construction.problems]


class _Writer:
    """Writes tokens one after the other; knows the column it is at and how deep the text is nested."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._levels = Levels()
        self._lines: list[str] = []
        self._line = ""
        self._last: Token | None = None
        self._at_key = False
        self._waiting: list[tuple[Token, tuple[Level, ...]]] = []
        self._remarked = (-1, -1)

    def write(self, found: Sequence[Token]) -> str:
        for atom in found:
            if atom.kind == "Comment":
                # The blocks that are open now may end before the next token is written.
                self._waiting.append((atom, tuple(self._levels.blocks)))
                continue
            if atom.text and atom.kind not in ("StreamStart", "StreamEnd"):
                self._token(atom)
            else:
                self._structure(atom)
        self._comments(None)
        self._break()
        return "\n".join(self._lines) + "\n" if self._lines else ""

    def _structure(self, atom: Token) -> None:
        self._levels.take(atom)
        self._at_key = self._at_key or (atom.kind == "Key" and not self._levels.brackets)

    def _token(self, atom: Token) -> None:
        closing = atom.kind in ("FlowMappingEnd", "FlowSequenceEnd")
        opening = atom.kind in ("FlowMappingStart", "FlowSequenceStart")
        if not opening:
            self._levels.take(atom)
        column = self._column(atom)
        self._comments((atom.column, column))
        if self._starts_line(atom):
            self._blank_lines(atom)
            self._break()
            self._line = " " * column
        elif self._last is not None:
            self._line += between(self._last, atom)
        if opening:
            self._levels.take(atom)
        self._text(atom)
        self._last = atom
        self._at_key = atom.kind in ("Anchor", "Tag") and self._at_key
        assert self._levels.brackets >= 0 or closing

    def _column(self, atom: Token) -> int:
        """The canonical column of a token that starts its line."""
        levels = self._levels
        if levels.brackets or atom.kind in ("FlowMappingEnd", "FlowSequenceEnd"):
            return levels.inside + STEP * levels.brackets
        if atom.kind in ("DocumentStart", "DocumentEnd", "Directive"):
            return 0
        if self._at_key or atom.kind in ("BlockEntry", "Key", "Value"):
            return levels.here
        return levels.inside

    def _starts_line(self, atom: Token) -> bool:
        if self._last is None or self._last.is_block:
            return True
        return "\n" in self._source[self._last.end : atom.start]

    def _text(self, atom: Token) -> None:
        if atom.is_block:
            self._block_scalar(atom)
        else:
            inside = " " * (self._levels.inside + STEP * self._levels.brackets)
            first, *rest = atom.text.split("\n")
            self._line += first
            for line in rest:
                # How far a line of folded text is indented means nothing; that it is empty does.
                self._lines.append(self._line if atom.style else self._line.rstrip(" "))
                kept = line.lstrip(" \t")
                self._line = inside + kept if kept else ""

    def _block_scalar(self, atom: Token) -> None:
        indicator, remark, body = atom.head()
        self._line += indicator
        if remark:
            before = atom.text.find("#")
            self._remark(remark, before - len(indicator), atom.column + before)
        self._break()
        lines = body.removesuffix("\n").split("\n") if body else []
        if "+" not in indicator:
            while lines and not lines[-1].strip(" \t"):
                lines.pop()
        old = self._old_indent(indicator, lines)
        digit = next((int(one) for one in indicator if one.isdigit()), 0)
        new = self._levels.here + digit if digit else self._levels.inside
        self._lines += [" " * new + line[old:] if line[old:] else "" for line in lines]

    def _old_indent(self, indicator: str, lines: Sequence[str]) -> int:
        digit = next((int(one) for one in indicator if one.isdigit()), 0)
        if digit:
            return (self._levels.blocks[-1].old if self._levels.blocks else 0) + digit
        first = next((line for line in lines if line.strip(" \t")), "")
        return len(first) - len(first.lstrip(" "))

    # -- comments and line ends ----------------------------------------------------------------------------------

    def _comments(self, below: tuple[int, int] | None) -> None:
        """Write what stood between the last token and the next, which stands at `below` (old and new column)."""
        waiting, self._waiting = self._waiting, []
        for comment, blocks in waiting:
            if self._line and self._last is not None and not self._starts_line(comment):
                self._remark(comment.text, comment.start - self._last.end, comment.column)
                self._last = comment
                continue
            self._blank_lines(comment)
            self._break()
            column = self._comment_column(comment.column, blocks, below)
            if self._last is not None and self._remarked[0] == comment.column and self._last.kind == "Comment":
                column = self._remarked[1]  # it goes on with the remark at the end of the line above
            else:
                self._remarked = (-1, -1)
            self._line = " " * column + comment.text
            self._last = comment

    def _remark(self, text: str, gap: int, column: int) -> None:
        """A comment at the end of a line: two spaces before it, or the more that the writer gave it."""
        self._line += " " * max(_COMMENT_GAP, gap)
        self._remarked = (column, len(self._line))
        self._line += text

    def _comment_column(self, column: int, blocks: Sequence[Level], below: tuple[int, int] | None) -> int:
        """A comment belongs to what it is in line with: the next line, or a block that is still open above it."""
        below = below or (0, 0)
        open_above = [] if self._levels.brackets else [(level.old, level.new) for level in blocks]
        places = [place for place in [*open_above, below] if place[0] <= column]
        return max(places)[1] if places else below[1]

    def _blank_lines(self, atom: Token) -> None:
        if self._last is None:
            return
        end = self._last.start + len(self._last.text.rstrip(" \t\n")) if self._last.is_block else self._last.end
        if self._source.count("\n", end, atom.start) > 1:
            self._break()
            if self._lines and self._lines[-1]:
                self._lines.append("")

    def _break(self) -> None:
        if self._line.strip(" "):
            self._lines.append(self._line.rstrip(" "))
        self._line = ""
