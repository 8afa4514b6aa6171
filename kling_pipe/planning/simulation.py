"""A campaign run on paper: tasks as events over the slots of accounts, in virtual time. Pure.

Lean, because a million tasks are asked for: a pattern of tasks is repeated, and what is queued at the start is counted
off instead of being held.
"""

from __future__ import annotations

import heapq
import math
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from random import Random
from typing import NamedTuple

_NOBODY = -1


class Task(NamedTuple):
    """One task of the pattern. Seconds vary by `spread` (0.3: within 30 %); a higher `urgency` goes first.

    `pool` ("" for none) is what it holds `weight` slots of. `needs` are places in the pattern; `account` is the
    place of the one account that takes it, `follows` that of the task in whose account it must be made, or -1. `tries`
    is how often it is sent when it fails.
    """

    seconds: float
    pool: str = ""
    needs: tuple[int, ...] = ()
    weight: int = 1
    urgency: float = 0.0
    spread: float = 0.0
    follows: int = _NOBODY
    tries: int = 1
    account: int = _NOBODY


class Timeline(NamedTuple):
    """One run: its seconds; tasks made, by account and place in the pattern; slot seconds held, by account and pool.

    `failed` tasks had no try left, `blocked` ones needed one of those, `retried` counts further tries.
    """

    seconds: float
    made: tuple[array[int], ...]
    held: tuple[Mapping[str, float], ...]
    failed: int = 0
    blocked: int = 0
    retried: int = 0


class Share(NamedTuple):
    """What one account does in one pool, on average of all runs. `slots` is None where there is no bound."""

    account: str
    pool: str
    slots: int | None
    used: float | None
    tasks: float
    units: float
    usd: float


class Prediction(NamedTuple):
    """What came of it. `seconds` are those of every run, sorted.

    `chain` are the addresses that need each other longest, and `chain_seconds` what they take with slots for all;
    `unpriced` the addresses whose price is not known, `unseen` the sorts of tasks whose times were never seen here.
    """

    tasks: int
    copies: int
    seconds: tuple[float, ...]
    shares: tuple[Share, ...]
    chain: tuple[str, ...]
    chain_seconds: float
    failed: float
    blocked: float
    retried: float
    unpriced: tuple[str, ...]
    unseen: tuple[str, ...]

    def quantile(self, share: float) -> float:
        """Seconds that so large a share of the runs did not exceed."""
        return self.seconds[max(0, math.ceil(share * len(self.seconds)) - 1)] if self.seconds else 0.0

    @property
    def bound_by(self) -> str:
        """The pool whose slots were in use nearly all the time, or "" when it is the chain that takes the time."""
        full = max((one for one in self.shares if one.used is not None), key=lambda one: one.used or 0.0, default=None)
        return full.pool if full and (full.used or 0.0) >= 0.8 else ""


def course(
    pattern: Sequence[Task],
    slots: Sequence[Mapping[str, float]],
    *,
    copies: int = 1,
    failures: float = 0.0,
    random: Random | None = None,
) -> Timeline:
    """Run the pattern `copies` times at once over the accounts whose slots are given by pool.

    A pool that an account does not name has room for all there. What is heavier than its whole pool goes alone. Each
    try fails with the chance `failures`.
    """
    luck = random or Random(0)  # noqa: S311 - not a secret
    return _Course(tuple(pattern), tuple(slots), copies, failures, luck).run()


_Entry = tuple[float, int, int]
"""Less urgent is more, then the order, then the task's number."""


@dataclass(slots=True)
class _Line:
    """Those who wait. `first` is the next of those that could begin at once, taken from `rest`."""

    rest: Iterator[_Entry]
    ready: list[_Entry] = field(default_factory=list)
    first: _Entry | None = None

    def __post_init__(self) -> None:
        self.first = next(self.rest, None)

    def head(self) -> _Entry | None:
        """The most urgent one."""
        if self.first is None or (self.ready and self.ready[0] < self.first):
            return self.ready[0] if self.ready else None
        return self.first

    def pop(self) -> None:
        """Without its head."""
        if self.head() is self.first:
            self.first = next(self.rest, None)
        else:
            heapq.heappop(self.ready)


@dataclass(slots=True)
class _Queue:
    """Who waits for one pool: `free` for any account, `bound` for one of them each."""

    free: _Line
    bound: tuple[_Line, ...]

    def take(self, account: int, fits: Callable[[int], bool]) -> int:
        """The most urgent that may go to this account, if it fits; -1 when none does."""
        free, own = self.free.head(), self.bound[account].head()
        line, best = (self.free, free) if own is None or (free and free < own) else (self.bound[account], own)
        if best is None or not fits(best[2]):
            return _NOBODY
        line.pop()
        return best[2]


