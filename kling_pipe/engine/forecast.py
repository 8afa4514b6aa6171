"""How long a plan will take: its tasks with learned durations, laid over the slots as a run would."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from kling_pipe import graph
from kling_pipe.catalog import load as operation_named
from kling_pipe.catalog import quota, weight
from kling_pipe.engine.durations import Durations, sort_of
from kling_pipe.engine.pools import pools
from kling_pipe.engine.settings import Settings
from kling_pipe.engine.slots import UNBOUNDED, Pool
from kling_pipe.ledger import Learned
from kling_pipe.model import Job, Plan, Step
from kling_pipe.schedule import Load, makespan
from kling_pipe.workspace import Workspace

_WORKING = ("create", "retry", "resume")


@dataclass(frozen=True, slots=True)
class Forecast:
    """`seconds` for the whole plan; `learned` says whether each of its tasks is of a sort that was seen here."""

    seconds: float
    learned: bool


@dataclass(frozen=True, slots=True)
class Lessons:
    """What a ledger has learned: durations by sort, slot limits by pool with the time of the lesson."""

    durations: Mapping[str, Learned]
    limits: Mapping[str, tuple[int, float]]

    def expected(self, job: Job) -> float | None:
        """Seconds that a job's task is known to take; None for a sort that was never seen."""
        known = self.durations.get(sort_of(operation_named(job.operation), job))
        return known.mean if known else None


def lessons(workspace: Workspace) -> Lessons:
    """What was learned in a workspace; nothing where there is no ledger yet. Raises LocalStateError."""
    if not workspace.ledger_path.exists():
        return Lessons({}, {})
    store = workspace.store()
    try:
        return Lessons(store.learned(), store.limits())
    finally:
        store.close()


def forecast(plan: Plan, known: Lessons, settings: Settings, clock: Callable[[], float] = time.time) -> Forecast:
    """How long a run of `plan` will take. Queues that others stand in, retries and downloads are not foreseen."""
    now = clock()
    limits = pools(settings, known.limits, now)
    working = [step for step in plan.steps if step.action in _WORKING and not step.shared_with]
    within = {step.job.address for step in working}
    needs = {step.job.address: tuple(dict.fromkeys(n for n in step.job.needs if n in within)) for step in working}
    seconds = {step.job.address: _seconds(step, known, now) for step in working}
    urgency = graph.longest_from(needs, seconds)
    working.sort(key=lambda step: -urgency[step.job.address])
    loads = [_load(step, seconds, needs, limits) for step in working]
    slots = {load.pool: float(limits(load.pool).limit) for load in loads if load.pool}
    return Forecast(makespan(loads, slots), all(known.expected(step.job) is not None for step in working))


def _seconds(step: Step, known: Lessons, now: float) -> float:
    operation = operation_named(step.job.operation)
    whole = Durations(known.durations).expected(operation, step.job)
    began = step.record.created_at / 1000 if step.action == "resume" and step.record else 0.0
    return max(0.0, whole - (now - began)) if began else whole


def _load(
    step: Step, seconds: Mapping[str, float], needs: Mapping[str, tuple[str, ...]], limits: Callable[[str], Pool]
) -> Load:
    operation, address = operation_named(step.job.operation), step.job.address
    pack, model = quota(operation, step.job.request)
    if not pack:
        return Load(address, seconds[address], "", needs[address])
    # A pack that is not bounded as a whole is bounded model by model.
    name = pack if limits(pack).limit < UNBOUNDED else f"{pack}/{model}"
    return Load(address, seconds[address], name, needs[address], weight(operation, step.job.request))
