"""What a run came to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from kling_pipe.catalog.pricing import unit_price
from kling_pipe.errors import BudgetExceeded, CredentialsError, KlingPipeError, LocalStateError, Unreachable
from kling_pipe.model import Record, Step

Ending = Literal["made", "reused", "failed", "waiting"]
_GRAVITY = (CredentialsError.exit_code, LocalStateError.exit_code, Unreachable.exit_code, BudgetExceeded.exit_code)


class Outcome(NamedTuple):
    """How one step ended. `message` says why it failed or waits, `record` what is known of its task.

    `waiting`: under way at Kling (`record` says so), or not begun when the run stopped.
    """

    step: Step
    ending: Ending
    record: Record | None = None
    message: str = ""

    @property
    def address(self) -> str:
        """The job's address."""
        return self.step.job.address

    @property
    def at_kling(self) -> bool:
        """Whether a task of this job goes on at Kling, and will be billed."""
        return self.ending == "waiting" and self.record is not None and not self.step.shared_with

    @property
    def by_others(self) -> bool:
        """Whether another run submitted what this one was to make: made there, and its units counted there."""
        works = self.step.action in ("create", "retry", "resume") and not self.step.shared_with
        return self.ending == "reused" and works


@dataclass(frozen=True, slots=True)
class Result:
    """All outcomes in the order of the plan. `units` are those that Kling billed for what was made, by pack type.

    `stopped` is "interrupted", "timeout" or ""; `error` is what ended the run early. `counters` are requests by kind,
    requests per finished job, summed seconds of all jobs in queue, at Kling and in download, and the use of slots.
    Where the settings name accounts, `accounts` says by name what each made and charged, what its packs have left, and
    why it takes no more.
    """

    outcomes: tuple[Outcome, ...]
    units: Mapping[str, float] = field(default_factory=dict)
    stopped: Literal["", "interrupted", "timeout"] = ""
    error: KlingPipeError | None = None
    counters: Mapping[str, Any] = field(default_factory=dict)
    accounts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def made(self) -> int:
        """Jobs made by this run."""
        return self._count("made")

    @property
    def reused(self) -> int:
        """Jobs that were made already."""
        return self._count("reused")

    @property
    def by_others(self) -> int:
        """Those of them that this run saw to their end, and another one had submitted."""
        return sum(outcome.by_others for outcome in self.outcomes)

    @property
    def failed(self) -> int:
        """Jobs that failed, are blocked by one that failed, or are lost."""
        return self._count("failed")

    @property
    def waiting(self) -> int:
        """Jobs that are under way or were not begun."""
        return self._count("waiting")

    @property
    def at_kling(self) -> int:
        """Tasks that go on at Kling and will be billed."""
        return sum(outcome.at_kling for outcome in self.outcomes)

    @property
    def usd(self) -> float:
        """The price of the billed units, by the price table."""
        return round(sum(units * unit_price(pack) for pack, units in self.units.items()), 4)

    @property
    def exit_code(self) -> int:
        """The exit code that the design gives to this result."""
        if self.stopped == "interrupted":
            return 130
        if self.error is not None:
            return self.error.exit_code
        if self.waiting:
            return 75
        return 1 if self.failed else 0

    def _count(self, ending: Ending) -> int:
        return sum(outcome.ending == ending for outcome in self.outcomes)


def graver(one: KlingPipeError | None, other: KlingPipeError | None) -> KlingPipeError | None:
    """Of two errors that ended a run, the one whose exit code goes first: account, local state, network, budget."""
    found = [error for error in (one, other) if error is not None]
    rank = {code: number for number, code in enumerate(_GRAVITY)}
    return min(found, key=lambda error: rank.get(error.exit_code, -1), default=None)
