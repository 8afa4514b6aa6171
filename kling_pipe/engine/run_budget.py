"""The budget while a run is under way: each task, first or repeated, is reserved before it is sent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from kling_pipe.core.keys import external_id
from kling_pipe.engine.settings import Settings
from kling_pipe.model import Cost, Job, Plan, Record
from kling_pipe.planning.budget import Totals, over
from kling_pipe.storage.ledger import Store
from kling_pipe.storage.ledger.reservations import Amounts, Reservation, Spent

_NONE = Totals()


@dataclass(frozen=True, slots=True)
class RunBudget:
    """What one run may send, together with those that overlap with it.

    Every attempt counts in full, also one that failed and that Kling may not bill. `run` is its token in the ledger
    ("": nothing is reserved). `costs` are what one attempt costs and the number of the first, by address. `ahead` is
    what the run has planned and not reserved yet: new attempts leave it that much.
    """

    run: str = ""
    budget: Mapping[str, Any] = field(default_factory=dict)
    allow_unknown: bool = False
    costs: Mapping[str, tuple[Cost, int]] = field(default_factory=dict)
    ahead: Callable[[], Totals] = Totals
    planned: dict[str, Cost] = field(default_factory=dict)

    def reservation(self, record: Record) -> Reservation | None:
        """What an intent reserves; None for what costs nothing."""

        def refusal(spent: Spent) -> str:
            why_not = self._refusal(spent)
            if not why_not:
                self.planned.pop(record.address, None)
            return why_not

        return self._reservation(record, refusal)

    def again(self, job: Job, attempt: int, store: Store) -> str:
        """Reserve one more attempt of a job. Returns why that is not possible, or "" when it is."""
        if not self.run:
            return ""
        cost, first = self.costs[job.address]
        if self.budget and cost.usd is None and not self.allow_unknown:
            return "its price is not known, and there is a budget"
        name = external_id(job.project, job.key, job.take, attempt)
        blank = Record(
            name, job.project, job.key, job.take, attempt, job.operation, store.account, "intent", job.address
        )
        least = Totals().plus(cost, "", times=1 + attempt - first)
        wanted = self._reservation(blank, lambda spent: self._refusal(spent, self._left(), least))
        return store.reserve(wanted) if wanted else ""

    def give_back(self, record: Record, store: Store) -> None:
        """Nothing was made of a reservation, that is for sure."""
        if self.run and any(_amounts(self.costs[record.address][0])):
            store.give_back(self.run, record.external_task_id)

    def _left(self) -> Totals:
        left = self.ahead()
        for address, cost in self.planned.items():
            left = left.plus(cost, address)
        return left

    def _reservation(self, record: Record, refusal: Callable[[Spent], str]) -> Reservation | None:
        amounts = _amounts(self.costs[record.address][0]) if self.run else None
        if not amounts or not any(amounts):
            return None
        return Reservation(
            run=self.run,
            account=record.account,
            external_task_id=record.external_task_id,
            project=record.project,
            address=record.address,
            amounts=amounts,
            refusal=refusal if self.budget else None,
        )

    def _refusal(self, spent: Spent, left: Totals = _NONE, least: Totals = _NONE) -> str:
        """Why a task is too much beside what is `left` to send; `least` is what its job has cost, whoever paid."""
        video, image, usd = (round(one + getattr(left, name), 6) for name, one in spent.all._asdict().items())
        whole = Totals(video, image, usd)
        video, image, usd = (max(one, getattr(least, name)) for name, one in spent.job._asdict().items())
        job = Totals(video, image, usd)
        what = "the runs at work cost" if spent.with_others else "the run costs"
        per_job = self.budget.get("per_job") or {}
        problems = [*over(what, whole, self.budget, ""), *over("the job costs", job, per_job, "")]
        return f"with it {problems[0].message}" if problems else ""


def spending_of(plan: Plan, store: Store, settings: Settings) -> RunBudget:
    """Begin a run of a plan: from here on others see it in the ledger. Raises LocalStateError."""
    working = [step for step in plan.steps if step.action in ("create", "retry", "resume") and not step.shared_with]
    if not working:
        return RunBudget()
    costs = {step.job.address: (step.again or step.cost, step.attempt) for step in working}
    planned = {step.job.address: step.cost for step in working if step.pays}
    run = store.begin_run(settings.since)
    return RunBudget(run, settings.budget, settings.allow_unknown, costs, planned=planned)


def _amounts(cost: Cost) -> Amounts:
    units = cost.units or 0.0
    video, image = (units if cost.pack == pack else 0.0 for pack in ("video", "image"))
    return Amounts(video, image, cost.usd or 0.0)
