"""Who may submit when: slots per pool, learned from code 1303, the most urgent job first."""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, NamedTuple

from kling_pipe.catalog.operations import load_operation, quota
from kling_pipe.catalog.operations import weight as slots_needed
from kling_pipe.engine.job_errors import NoRoomError
from kling_pipe.model import Job

if TYPE_CHECKING:
    import asyncio  # a plan knows pools, and runs nothing

UNBOUNDED = 1_000_000
"""The limit of a pool that has none."""

_FIRST_COOLDOWN = 1.0
_LONGEST_COOLDOWN = 30.0
_GROWTH, _GROWTH_AFTER_REFUSAL = 2, 4
"""One more slot is tried after so many times the limit were accepted."""
_LOOK_AT_OTHERS = 0.5
"""Seconds between two looks at the slots that other processes hold."""


def _never() -> bool:
    return False


class SlotRequest(NamedTuple):
    """What a job takes from each pool while its task lives. A higher `priority` goes first."""

    pools: tuple[tuple[str, int], ...] = ()
    priority: float = 0.0


def slots_of(job: Job, priority: float = 0.0) -> SlotRequest:
    """What a job takes: the slots of its pack, of its model within the pack, and one of `-j`."""
    operation = load_operation(job.operation)
    pack, model = quota(operation, job.request)
    slots = slots_needed(operation, job.request)
    packs = ((pack, slots), (f"{pack}/{model}", slots)) if pack else ()
    return SlotRequest((*packs, ("jobs", 1)), priority)


@dataclass(slots=True)
class Pool:
    """One pool: how much is in use, how much is allowed, and until when nothing new is tried."""

    limit: int
    ceiling: int | None = None
    in_use: int = 0
    accepted: int = 0
    refusals: int = 0
    was_refused: bool = False
    closed_until: float = 0.0
    held_by_others: int = 0

    def has_room(self, weight: int, now: float) -> bool:
        """Whether a task of this weight may be sent. One that is heavier than the whole limit goes alone."""
        used = self.in_use + self.held_by_others
        return now >= self.closed_until and (used + weight <= self.limit or used == 0)

    @property
    def is_crowded(self) -> bool:
        """Whether more is taken than there is, others' tasks included."""
        return self.held_by_others > 0 and self.in_use + self.held_by_others > self.limit

    def refused(self, now: float) -> float:
        """Kling said 1303. What is in use counts what it had accepted. Returns the seconds of the cool-down."""
        used = self.in_use + self.held_by_others
        # Others may have taken the room while we asked: then the limit is no smaller than was thought.
        lower = used if used < self.limit else self.limit if self.held_by_others else self.limit * 3 // 4
        self.limit = max(1, lower)
        self.accepted, self.was_refused = 0, True
        if now < self.closed_until:  # sent together with the one that was refused first: one lesson, not many
            return self.closed_until - now
        self.refusals += 1
        seconds: float = min(_LONGEST_COOLDOWN, _FIRST_COOLDOWN * 2.0 ** min(self.refusals - 1, 10))
        self.closed_until = now + seconds
        return seconds

    def took(self) -> None:
        """Kling accepted a task. After enough of them one more is tried."""
        self.refusals = 0
        self.accepted += 1
        patience = _GROWTH_AFTER_REFUSAL if self.was_refused else _GROWTH
        if self.accepted >= self.limit * patience and (self.ceiling is None or self.limit < self.ceiling):
            self.limit, self.accepted = self.limit + 1, 0

    def others_hold(self, weight: int) -> None:
        """What other processes hold now. When it is less than before, Kling has room again."""
        if weight < self.held_by_others:
            self.closed_until = 0.0
        self.held_by_others = weight

    def freed(self, weight: int) -> None:
        """A task of ours ended: there is room again, whatever the cool-down says."""
        self.in_use -= weight
        self.closed_until = 0.0


@dataclass(order=True)
class _Waiting:
    rank: float
    number: int
    want: SlotRequest = field(compare=False)
    granted: Callable[[], None] = field(compare=False)
    is_cancelled: Callable[[], bool] = field(compare=False)


