"""Where problems of one compile are collected, all of them, each once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from kling_pipe.manifest.yaml import Document
from kling_pipe.model import Level, Position, Problem

Path_ = tuple[str | int, ...]
ProblemKey = tuple[str, Position | None, str]
_MOST_AT_ONE_PLACE = 12


@dataclass(slots=True)
class _Entry:
    """A problem, the row of the table that it was first seen in, and the other jobs that have it too."""

    problem: Problem
    row: str
    others: set[str] = field(default_factory=set)

    def last(self) -> Problem:
        """The problem in its last words."""
        # What every row has in common is not this row's mistake.
        row = f" (row {self.row})" if self.row and not self.others else ""
        more = f" (and so in {len(self.others)} more)" if self.others else ""
        return replace(self.problem, message=f"{self.problem.message}{row}{more}") if row or more else self.problem


class ProblemCollector:
    """A list of problems that knows how to place them. One mistake is reported once, however many jobs share it."""

    def __init__(self) -> None:
        self._entries: dict[ProblemKey, _Entry] = {}
        self._at: dict[tuple[Any, ...], list[ProblemKey]] = {}
        self.errors = 0

    def add(
        self,
        document: Document,
        id: str,
        path: Path_,
        message: str,
        *,
        level: Level = "error",
        key: bool = False,
        needle: str = "",
        row: str = "",
        **facts: Any,
    ) -> ProblemKey:
        """A problem at a path of a document; `needle` narrows it to a text inside the scalar there."""
        if needle:
            facts["position"], found = document.locate_text(path, needle)
            facts.setdefault("width", found)
        return self.put(document.problem(id, path, message, key=key, level=level, **facts), row)

    def put(self, problem: Problem, row: str = "") -> ProblemKey:
        """A ready-made problem, unless it stands already."""
        # Cells and takes of one recipe repeat a mistake: place and text make it the same, the address does not.
        mark = (problem.id, problem.position, problem.message)
        if mark in self._entries:
            self.repeat(mark, problem.address)
            return mark
        here = self._at.setdefault(mark[:2], [])
        if len(here) == _MOST_AT_ONE_PLACE:  # a table of 10,000 rows must not drown the other problems
            self.repeat(here[-1], problem.address)
            return here[-1]
        self._entries[mark] = _Entry(problem, row)
        here.append(mark)
        self.errors += problem.level == "error"
        return mark

    def repeat(self, mark: ProblemKey, address: str) -> None:
        """The same problem in another job."""
        entry = self._entries[mark]
        if address != entry.problem.address:
            entry.others.add(address)

    def __iter__(self) -> Iterator[Problem]:
        return (entry.last() for entry in self._entries.values())

    @property
    def problems(self) -> list[Problem]:
        """All problems, in the order of their places, file by file."""
        return sorted(
            self,
            key=lambda one: (one.position.file, one.position.line, one.position.column) if one.position else ("", 0, 0),
        )
