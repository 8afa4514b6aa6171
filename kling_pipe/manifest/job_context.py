"""One recipe in one cell and take: who is asking, and where its problems go."""

from __future__ import annotations

from typing import Any

from kling_pipe.manifest.matrix import Cell
from kling_pipe.manifest.media_values import MediaReader
from kling_pipe.manifest.problems import Path_, ProblemCollector, ProblemKey
from kling_pipe.manifest.reference_lookup import NotFound
from kling_pipe.manifest.scope import Recipe
from kling_pipe.manifest.templates import TemplateProblem
from kling_pipe.model import Level


class JobContext:
    """A recipe, a cell and a take under compilation. `failed` once an error was found in it."""

    __slots__ = ("cell", "failed", "media", "recipe", "take", "trouble")

    def __init__(self, recipe: Recipe, cell: Cell, take: int, media: MediaReader, trouble: ProblemCollector) -> None:
        self.recipe, self.cell, self.take = recipe, cell, take
        self.media, self.trouble = media, trouble
        self.failed = False

    @property
    def address(self) -> str:
        """The full address."""
        return self.recipe.address(self.cell, self.take)

    def refuse(self, id: str, path: Path_, message: str, *, level: Level = "error", **facts: Any) -> ProblemKey:
        """A problem of this job at a path of its manifest."""
        self.failed |= level == "error"
        return self.trouble.add(
            self.recipe.scope.document, id, path, message, level=level, address=self.address, row=self.cell.row, **facts
        )

    def report(self, problem: NotFound | TemplateProblem, path: Path_, needle: str = "") -> None:
        """What a lookup or a template had to say; an echo (no id) only marks the job as failed."""
        self.failed = True
        if problem.id:
            self.refuse(
                problem.id,
                path,
                problem.message,
                needle=needle,
                near=problem.near,
                allowed=problem.allowed,
                hint=problem.hint,
            )
