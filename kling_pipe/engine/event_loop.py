"""The event loop of a run: uvloop's where it is installed, which takes a fifth of the work out of every request."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from kling_pipe.engine.signals import held_back

T = TypeVar("T")


def run_async(work: Coroutine[Any, Any, T], *, to_the_end: bool = False) -> T:
    """Like `asyncio.run`, on the quickest loop there is.

    A signal that comes once the work is done, while the loop closes, waits until it is closed. With `to_the_end` it is
    forgotten then: it wished to stop what has ended, and what came of it is still to be told.
    """
    answers: list[T] = []

    async def kept() -> None:
        # The runner gives its signal handler back, and `signal` then makes a text of the task with all its result: 2 s
        # for 10,000 jobs. A task without a result is a short text.
        answers.append(await work)

    runner = asyncio.Runner(loop_factory=_quickest())
    try:
        runner.run(kept())
    finally:
        with held_back(forget=to_the_end):
            runner.close()
    return answers[0]


def _quickest() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:  # the extra `fast` is not installed, or this is Windows
        return None
    return uvloop.new_event_loop
