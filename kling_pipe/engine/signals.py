"""SIGINT and SIGTERM as a wish to stop: the first sets an event, the second ends the process as usual."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any


@contextlib.contextmanager
def held_back(*, forget: bool) -> Iterator[None]:
    """While inside, a first SIGINT or SIGTERM waits for the end, or is forgotten; the second ends the process."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    with _first(came.append):
        yield
    if came and not forget:
        signal.raise_signal(came[0])


@contextlib.contextmanager
def stop_on_signals(stop: asyncio.Event) -> Iterator[None]:
    """While inside, a first SIGINT or SIGTERM sets `stop`; works on every platform. Main thread only."""
    loop = asyncio.get_running_loop()
    with _first(lambda _: loop.call_soon_threadsafe(stop.set)):
        yield


@contextlib.contextmanager
def _first(act: Callable[[int], object]) -> Iterator[None]:
    """While inside, the first signal of each kind is an act; the second does what it would have done."""
    before: dict[int, Any] = {}

    def received(number: int, _frame: FrameType | None) -> None:
        signal.signal(number, before[number])
        act(number)

    for wanted in (signal.SIGINT, signal.SIGTERM):
        before[wanted] = signal.signal(wanted, received)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
