"""Notices that this process stood still: it was stopped, or slept with its machine, and others went on meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator

_TICK = 0.05
STILL = 0.15
"""Seconds without a tick that count as standing still."""


def elapsed() -> float:
    """Seconds on a clock that nobody can set, and that goes on while the machine sleeps where there is such a one."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


class Pulse:
    """Ticks while somebody watches."""

    def __init__(self, clock: Callable[[], float] = elapsed) -> None:
        self._clock = clock
        self._watching = 0
        self._last = 0.0
        self._gaps: list[tuple[float, float]] = []
        self._timer: asyncio.TimerHandle | None = None

    def now(self) -> float:
        """The present moment on its clock."""
        return self._clock()

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Tick while inside."""
        if not self._watching:
            self._last = self._clock()
            self._gaps.clear()
            self._tick()
        self._watching += 1
        try:
            yield
        finally:
            self._watching -= 1
            if not self._watching and self._timer:
                self._timer.cancel()

    def stood_still(self, since: float, tolerance: float = STILL) -> bool:
        """Whether the process stood still for longer than that at some time since. For who watches."""
        self._note()
        return any(end > since and length > tolerance for end, length in self._gaps)

    def _tick(self) -> None:
        self._note()
        self._timer = asyncio.get_running_loop().call_later(_TICK, self._tick)

    def _note(self) -> None:
        now = self._clock()
        if now - self._last > STILL:
            self._gaps = [*self._gaps[-20:], (now, now - self._last)]
        self._last = now
