"""Where problems of one compile are collected, all of them, each once."""

from __future__ import annotations

from typing import Any

from kling_pipe.model import Level, Problem
from kling_pipe.source import Document

Path_ = tuple[str | int, ...]


class Trouble:
    """A list of problems that knows how to place them. One mistake is reported once, however many jobs share it."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self._seen: set[tuple[Any, ...]] = set()

    def add(self, document: Document, id: str, path: Path_, message: str, *, level: Level = "error", key: bool = False,
            needle: str = "", **facts: Any) -> None:  # fmt: skip
        """A problem at a path of a document; `needle` narrows it to a text inside the scalar there."""
        if needle:
            facts["position"] = document.locate_text(path, needle)
            facts.setdefault("width", len(needle))
        self.put(document.problem(id, path, message, key=key, level=level, **facts))

    def put(self, problem: Problem) -> None:
        """A ready-made problem, unless it stands already."""
        # Cells and takes of one recipe repeat a mistake: place and text make it the same, the address does not.
        mark = (problem.id, problem.position, problem.message)
        if mark not in self._seen:
            self._seen.add(mark)
            self.problems.append(problem)

    @property
    def errors(self) -> list[Problem]:
        """The problems that stop everything."""
        return [problem for problem in self.problems if problem.level == "error"]
