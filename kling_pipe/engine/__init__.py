"""Carries out plans: submit, wait, save. Clock, sleep, effects and transport are passed in. Its verbs: `commands`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kling_pipe.core.lazy import on_demand

if TYPE_CHECKING:
    from kling_pipe.engine.bootstrap import Dependencies
    from kling_pipe.engine.events import Event, OnEvent
    from kling_pipe.engine.pull import PullResult
    from kling_pipe.engine.result import Outcome, Result
    from kling_pipe.engine.settings import Settings
    from kling_pipe.engine.signals import stop_on_signals

__all__ = [
    "Dependencies",
    "Event",
    "OnEvent",
    "Outcome",
    "PullResult",
    "Result",
    "Settings",
    "stop_on_signals",
]
__getattr__ = on_demand(
    __name__,
    {
        "events": "Event OnEvent",
        "bootstrap": "Dependencies",
        "pull": "PullResult",
        "result": "Outcome Result",
        "settings": "Settings",
        "signals": "stop_on_signals",
    },
)
