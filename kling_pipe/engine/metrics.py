"""Counts what a run did and where its time went: requests by kind, slots in use, queue, Kling, download."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from kling_pipe.engine.events import Event
from kling_pipe.model import Job, Record

_PHASES = {
    "retrying": "submit",
    "submitted": "kling",
    "adopted": "kling",
    "succeeded": "download",
    "saved": "",
    "failed": "",
}
"""The phase that an event of a job begins; times between are added up."""

_SIGNS = {"submitted": 1, "adopted": 1, "succeeded": -1, "failed": -1}
"""Events that take a task's slots, or give them back."""


@dataclass(slots=True)
class _Use:
    """One pool's slots: how many are in use, since when, and slot-seconds so far."""

    in_use: int = 0
    since: float = 0.0
    began: float = 0.0
    ended: float = 0.0
    slot_seconds: float = 0.0

    def change(self, weight: int, now: float) -> None:
        self.began = self.began or now
        self.slot_seconds += self.in_use * (now - self.since) if self.since else 0.0
        self.in_use, self.since, self.ended = max(0, self.in_use + weight), now, now


@dataclass(slots=True)
class Metrics:
    """One run's counters. Times are the run's own clock, in seconds.

    Who wants to tell more of a run than its sums extends this class: `moved`, `taken` and `ended` say what happens.
    """

    requests: Counter[str] = field(default_factory=Counter)
    repeated: int = 0
    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    saved: int = 0
    _phases: dict[str, tuple[str, float]] = field(default_factory=dict)
    _pools: dict[str, tuple[tuple[str, int], ...]] = field(default_factory=dict)
    _uses: dict[str, _Use] = field(default_factory=lambda: defaultdict(_Use))

    def request(self, note: Mapping[str, Any]) -> None:
        """A request was answered, or was not."""
        self.requests[note["kind"]] += 1
        self.repeated += bool(note["again"])

    def ready(self, address: str, now: float) -> None:
        """A job could begin, and queues for its slots."""
        self.moved(address, "queue", now)

    def begun(self, address: str, pools: Iterable[tuple[str, int]], now: float, *, at_kling: bool = False) -> None:
        """A job got its slots: so many of each pool while its task lives, which `at_kling` it may do already."""
        self.moved(address, "kling" if at_kling else "submit", now)
        self._pools[address] = tuple(pools)

    def event(self, event: Event) -> None:
        """Something happened to a job."""
        if event.type in _PHASES:
            self.moved(event.address, _PHASES[event.type], event.at)
            self.saved += event.type == "saved"
        if event.type in _SIGNS:
            for name, weight in self._pools.get(event.address, ()):
                self._uses[name].change(_SIGNS[event.type] * weight, event.at)

    def moved(self, address: str, phase: str, now: float) -> None:
        """A job is in another phase now: `queue`, `submit`, `kling`, `download`, or "" for none."""
        before, since = self._phases.get(address, ("", now))
        if before == phase:
            return
        self._phases.pop(address, None)
        if before:
            self.seconds[before] += max(0.0, now - since)
        if phase:
            self._phases[address] = (phase, now)

    def taken(self, job: Job, origin: str) -> None:
        """A worker took a job out of a queue; `origin` is the trace of the run that put it there, or ""."""

    def ended(self, address: str, ending: str, record: Record | None, message: str, now: float) -> None:
        """A job has its last word: `made`, `reused`, `failed` or `waiting`, and why."""
        del ending, record, message  # for those who extend this class
        self.moved(address, "", now)
        self._pools.pop(address, None)

    def in_use(self) -> dict[str, int]:
        """Slots that hold a task now, by pool."""
        return {name: use.in_use for name, use in list(self._uses.items())}

    def to_json(self, limits: Mapping[str, int]) -> dict[str, Any]:
        """The counters as JSON. `limits` are the slots that each pool has at the end."""
        total = self.requests.total()
        return {
            "requests": {"total": total, **dict(sorted(self.requests.items())), "repeated": self.repeated},
            "requests_per_job": round(total / self.saved, 3) if self.saved else None,
            "job_seconds": {name: round(self.seconds[name], 3) for name in ("queue", "kling", "download")},
            "slots": {name: _used(use, limits[name]) for name, use in self._uses.items() if name in limits},
        }


def _used(use: _Use, limit: int) -> dict[str, float]:
    """The limit, and which share of it was in use between the first task and the last."""
    wall = use.ended - use.began
    return {"limit": limit, "used": round(min(1.0, use.slot_seconds / (wall * limit)), 3) if wall > 0 else 0.0}
