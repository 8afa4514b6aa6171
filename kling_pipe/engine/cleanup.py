"""Where a campaign's half-written files may lie, and when they are looked for."""

from __future__ import annotations

import os
from pathlib import Path

from kling_pipe.engine.workspace import Workspace
from kling_pipe.model import Plan
from kling_pipe.storage.temp_files import sweep

_WORKS = ("create", "retry", "resume", "download")


def sweep_leftovers(workspace: Workspace, plan: Plan | None = None) -> None:
    """Remove what killed processes left half written.

    A plan with nothing to do means that nobody left anything in the output folder, which may be large.
    """
    folders = [workspace.root, workspace.state, workspace.lock_path.parent, workspace.state / "objects"]
    is_idle = plan is not None and not any(step.action in _WORKS for step in plan.steps)
    if not (is_idle or workspace.bucket):
        folders += [Path(place) for place, _, _ in os.walk(workspace.root / workspace.out)]
    sweep(dict.fromkeys(folders))
