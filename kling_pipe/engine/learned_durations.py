"""How long tasks take: what the data expects, corrected by what was seen."""

from __future__ import annotations

from collections.abc import Mapping

from kling_pipe.catalog.operations import Operation
from kling_pipe.model import Job
from kling_pipe.storage.ledger import Learned

_UNKNOWN_SECONDS = 60.0


class Durations:
    """Learned durations by sort of task. A sort is an operation with the values of its fields that are choices."""

    def __init__(self, learned: Mapping[str, Learned]) -> None:
        self._learned = dict(learned)
        self.changed: dict[str, Learned] = {}

    def add(self, sort: str, seconds: float) -> None:
        """A task of this sort took so long."""
        known = self._learned.get(sort) or Learned(0, 0.0, seconds, seconds)
        self._learned[sort] = self.changed[sort] = known.with_one(seconds)

    def known(self, sort: str) -> Learned | None:
        """What was learned of a sort, or None."""
        return self._learned.get(sort)

    def expected(self, operation: Operation, job: Job) -> float:
        """Seconds to expect; for tasks never seen what the data says. Only compared, never waited for."""
        known = self._learned.get(sort_of(operation, job))
        return known.mean if known else _guess(operation, job)


def sort_of(operation: Operation, job: Job) -> str:
    """The sort of a job's task: `omni-video duration=5 mode=std model_name=kling-v3-omni`."""
    choices = (name for name in sorted(job.request) if "enum" in operation.fields.get(name, {}))
    return " ".join((operation.name, *(f"{name}={job.request[name]}" for name in choices)))


def _guess(operation: Operation, job: Job) -> float:
    """What the data says of a task's time: in proportion to a field (a clip's length), where it names one."""
    seconds = float(operation.kling.get("expected_seconds", _UNKNOWN_SECONDS))
    field = str(operation.kling.get("grows_with", ""))
    usual = operation.fields[field].get("default") if field else None
    return seconds * float(job.request.get(field, usual)) / float(usual) if usual else seconds
