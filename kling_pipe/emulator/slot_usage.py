"""Parallel tasks per pool: who holds how many places, and how that went over time."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any

from kling_pipe.emulator.accounts import share
from kling_pipe.emulator.answers import Refusal

SAMPLES = 100_000


class SlotUsage:
    """Counts the places of each pool (`account/pack` or `account/pack/model`). Limits are per pack type."""

    def __init__(self, limits: Mapping[str, int], over_limit_http: int) -> None:
        self._limits = limits
        self._http = over_limit_http
        self.used: dict[str, int] = {}
        self.peak: dict[str, int] = {}
        self.samples: deque[tuple[int, str, int]] = deque(maxlen=SAMPLES)
        self.held: dict[str, int] = {}
        self._since: dict[str, int] = {}

    def take(self, pool: str, pack: str, weight: int, now: int) -> None:
        """Hold places. Raises Refusal 1303 when there are not enough."""
        allowed = share(self._limits, pool.partition("/")[0], pack)
        if allowed is not None and self.used.get(pool, 0) + weight > allowed:
            raise Refusal(1303, http=self._http)
        self.restore(pool, weight, now)

    def restore(self, pool: str, weight: int, now: int) -> None:
        """Hold places that were granted before a restart."""
        self._count(pool, now)
        self.used[pool] = self.used.get(pool, 0) + weight
        self.peak[pool] = max(self.peak.get(pool, 0), self.used[pool])
        self.samples.append((now, pool, self.used[pool]))

    def free(self, pool: str, weight: int, now: int) -> None:
        """Give places back."""
        self._count(pool, now)
        self.used[pool] -= weight
        self.samples.append((now, pool, self.used[pool]))

    def report(self) -> dict[str, Any]:
        """Use now, highest use, ms of places held so far, and the latest changes as `[ms, pool, used]`."""
        counts = {"used": self.used, "peak": self.peak, "held_ms": self.held}
        return {"limits": dict(self._limits), **counts, "samples": list(self.samples)}

    def _count(self, pool: str, now: int) -> None:
        """Places times ms since the last change. The list of changes is cut, this sum never is."""
        passed = max(0, now - self._since.get(pool, now))
        self.held[pool] = self.held.get(pool, 0) + self.used.get(pool, 0) * passed
        self._since[pool] = max(now, self._since.get(pool, now))
