"""How wide each pool of slots is when a run begins."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from kling_pipe.engine.settings import DEFAULT_SLOTS, Settings
from kling_pipe.engine.slots import UNBOUNDED, Pool

_FILES_AT_ONCE = 16

_LESSON_SECONDS = 24 * 3600
"""A learned slot limit is believed for a day: packs are bought and run out."""


def pools(settings: Settings, lessons: Mapping[str, tuple[int, float]], now: float) -> Callable[[str], Pool]:
    """The pool of a name: as told, else as learned, else as the smallest pack.

    `lessons` are learned limits with the time of the lesson, `now` is the time, both in seconds since 1970.
    """
    learned = {pool: limit for pool, (limit, at) in lessons.items() if now - at < _LESSON_SECONDS}

    def pool(name: str) -> Pool:
        if name == "files":
            return Pool(_FILES_AT_ONCE, _FILES_AT_ONCE)
        if name == "jobs":
            most = settings.jobs or UNBOUNDED
            return Pool(most, most)
        told = settings.limits.get(name)
        pack, _, model = name.partition("/")
        if told is None and not model:
            return Pool(UNBOUNDED, UNBOUNDED)
        if told is None:
            told = settings.limits.get(pack)
        first = learned.get(name) or DEFAULT_SLOTS.get(pack, 5)
        return Pool(first) if told is None else Pool(min(told, learned.get(name, told)), told)

    return pool
