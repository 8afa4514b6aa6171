"""A plan as tasks on paper: how long each takes by what was learned, which slots it holds, what it waits for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from kling_pipe.catalog.operations import load_operation, quota, weight
from kling_pipe.core import graph
from kling_pipe.engine.learned_durations import Durations, sort_of
from kling_pipe.engine.pools import pools
from kling_pipe.engine.settings import Settings
from kling_pipe.engine.slots import UNBOUNDED, Pool
from kling_pipe.engine.workspace import Workspace
from kling_pipe.model import Job, Plan, Record, Step
from kling_pipe.planning.account_affinity import bonds
from kling_pipe.storage.ledger import Learned

if TYPE_CHECKING:
    from kling_pipe.planning.simulation import Task

_WORKING = ("create", "retry", "resume")


class LearnedLimits(NamedTuple):
    """What a ledger has learned: durations by sort, slot limits by pool with the time of the lesson."""

    durations: Mapping[str, Learned]
    limits: Mapping[str, tuple[int, float]]

    def of(self, job: Job) -> Learned | None:
        """What is known of the times of a job's sort; None for one that was never seen."""
        return self.durations.get(sort_of(load_operation(job.operation), job))

    def expected(self, job: Job) -> float | None:
        """Seconds that a job's task is known to take; None for a sort that was never seen."""
        known = self.of(job)
        return known.mean if known else None


class Schedule(NamedTuple):
    """The steps of a plan that wait for Kling, the most urgent first, and beside each its task.

    `slots` are those of the pools that are bounded. `unseen` are the sorts whose times were never seen here. `homes`
    are the names of the accounts that alone can take the tasks, "" for any of them.
    """

    steps: tuple[Step, ...]
    tasks: tuple[Task, ...]
    slots: Mapping[str, float]
    unseen: tuple[str, ...]
    homes: tuple[str, ...] = ()


def lessons(workspace: Workspace) -> LearnedLimits:
    """What was learned in a workspace; nothing where there is no ledger yet. Raises LocalStateError."""
    if workspace.is_read_only or not (workspace.database or workspace.ledger_path.exists()):
        return LearnedLimits({}, {})
    store = workspace.store()
    try:
        return LearnedLimits(store.learned(), store.limits())
    finally:
        store.close()


def make_schedule(plan: Plan, known: LearnedLimits, settings: Settings, now: float) -> Schedule:
    """The tasks of a plan, with slots as `settings` and lessons have them. `now` is in seconds since 1970."""
    working = [step for step in plan.steps if step.action in _WORKING and not step.shared_with]
    if not working:
        return Schedule((), (), {}, ())
    from kling_pipe.planning.simulation import Task

    limits = pools(settings, known.limits, now)
    within = {step.job.address for step in working}
    needs = {step.job.address: tuple(dict.fromkeys(n for n in step.job.needs if n in within)) for step in working}
    seconds = {step.job.address: _seconds(step, known, now) for step in working}
    urgency = graph.longest_from(needs, seconds)
    working.sort(key=lambda step: -urgency[step.job.address])
    places = {step.job.address: place for place, step in enumerate(working)}
    tasks = []
    for step in working:
        address = step.job.address
        task = Task(seconds[address], urgency=urgency[address], spread=_spread(step.job, known))
        below = tuple(places[need] for need in needs[address])
        tasks.append(_held(step.job, task, limits)._replace(needs=below, follows=_followed(step.job, places)))
    slots = {task.pool: float(limits(task.pool).limit) for task in tasks if task.pool}
    sorts = {sort_of(load_operation(step.job.operation), step.job) for step in working}
    others = (step for step in (*plan.steps, *plan.others) if step.job.address not in within)
    made = {step.job.address: step.record for step in others if step.record and step.record.state == "succeed"}
    homes = tuple(_home(step, made, plan.accounts) for step in working)
    return Schedule(tuple(working), tuple(tasks), slots, tuple(sorted(sorts - set(known.durations))), homes)


def _seconds(step: Step, known: LearnedLimits, now: float) -> float:
    operation = load_operation(step.job.operation)
    whole = Durations(known.durations).expected(operation, step.job)
    began = step.record.created_at / 1000 if step.action == "resume" and step.record else 0.0
    return max(0.0, whole - (now - began)) if began else whole


def _spread(job: Job, known: LearnedLimits) -> float:
    """How far the times seen lie apart, as a share of their mean."""
    seen = known.of(job)
    return min(1.0, (seen.high - seen.low) / 2 / seen.mean) if seen and seen.mean else 0.0


def _held(job: Job, task: Task, limits: Callable[[str], Pool]) -> Task:
    operation = load_operation(job.operation)
    pack, model = quota(operation, job.request)
    if not pack:
        return task
    # A pack that is not bounded as a whole is bounded model by model.
    pool = pack if limits(pack).limit < UNBOUNDED else f"{pack}/{model}"
    return task._replace(pool=pool, weight=weight(operation, job.request), tries=1 + job.retries)


def _home(step: Step, made: Mapping[str, Record], names: Mapping[str, str]) -> str:
    """The account that a task is in already, that its job asks for, or that has what it uses; "" for any."""
    if step.action == "resume" and step.record is not None:
        return names.get(step.record.account, "")
    there = (made[bond.address].account for bond in bonds(step.job) if bond.address in made)
    return step.job.account or next((names[account] for account in there if account in names), "")


def _followed(job: Job, places: Mapping[str, int]) -> int:
    """The place of a job in whose account this one must be made, or -1."""
    return next((places[bond.address] for bond in bonds(job) if bond.address in places), -1)
