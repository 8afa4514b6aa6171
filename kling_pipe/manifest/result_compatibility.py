"""What one job makes against what another takes: misfits placed in the manifest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from kling_pipe.catalog.compatibility import Known, incompatibilities
from kling_pipe.manifest.job_builder import Draft, Drafter
from kling_pipe.manifest.problems import ProblemKey
from kling_pipe.manifest.request_validation import origin
from kling_pipe.model import Job


def check_contracts(made: Iterable[Job], found: Mapping[str, Draft], drafter: Drafter, known: Known) -> None:
    """Report every result that its user would refuse, where the user names it. Cells and takes share one problem."""
    blamed: dict[tuple[object, ...], ProblemKey] = {}
    for misfit in incompatibilities(made, known):
        draft = found[misfit.user.address]
        same = (
            draft.recipe.title,
            found[misfit.maker.address].recipe.title,
            misfit.pointer,
            misfit.found,
            misfit.allowed,
        )
        if same in blamed:
            drafter.trouble.repeat(blamed[same], misfit.user.address)
            continue
        case = drafter.case(draft)
        path, _ = origin(case, drafter.origins(draft), misfit.pointer)
        facts: dict[str, Any] = {name: getattr(misfit, name) for name in ("found", "allowed", "hint", "source")}
        blamed[same] = case.refuse("KP331", path, misfit.message, **facts)
