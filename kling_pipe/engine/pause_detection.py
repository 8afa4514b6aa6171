"""Notices that this process stood still: it was stopped, or slept with its machine, and others went on meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import threading
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


class _Wakes:
    """Notes when this process was told to go on after it was stopped (SIGCONT), however short that was."""

    def __init__(self) -> None:
        self.last = 0.0

    def listen(self) -> None:
        """Listen, if nobody else does. Signals come to the main thread alone."""
        is_main = threading.current_thread() is threading.main_thread()
        if is_main and hasattr(signal, "SIGCONT") and signal.getsignal(signal.SIGCONT) is signal.SIG_DFL:
            signal.signal(signal.SIGCONT, self._note)

    def _note(self, *_: object) -> None:
        self.last = elapsed()


_WAKES = _Wakes()


class Pulse:
    """Ticks while somebody watches."""

    def __init__(self, clock: Callable[[], float] = elapsed) -> None:
        self._clock = clock
        _WAKES.listen()
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
        if self._clock is elapsed and _WAKES.last > since:
            return True
        return any(end > since and length > tolerance for end, length in self._gaps)

    def _tick(self) -> None:
        self._note()
        self._timer = asyncio.get_running_loop().call_later(_TICK, self._tick)

    def _note(self) -> None:
        now = self._clock()
        if now - self._last > STILL:
            self._gaps = [*self._gaps[-20:], (now, now - self._last)]
        self._last = now
