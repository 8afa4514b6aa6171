"""The emulator's own time: real, scaled, or stepped by hand. In ms since 1970, as Kling writes times."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

Mode = Literal["real", "scaled", "manual"]


def system_ms() -> float:
    """The machine's time in ms."""
    return time.time() * 1000


@dataclass(slots=True)
class Clock:
    """`base` is this clock's time at the machine's time `since`; from there it runs `rate` times as fast."""

    system: Callable[[], float] = system_ms
    mode: Mode = "real"
    rate: float = 1.0
    base: float = 0.0
    since: float = 0.0

    def now(self) -> int:
        """The time in ms."""
        return int(self.exact())

    def exact(self) -> float:
        """The time in ms, with fractions."""
        return self.base + (self.system() - self.since) * self.rate

    def __post_init__(self) -> None:
        if not self.since:
            self.base = self.since = self.system()

    def set(self, mode: Mode, rate: float = 1.0) -> None:
        """Go on from the present moment in another way. Time never goes back."""
        self.base, self.since = self.exact(), self.system()
        self.mode, self.rate = mode, {"real": 1.0, "manual": 0.0}.get(mode, rate)

    def advance(self, seconds: float) -> None:
        """Jump ahead."""
        self.base += seconds * 1000

    def wait_until(self, moment: float) -> float | None:
        """Seconds of the machine's time until a moment of this clock; None when only a step can reach it."""
        if moment <= self.exact():
            return 0.0
        return (moment - self.exact()) / 1000 / self.rate if self.rate else None

    def saved(self) -> dict[str, Any]:
        """What `restored` needs after a restart."""
        return {"mode": self.mode, "rate": self.rate, "base": self.base, "since": self.since}

    def restore(self, saved: dict[str, Any]) -> None:
        """Go on as if the process had never stopped."""
        self.mode, self.rate, self.base, self.since = (saved[name] for name in ("mode", "rate", "base", "since"))
