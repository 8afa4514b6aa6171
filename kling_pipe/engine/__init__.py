"""Carries out plans: submit, wait, save. Clock, sleep, effects and transport are passed in."""

from kling_pipe.engine.events import Event, OnEvent
from kling_pipe.engine.pull import Pulled
from kling_pipe.engine.result import Outcome, Result
from kling_pipe.engine.run import Seams, adopt, pull, refresh, run, sync
from kling_pipe.engine.settings import Settings
from kling_pipe.engine.signals import stop_on_signals

__all__ = [
    "Event",
    "OnEvent",
    "Outcome",
    "Pulled",
    "Result",
    "Seams",
    "Settings",
    "adopt",
    "pull",
    "refresh",
    "run",
    "stop_on_signals",
    "sync",
]
