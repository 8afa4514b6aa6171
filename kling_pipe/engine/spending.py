"""The budget while a run is under way: what the plan sends has passed the gate, each further attempt asks here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from kling_pipe.catalog import load as operation_named
from kling_pipe.cost import Prices, estimate
from kling_pipe.model import Plan, Step
from kling_pipe.plan.budget import Totals, over, totals


class Spending:
    """What one run may still send. Every attempt counts in full, also one that failed and that Kling may not bill."""

    def __init__(
        self, plan: Plan, budget: Mapping[str, Any], *, allow_unknown: bool = False, prices: Prices | None = None
    ) -> None:
        self._prices = prices
        self._budget = budget
        self._allow_unknown = allow_unknown
        self._spent = totals(plan)
        self._attempts: Counter[str] = Counter()

    def again(self, step: Step) -> str:
        """Reserve one more attempt of a step. Returns why that is not possible, or "" when it is."""
        if not self._budget:
            return ""
        job, address = step.job, step.job.address
        # A step that only waits for its task costs nothing in the plan.
        cost = step.cost if step.cost.pack else estimate(operation_named(job.operation), job.request, by=self._prices)
        if cost.usd is None and not self._allow_unknown:
            return "its price is not known, and there is a budget"
        spent = self._spent.plus(cost, address)
        one = Totals().plus(cost, address, times=2 + self._attempts[address])
        per_job = self._budget.get("per_job") or {}
        problems = [*over("the run", spent, self._budget, ""), *over("the job", one, per_job, address)]
        if problems:
            return f"with it {problems[0].message}"
        self._spent = spent
        self._attempts[address] += 1
        return ""
