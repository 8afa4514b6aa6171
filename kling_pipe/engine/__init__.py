"""Carries out plans: submit, wait, save. Clock, sleep, effects and transport are passed in."""

from kling_pipe.engine.events import Event, OnEvent
from kling_pipe.engine.result import Outcome, Result
from kling_pipe.engine.run import Seams, refresh, run
from kling_pipe.engine.settings import Settings

__all__ = ["Event", "OnEvent", "Outcome", "Result", "Seams", "Settings", "refresh", "run"]
