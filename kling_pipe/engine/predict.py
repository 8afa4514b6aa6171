"""A whole campaign foreseen, many times over if wanted: time, slots in use, units and money, account by account."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import Random

from kling_pipe.engine.schedule import LearnedLimits, Schedule, make_schedule
from kling_pipe.engine.settings import DEFAULT_SLOTS, Settings
from kling_pipe.model import Plan
from kling_pipe.planning.simulation import Prediction, Share, Timeline, course

_TASKS_IN_ALL = 1_000_000
"""So many tasks are run on paper when nobody says how often."""
_MOST_RUNS = 5


@dataclass(frozen=True, slots=True)
class Question:
    """What is to be foreseen. `accounts` are slots by pack for each name; none: one account as the plan has it.

    The plan is repeated `copies` times. Times vary by `spread` (0.3: within 30 %), or as they were seen. `failures` is
    the share of tries that fail at Kling's end. `runs` of different luck begin at `seed`; 0: as many as is quick.
    """

    accounts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    copies: int = 1
    spread: float | None = None
    failures: float = 0.0
    runs: int = 0
    seed: int = 1


def predicted(plan: Plan, known: LearnedLimits, settings: Settings, question: Question, now: float) -> Prediction:
    """Foresee a plan. `now` is in seconds since 1970. Downloads and the queues of others are not foreseen."""
    settings = replace(settings, limits={**_usual(question), **settings.limits})
    sketch = make_schedule(plan, known, settings, now)
    places = {name: place for place, name in enumerate(question.accounts)}
    tasks = tuple(
        task._replace(account=places.get(home, -1), spread=task.spread if question.spread is None else question.spread)
        for task, home in zip(sketch.tasks, sketch.homes, strict=True)
    )
    slots = _slots(plan, known, settings, question, now) or {"": sketch.slots}
    many = question.runs or max(1, min(_MOST_RUNS, _TASKS_IN_ALL // max(1, len(tasks) * question.copies)))
    courses = [
        course(
            tasks,
            list(slots.values()),
            copies=question.copies,
            failures=question.failures,
            random=Random(question.seed + number),  # noqa: S311 - luck, not a secret
        )
        for number in range(many)
    ]
    chain = _chain(sketch)
    return Prediction(
        tasks=len(tasks) * question.copies,
        copies=question.copies,
        seconds=tuple(sorted(one.seconds for one in courses)),
        shares=tuple(_shares(sketch, slots, courses)),
        chain=tuple(sketch.steps[place].job.address for place in chain),
        chain_seconds=sum(tasks[place].seconds for place in chain),
        failed=_mean([one.failed for one in courses]),
        blocked=_mean([one.blocked for one in courses]),
        retried=_mean([one.retried for one in courses]),
        unpriced=tuple(step.job.address for step in sketch.steps if step.pays and step.cost.units is None),
        unseen=sketch.unseen,
    )


def _usual(question: Question) -> dict[str, int]:
    """The usual slots of each pack that one account bounds as a whole: then all do, and their pools have one name."""
    told = {pack for limits in question.accounts.values() for pack in limits}
    return {pack: slots for pack, slots in DEFAULT_SLOTS.items() if pack in told}


def _slots(
    plan: Plan, known: LearnedLimits, settings: Settings, question: Question, now: float
) -> dict[str, Mapping[str, float]]:
    """The slots of each account by pool: what it says itself goes before what the campaign says."""
    return {
        name: make_schedule(plan, known, replace(settings, limits={**settings.limits, **limits}), now).slots
        for name, limits in question.accounts.items()
    }


def _shares(sketch: Schedule, slots: Mapping[str, Mapping[str, float]], courses: Sequence[Timeline]) -> list[Share]:
    found = []
    for number, (name, have) in enumerate(slots.items()):
        tasks: defaultdict[str, float] = defaultdict(float)
        units: defaultdict[str, float] = defaultdict(float)
        usd: defaultdict[str, float] = defaultdict(float)
        for place, (step, task) in enumerate(zip(sketch.steps, sketch.tasks, strict=True)):
            made = _mean([one.made[number][place] for one in courses])
            tasks[task.pool] += made
            if step.pays:
                units[task.pool] += made * (step.cost.units or 0.0)
                usd[task.pool] += made * (step.cost.usd or 0.0)
        for pool in sorted(tasks):
            wide = have.get(pool)
            used = _mean([one.held[number][pool] / (wide * one.seconds) for one in courses if one.seconds and wide])
            sums = (tasks[pool], round(units[pool], 4), round(usd[pool], 4))
            found.append(Share(name, pool, int(wide) if wide else None, used if wide else None, *sums))
    return found


def _chain(sketch: Schedule) -> list[int]:
    """The places of the tasks that need each other longest, first to last."""
    if not sketch.tasks:
        return []
    children: defaultdict[int, list[int]] = defaultdict(list)
    for place, task in enumerate(sketch.tasks):
        for need in task.needs:
            children[need].append(place)
    # Urgency is the length of the longest chain from a task on, and the most urgent stands first.
    chain = [0]
    while below := children[chain[-1]]:
        chain.append(max(below, key=lambda place: sketch.tasks[place].urgency))
    return chain


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0
