"""kling-pipe: Terraform for generated video.

    manifest = kling_pipe.load("kling-pipe.yaml")
    workspace = kling_pipe.open_workspace(manifest, emulator=True)
    plan = kling_pipe.plan(manifest, workspace)
    result = kling_pipe.run(plan, workspace, on_event=print)

Everything is imported when it is first used. Errors: `kling_pipe.errors`. Values: `kling_pipe.model`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kling_pipe.api import arun, load, open_workspace, over_budget, plan, run

__version__ = "0.1.0"
__all__ = ["__version__", "arun", "load", "open_workspace", "over_budget", "plan", "run"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(import_module("kling_pipe.api"), name)
    raise AttributeError(f"module `kling_pipe` has no `{name}`")