class Slots:
    """All pools of a run. Jobs queue here without a coroutine each: 10,000 waiting jobs are 10,000 small values."""

    def __init__(
        self,
        pool: Callable[[str], Pool],
        *,
        others: Callable[[], Mapping[str, int]] = dict,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._new_pool = pool
        self._others = others
        self._clock = clock
        self._looked = -_LOOK_AT_OTHERS
        self._pools: dict[str, Pool] = {}
        self._queues: dict[tuple[str, ...], list[_Waiting]] = {}
        self._numbers = count()
        self._timer: asyncio.TimerHandle | None = None
        self._takers: set[asyncio.Future[None]] = set()
        self._beside: tuple[Slots, ...] = ()
        self.open = True

    def ask(self, want: SlotRequest, granted: Callable[[], None], *, is_cancelled: Callable[[], bool] = _never) -> None:
        """Queue; `granted` is called once the slots are taken, maybe at once. Not when it is `is_cancelled` by then."""
        names = tuple(name for name, _ in want.pools)
        waiting = _Waiting(-want.priority, next(self._numbers), want, granted, is_cancelled)
        heapq.heappush(self._queues.setdefault(names, []), waiting)
        self.grant()

    async def take(self, want: SlotRequest) -> None:
        """Wait for slots: for a job that was refused and tries again. Raises NoRoomError once nothing is granted."""
        import asyncio

        granted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._takers.add(granted)
        if not self.open:
            granted.set_exception(_no_room())
        self.ask(want, lambda: None if granted.done() else granted.set_result(None))
        try:
            await granted
        except asyncio.CancelledError:
            if granted.done() and not granted.cancelled():
                self.release(want)
            raise
        finally:
            self._takers.discard(granted)

    def force(self, want: SlotRequest) -> None:
        """Count a task that is at Kling already."""
        for name, weight in want.pools:
            self.pool(name).in_use += weight

    def release(self, want: SlotRequest) -> None:
        """The task has ended, or was never created."""
        for name, weight in want.pools:
            self.pool(name).freed(weight)
        self._grant_everywhere()

    def give_back(self, want: SlotRequest) -> None:
        """Nothing was sent after all. Says nothing of Kling, so a cool-down goes on."""
        for name, weight in want.pools:
            self.pool(name).in_use -= weight
        self._grant_everywhere()

    def crowded(self, want: SlotRequest) -> bool:
        """Whether other processes have taken, in the meantime, what was granted here."""
        return any(self.pool(name).is_crowded for name, _ in want.pools)

    def saw(self, held: Mapping[str, int]) -> None:
        """What other processes hold now, by pool."""
        self._looked = self._clock()
        for name, pool in self._pools.items():
            if name != "jobs":  # `-j` is for this run alone
                pool.others_hold(held.get(name, 0))

    def accepted(self, want: SlotRequest) -> None:
        """Kling took a task."""
        for name, _ in want.pools:
            self.pool(name).took()

    def refused(self, want: SlotRequest) -> tuple[str, int, float]:
        """Kling said 1303: gives the slots back. Returns the pool, its limit now, and the seconds of the cool-down."""
        for name, weight in want.pools:
            self.pool(name).in_use -= weight
        self._look_at_others(at_once=True)
        name, pool = self._narrowest(want)
        seconds = pool.refused(self._clock())
        self._grant_everywhere()
        return name, pool.limit, seconds

    def pool(self, name: str) -> Pool:
        """A pool by name, made when first asked for."""
        if name not in self._pools:
            self._pools[name] = self._new_pool(name)
        return self._pools[name]

    def share(self, name: str, everyone: Sequence[Slots]) -> None:
        """Have one pool with others: what one of them frees, all may take."""
        self._pools[name] = everyone[0].pool(name)
        self._beside = tuple(one for one in everyone if one is not self)

    @property
    def has_queue(self) -> bool:
        """Whether anybody waits."""
        return any(not waiting.is_cancelled() for queue in self._queues.values() for waiting in queue)

    def learned(self) -> dict[str, int]:
        """Limits that a refusal taught, by pool."""
        return {name: pool.limit for name, pool in self._pools.items() if pool.was_refused}

    def limits(self) -> dict[str, int]:
        """How wide each pool is now, where that is bounded."""
        return {name: pool.limit for name, pool in self._pools.items() if pool.limit < UNBOUNDED}

    def stop(self) -> None:
        """Grant nothing more. Jobs that have not begun go on waiting, those that try again are told."""
        self.open = False
        for granted in self._takers:
            if not granted.done():
                granted.set_exception(_no_room())
        if self._timer:
            self._timer.cancel()

    def grant(self) -> None:
        """Give free slots to the most urgent jobs."""
        if self.open and any(self._queues.values()):
            self._look_at_others()
            while waiting := self._next():
                self.force(waiting.want)
                waiting.granted()
            self._wake_later()

    def _grant_everywhere(self) -> None:
        """What is free in a shared pool is free for all."""
        for one in (self, *self._beside):
            one.grant()

    def _next(self) -> _Waiting | None:
        now = self._clock()
        for queue in self._queues.values():
            while queue and queue[0].is_cancelled():
                heapq.heappop(queue)
        heads = [queue for queue in self._queues.values() if queue and self._fits(queue[0].want, now)]
        return heapq.heappop(min(heads, key=lambda queue: queue[0])) if heads else None

    def _fits(self, want: SlotRequest, now: float) -> bool:
        return all(self.pool(name).has_room(weight, now) for name, weight in want.pools)

    def _narrowest(self, want: SlotRequest) -> tuple[str, Pool]:
        packs = [(name, self.pool(name)) for name, _ in want.pools if name != "jobs"]
        return min(packs, key=lambda pair: pair[1].limit) if packs else ("jobs", self.pool("jobs"))

    def _look_at_others(self, *, at_once: bool = False) -> None:
        if at_once or self._clock() - self._looked >= _LOOK_AT_OTHERS:
            self.saw(self._others())

    def _wake_later(self) -> None:
        """Somebody still waits: look again when a cool-down ends, or when other processes may have ended a task."""
        if self._timer:
            self._timer.cancel()
            self._timer = None
        now = self._clock()
        moments = [pool.closed_until - now for pool in self._pools.values() if pool.closed_until > now]
        if any(pool.held_by_others for pool in self._pools.values()):
            moments.append(_LOOK_AT_OTHERS)
        if moments and any(self._queues.values()):
            import asyncio

            self._timer = asyncio.get_running_loop().call_later(min(moments) + 0.001, self.grant)


def _no_room() -> NoRoomError:
    return NoRoomError("the run submits nothing more")
