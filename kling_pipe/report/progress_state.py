"""Where a run stands, folded from its events: what runs, what ended, slots, units. Draws nothing, knows no clock."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Protocol

from kling_pipe.catalog.operations import load_operation, quota, table, weight
from kling_pipe.model import Job, Plan, Step

Ending = Literal["made", "reused", "failed", "waiting"]
Expected = Callable[[Job], float | None]
"""Seconds that a job's task is known to take, as far as anybody learned."""

_SENDS = frozenset(("create", "retry", "resume"))
_ENDINGS: Mapping[str, Ending] = {"reused": "reused", "failed": "failed", "waiting": "waiting"}
_PHASES = {"submitted": "sent", "adopted": "found", "processing": "at Kling", "succeeded": "saving"}


class Happening(Protocol):
    """An event of a run, as `kling_pipe.engine.Event` is one."""

    @property
    def type(self) -> str:
        """What happened."""

    @property
    def address(self) -> str:
        """To which job; "" for the whole run."""

    @property
    def at(self) -> float:
        """When, in seconds since 1970."""

    @property
    def data(self) -> Mapping[str, Any]:
        """Further facts."""

    def to_json(self) -> dict[str, Any]:
        """The event as JSON."""


@dataclass(slots=True)
class Running:
    """A job that is under way. `since` is when its task began, in seconds; `expected` how long it should take."""

    step: Step
    phase: str
    since: float
    expected: float | None = None
    slots: tuple[str, int] = ("", 0)


class Ended(NamedTuple):
    """A job that ended: how, after how many seconds at Kling, and what it used or why it failed."""

    step: Step
    ending: Ending
    seconds: float = 0.0
    units: str = ""
    message: str = ""


@dataclass(slots=True)
class ProgressState:
    """The state of one run. `ended` and `remarks` are drained by who shows them; `counts` are of all its jobs."""

    plan: Plan
    expected: Expected = lambda _job: None
    steps: dict[str, Step] = field(default_factory=dict)
    running: dict[str, Running] = field(default_factory=dict)
    ended: deque[Ended] = field(default_factory=deque)
    remarks: deque[str] = field(default_factory=deque)
    counts: Counter[str] = field(default_factory=Counter)
    units: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    slots: Counter[str] = field(default_factory=Counter)
    note: str = ""
    started: float = 0.0
    _done: set[str] = field(default_factory=set)
    _seen: dict[str, deque[float]] = field(default_factory=dict)
    _charged: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Steps by address."""
        self.steps = {step.job.address: step for step in self.plan.steps}

    @property
    def total(self) -> int:
        """Jobs of the plan."""
        return len(self.steps)

    @property
    def done(self) -> int:
        """Jobs that ended."""
        return len(self._done)

    @property
    def usd(self) -> float:
        """What the units so far cost, by the price table."""
        price = table("pricing")["unit_usd"]
        return sum(amount * float(price[pack]) for pack, amount in self.units.items())

    def take(self, event: Happening) -> None:
        """Fold one event in."""
        self.started = self.started or event.at
        step = self.steps.get(event.address)
        if event.type in ("cooldown", "retrying"):
            self.note = _note(event)
            self._again(event.address)
        if event.type == "noted":
            self.remarks.append(f"{event.address}  {event.data.get('reason', '')}")
        if step is None or event.address in self._done:
            return
        if event.type in _PHASES:
            self._moved(step, event)
        elif event.type == "saved":
            # What an earlier run left unsaved is told as succeeded before it is saved.
            ours = step.action in _SENDS or event.address in self.running
            made = ours and not step.shared_with and not event.data.get("by_others")
            self._end(step, "made" if made else "reused", event)
        elif ending := _ENDINGS.get(event.type):
            self._end(step, ending, event)

    def _again(self, address: str) -> None:
        """A failed attempt that is followed by another was not the job's end."""
        if address in self._done:
            self._done.remove(address)
            self.counts["failed"] -= 1

    def _moved(self, step: Step, event: Happening) -> None:
        row = self.running.get(event.address)
        if row is None:
            row = self.running[event.address] = Running(
                step, "", _since(step, event.at), self._expected(step), _slots(step)
            )
            self.slots[row.slots[0]] += row.slots[1]
        row.phase = _PHASES[event.type]
        if event.type == "succeeded":
            self._release(row)
            if step.action in _SENDS:
                self._learn(step, event.at - row.since)
            self._charge(step, str(event.data.get("units", "")))
            self.note = ""

    def _end(self, step: Step, ending: Ending, event: Happening) -> None:
        row = self.running.pop(event.address, None)
        if row is not None:
            self._release(row)
        self._done.add(event.address)
        self.counts[ending] += 1
        seconds = event.at - row.since if row is not None else 0.0
        units = self._charged.pop(event.address, "")
        self.ended.append(Ended(step, ending, seconds, units, str(event.data.get("message", ""))))

    def _release(self, row: Running) -> None:
        self.slots[row.slots[0]] -= row.slots[1]
        row.slots = ("", 0)

    def _charge(self, step: Step, units: str) -> None:
        pack = quota(load_operation(step.job.operation), step.job.request)[0]
        try:
            amount = float(units)
        except ValueError:
            return
        if pack and amount:
            self.units[pack] += amount
            self._charged[step.job.address] = f"{amount:g} {pack} units"

    def _learn(self, step: Step, seconds: float) -> None:
        self._seen.setdefault(step.job.operation, deque(maxlen=50)).append(seconds)

    def _expected(self, step: Step) -> float | None:
        """What was learned before, else what this run's tasks of the same operation took."""
        seen = self._seen.get(step.job.operation)
        return self.expected(step.job) or (sum(seen) / len(seen) if seen else None)


def _since(step: Step, at: float) -> float:
    """A task that an earlier run sent is as old as Kling says."""
    began = step.record.created_at / 1000 if step.action == "resume" and step.record else 0.0
    return min(began, at) or at


def _slots(step: Step) -> tuple[str, int]:
    operation = load_operation(step.job.operation)
    pack = quota(operation, step.job.request)[0]
    return (pack, weight(operation, step.job.request)) if pack else ("", 0)


def _note(event: Happening) -> str:
    reason = str(event.data.get("reason") or event.data.get("message") or "")
    seconds = event.data.get("seconds")
    wait = f", again in {float(seconds):.0f} s" if seconds else ""
    what = "Kling is busy" if event.type == "cooldown" else f"{event.address} tries again"
    return f"{what}{': ' if reason else ''}{reason}{wait}"
