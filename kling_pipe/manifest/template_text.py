"""Strings of a recipe with their templates filled in, and mentions turned into numbered tokens."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from kling_pipe.manifest.job_context import JobContext
from kling_pipe.manifest.numbering import Numbering
from kling_pipe.manifest.problems import Path_
from kling_pipe.manifest.reference_lookup import NotFound, Value
from kling_pipe.manifest.references import KINDS, Reference
from kling_pipe.manifest.template_refs import Names
from kling_pipe.manifest.templates import Axes, TemplateProblem, compile_text

Resolve = Callable[[Reference, Path_], Value]


class Words(Mapping[str, Any]):
    """The names a template may use, each made when it is asked for."""

    __slots__ = ("_case", "_write")

    def __init__(self, case: JobContext, write: Callable[[Reference], str]) -> None:
        self._case, self._write = case, write

    def __getitem__(self, name: str) -> Any:
        case = self._case
        if name == "matrix":
            return Axes(case.cell.data)
        if name == "vars":
            return case.recipe.scope.vars
        if name in KINDS:
            return Names(name, case.recipe.scope, self._write)
        if name == "take":
            return case.take
        if name == "job":
            recipe = case.recipe
            return {
                "name": recipe.name,
                "kind": recipe.kind,
                "address": recipe.base(case.cell),
                "project": recipe.scope.project,
            }
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter(("vars", "matrix", "job", "take", *KINDS))

    def __len__(self) -> int:
        return 4 + len(KINDS)


class Texts:
    """Fills in the templates of one case. `uses_take` once one of them asked for `take`."""

    __slots__ = ("_case", "_place", "_words", "lists", "resolve", "uses_take")

    def __init__(self, case: JobContext, lists: Numbering, resolve: Resolve) -> None:
        self._case, self.lists, self.resolve = case, lists, resolve
        self._words = Words(case, self._write)
        self._place: Path_ | None = None
        self.uses_take = False

    def text(self, text: str, path: Path_) -> str | None:
        """The rendered text; None when a problem was reported."""
        return self._filled(text, path, native=False)  # type: ignore[no-any-return]  # not native: text or None

    def native(self, text: str, path: Path_) -> Any:
        """The value of a lone `{{ ... }}`, else the rendered text; None when a problem was reported."""
        return self._filled(text, path, native=True)

    def prompt(self, text: str, path: Path_) -> str | None:
        """A text in which mentions become numbers."""
        self._place = path
        found = self.text(text, path)
        self._place = None
        return found

    def _filled(self, text: str, path: Path_, *, native: bool) -> Any:
        template = compile_text(text)
        if template is None:
            return text
        try:
            self.uses_take |= "take" in template.names
            return template.value(self._words) if native else template.text(self._words)
        except TemplateProblem as problem:
            self._case.report(problem, path, problem.needle)
            return None

    def _write(self, reference: Reference) -> str:
        """A mention written into a text: only prompts have numbers for it."""
        if self._place is None:
            raise TemplateProblem(
                "KP206",
                f"`{reference}` cannot be written into this field",
                needle=reference.title,
                hint="References stand in prompts, or alone as the value of a field that takes one.",
            )
        try:
            return self.lists.token(reference.kind, self.resolve(reference, self._place), self._place)
        except NotFound as problem:
            raise TemplateProblem(
                problem.id,
                problem.message,
                needle=reference.title,
                near=problem.near,
                allowed=problem.allowed,
                hint=problem.hint,
            ) from None
