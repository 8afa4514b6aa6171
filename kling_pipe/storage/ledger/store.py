"""What the engine asks of a ledger, whatever keeps it: one file on this machine or a database for a fleet."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Final, Protocol

from kling_pipe.model import Record, State
from kling_pipe.storage.ledger.reservations import Reservation
from kling_pipe.storage.ledger.tables import T, Tables

Identity = tuple[str, str, int]


class _Any:
    """The type of `ANY`."""


ANY: Final = _Any()
"""For `Store.put`: write whatever the present state is."""


@dataclass(frozen=True, slots=True)
class Learned:
    """How long tasks of one sort took, in seconds, and from how many that is known."""

    count: int
    mean: float
    low: float
    high: float

    def with_one(self, seconds: float) -> Learned:
        """The same with one more task; old tasks fade, because the service changes."""
        count = min(self.count + 1, 50)
        mean = self.mean + (seconds - self.mean) / count
        return Learned(count, mean, min(self.low, seconds), max(self.high, seconds))


@dataclass(frozen=True, slots=True)
class Claimed:
    """External ids that are this process's now, and the slots that others held then, by pool; None: not looked at."""

    names: frozenset[str]
    others: Mapping[str, int] | None = None


class Store(Protocol):
    """Records of one account, and what the processes that share them must agree on."""

    account: str

    def close(self) -> None:
        """Give back every claim, and what the store holds open."""

    def alone(self) -> AbstractContextManager[None]:
        """Keep the other processes away while something beside the store, the lock file, is changed."""

    def get(self, external_task_id: str) -> Record | None:
        """One record, or None."""

    def put(self, record: Record, *, expected: State | _Any | None = ANY, unlocked: bool = False) -> bool:
        """Write if the present state is `expected` (None: there is no record). False: someone was faster.

        An intent must survive a power cut; other states the end of the process. `unlocked` notes in the same breath
        that the lock does not say it yet.
        """

    def put_all(self, records: Sequence[tuple[Record, bool]]) -> None:
        """Write these whatever the present states are, all or none; each with its `unlocked`. One transaction."""

    def begin_run(self, since: float | None = None) -> str:
        """Become a run that others see as long as this store is open; the token that its reservations name.

        Runs that were at work after `since` (seconds; None: now) count as overlapping.
        """

    def intend(self, wanted: Sequence[tuple[Record, Reservation | None]]) -> Mapping[str, str]:
        """Write intents, durably, each with what it reserves; those that may not are left out, and told why by id."""

    def reserve(self, reservation: Reservation) -> str:
        """Reserve what a task will cost before its intent. Returns why that is not possible, or ""."""

    def give_back(self, run: str, external_task_id: str) -> None:
        """A reservation of which nothing came."""

    def forget(self, external_task_id: str, *, expected: State) -> bool:
        """Remove a record that is in this state: an intent of which is known that nothing was created."""

    def whole(self, action: Callable[[Tables], T], *, change: bool) -> T:
        """What the action returns: all of it one transaction over all accounts; it may be called twice."""

    def records(self, project: str | None = None) -> RecordIndex:
        """All records, or those of a project, by identity."""

    def unlocked(self) -> frozenset[str]:
        """External ids of what runs here made and is not yet in the lock: the last one ended in between."""

    def locked(self, external_task_ids: Iterable[str]) -> None:
        """These are in the lock now."""

    def claim(self, external_task_id: str, pools: Mapping[str, int]) -> bool:
        """Become the one process that works on this task, its slots counted. False: another live process does."""

    def claim_all(self, wanted: Sequence[tuple[str, Mapping[str, int]]]) -> Claimed:
        """Claim several tasks in one transaction."""

    def release(self, external_task_id: str) -> None:
        """Give a claim back, at the latest with the next `beat`."""

    def slots_of_others(self) -> Mapping[str, int]:
        """Slots that other live processes hold, by pool."""

    def beat(self) -> None:
        """Say that this process lives. Due every few seconds while it holds claims."""

    def was_silent(self) -> bool:
        """Whether this process has counted as gone: stopped, or asleep with its machine. Others may have its claims."""

    def learned(self) -> Mapping[str, Learned]:
        """Learned durations by sort of task."""

    def learn(self, durations: Mapping[str, Learned]) -> None:
        """Keep learned durations."""

    def limits(self) -> Mapping[str, tuple[int, float]]:
        """Learned slot limits by pool, with the time (seconds) when each was learned."""

    def keep_limit(self, pool: str, limit: int) -> None:
        """Keep a learned slot limit."""


class RecordIndex:
    """Records by identity, decoded when asked for: most of 10,000 are never looked at."""

    def __init__(self, rows: Iterable[tuple[Any, ...]], decode: Callable[[tuple[Any, ...]], Record]) -> None:
        self._decode = decode
        self._rows: dict[Identity, list[tuple[Any, ...]]] = {}
        for row in rows:
            self._rows.setdefault((row[1], row[2], row[3]), []).append(row)

    def of(self, identity: Identity) -> tuple[Record, ...]:
        """The records of all attempts, oldest attempt first."""
        return tuple(sorted(map(self._decode, self._rows.get(identity, ())), key=lambda record: record.attempt))

    def all(self) -> list[Record]:
        """Every record."""
        return [record for identity in self._rows for record in self.of(identity)]

    def __len__(self) -> int:
        return sum(map(len, self._rows.values()))