class _Course:
    def __init__(
        self,
        pattern: tuple[Task, ...],
        slots: tuple[Mapping[str, float], ...],
        copies: int,
        failures: float,
        random: Random,
    ) -> None:
        self.pattern, self.slots, self.failures, self.random = pattern, slots, failures, random.random
        self.size, self.accounts = len(pattern), range(len(slots))
        self.waiting = array("l", [len(task.needs) for task in pattern]) * copies
        self.where = array("b", bytes(self.size)) * copies
        self.children: list[list[int]] = [[] for _ in pattern]
        for place, task in enumerate(pattern):
            for need in task.needs:
                self.children[need].append(place)
        self.numbers = count(self.size * copies)
        self.queues = {pool: self._queue(pool, copies) for pool in sorted({task.pool for task in pattern})}
        infinite = float("inf")
        self.free = [{pool: have.get(pool, infinite) for pool in self.queues} for have in slots]
        self.stride = [1 / (sum(have.values()) or 1) for have in slots]
        self.dealt = [0.0] * len(slots)
        self.held = [dict.fromkeys(self.queues, 0.0) for _ in slots]
        self.made = tuple(array("l", [0]) * self.size for _ in slots)
        self.running: list[tuple[float, int, int, bool]] = []
        self.tries: dict[int, int] = {}
        self.now, self.failed, self.retried = 0.0, 0, 0

    def run(self) -> Timeline:
        for pool in self.queues:
            self._fill_all(pool)
        while self.running:
            self.now, number, account, fails = heapq.heappop(self.running)
            self._end(number, account, fails=fails)
        blocked = len(self.waiting) - sum(map(sum, self.made)) - self.failed
        return Timeline(self.now, self.made, tuple(self.held), self.failed, blocked, self.retried)

    def _queue(self, pool: str, copies: int) -> _Queue:
        roots = [place for place, task in enumerate(self.pattern) if task.pool == pool and not task.needs]
        roots.sort(key=lambda place: -self.pattern[place].urgency)

        def line(account: int) -> _Line:
            return _Line(
                (-self.pattern[place].urgency, place + copy * self.size, place + copy * self.size)
                for place in roots
                if self.pattern[place].account == account
                for copy in range(copies)
            )

        return _Queue(line(_NOBODY), tuple(map(line, self.accounts)))

    def _fill_all(self, pool: str) -> None:
        """The account with most room first; where there is room for all, each gets its part."""
        if all(self.free[account][pool] == float("inf") for account in self.accounts):
            self._deal(pool)
        for account in sorted(self.accounts, key=lambda one: -self.free[one][pool]):
            self._fill(pool, account)

    def _deal(self, pool: str) -> None:
        """In proportion to the slots that the accounts have for what follows."""
        queue = self.queues[pool]
        while queue.free.head():
            account = min(self.accounts, key=lambda one: self.dealt[one])
            self.dealt[account] += self.stride[account]
            self._begin(queue.take(account, lambda _: True), account)

    def _fill(self, pool: str, account: int) -> None:
        queue, free = self.queues[pool], self.free[account]

        def fits(number: int) -> bool:
            return free[pool] >= self._weight(number, account)

        while (number := queue.take(account, fits)) != _NOBODY:
            self._begin(number, account)

    def _begin(self, number: int, account: int) -> None:
        task = self.pattern[number % self.size]
        seconds = task.seconds * (1 + task.spread * (2 * self.random() - 1)) if task.spread else task.seconds
        weight = self._weight(number, account)
        self.free[account][task.pool] -= weight
        self.held[account][task.pool] += weight * seconds
        fails = bool(self.failures) and self.random() < self.failures
        heapq.heappush(self.running, (self.now + seconds, number, account, fails))

    def _weight(self, number: int, account: int) -> float:
        task = self.pattern[number % self.size]
        return min(task.weight, self.slots[account].get(task.pool, task.weight))

    def _end(self, number: int, account: int, *, fails: bool) -> None:
        place = number % self.size
        task = self.pattern[place]
        self.free[account][task.pool] += self._weight(number, account)
        touched = self._again(number, task) if fails else self._made(number, place, account)
        self._fill(task.pool, account)
        for pool in touched:
            self._fill_all(pool)

    def _again(self, number: int, task: Task) -> set[str]:
        """A failed try: queued again while there are tries, or the end of it and of what needs it."""
        self.tries[number] = self.tries.get(number, 1) + 1
        if self.tries[number] > task.tries:
            self.failed += 1
            return set()
        self.retried += 1
        return self._queued(number, task)

    def _made(self, number: int, place: int, account: int) -> set[str]:
        self.made[account][place] += 1
        self.where[number] = account
        touched: set[str] = set()
        for child in self.children[place]:
            below = number - place + child
            self.waiting[below] -= 1
            if not self.waiting[below]:
                touched |= self._queued(below, self.pattern[child])
        return touched

    def _queued(self, number: int, task: Task) -> set[str]:
        queue = self.queues[task.pool]
        entry = (-task.urgency, next(self.numbers), number)
        account = task.account
        if account == _NOBODY and task.follows != _NOBODY:
            account = self.where[number - number % self.size + task.follows]
        line = queue.free if account == _NOBODY else queue.bound[account]
        heapq.heappush(line.ready, entry)
        return {task.pool}
