"""How long a plan will take: its tasks with learned durations, laid over the slots as a run would."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

from kling_pipe.engine.schedule import LearnedLimits, lessons, make_schedule
from kling_pipe.engine.settings import Settings
from kling_pipe.model import Plan


class Forecast(NamedTuple):
    """`seconds` for the whole plan; `learned` says whether each of its tasks is of a sort that was seen here."""

    seconds: float
    learned: bool


def forecast(plan: Plan, known: LearnedLimits, settings: Settings, clock: Callable[[], float] = time.time) -> Forecast:
    """How long a run of `plan` will take. Queues that others stand in, retries and downloads are not foreseen."""
    sketch = make_schedule(plan, known, settings, clock())
    if not sketch.tasks:
        return Forecast(0.0, learned=True)
    from kling_pipe.planning.simulation import course

    even = [task._replace(spread=0.0) for task in sketch.tasks]
    return Forecast(course(even, [sketch.slots]).seconds, not sketch.unseen)


__all__ = ["Forecast", "LearnedLimits", "forecast", "lessons"]
