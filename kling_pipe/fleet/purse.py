"""A campaign's budget among workers: what a new attempt may cost is reserved in the database before it is sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kling_pipe.catalog import load as operation_named
from kling_pipe.cost import Prices, estimate
from kling_pipe.ledger.session import Session
from kling_pipe.model import Cost, Plan, Step
from kling_pipe.plan.budget import Totals, over, totals


def purse_form(plan: Plan, budget: Mapping[str, Any], *, allow_unknown: bool) -> dict[str, Any]:
    """What a campaign may spend, and what its plan spends of that already, as JSON; empty without a budget."""
    if not budget:
        return {}
    planned = totals(plan)
    spent = {"video": planned.video, "image": planned.image, "usd": planned.usd}
    return {"budget": dict(budget), "planned": spent, "allow_unknown": allow_unknown}


def cost_form(step: Step, prices: Prices | None = None) -> dict[str, Any]:
    """What one attempt at a step costs, as JSON."""
    cost = step.cost
    if not cost.pack:  # a step that only waits for its task costs nothing in the plan
        cost = estimate(operation_named(step.job.operation), step.job.request, by=prices)
    return {"units": cost.units, "pack": cost.pack, "usd": cost.usd}


def reserved(session: Session, campaign: str, address: str, attempt: int) -> str:
    """Reserve an attempt. Returns why that is not possible, or "" when it is.

    Who asks again for the same attempt, after a crash or in place of a worker that is gone, gets the same answer
    once it was yes. All that ask at once stand in a queue: together they never spend more than the budget.
    """

    def action(cursor: Any) -> str:
        query = "SELECT form -> 'purse' FROM campaigns WHERE id = %s FOR NO KEY UPDATE"
        row = cursor.execute(query, (campaign,)).fetchone()
        purse = row[0] if row else None
        if not purse:
            return ""
        attempts = "SELECT 1 FROM reservations WHERE campaign = %s AND address = %s AND attempt = %s"
        if cursor.execute(attempts, (campaign, address, attempt)).fetchone():
            return ""
        cost = _cost(cursor, campaign, address)
        if cost.usd is None and not purse["allow_unknown"]:
            return "its price is not known, and there is a budget"
        spent, count = _spent(cursor, campaign, address)
        if why_not := _over(purse, spent, count, cost, address):
            return why_not
        one = Totals().plus(cost, address)
        cursor.execute(
            "INSERT INTO reservations VALUES (%s, %s, %s, %s, %s, %s)",
            (campaign, address, attempt, one.video, one.image, one.usd),
        )
        return ""

    return session.step(action, durable=True)


def _cost(cursor: Any, campaign: str, address: str) -> Cost:
    query = "SELECT form -> 'cost' FROM steps WHERE campaign = %s AND address = %s"
    row = cursor.execute(query, (campaign, address)).fetchone()
    return Cost(**row[0]) if row and row[0] else Cost(None, None, None)


def _spent(cursor: Any, campaign: str, address: str) -> tuple[Totals, int]:
    """What all attempts of the campaign reserved, and how many of them are this step's."""
    query = (
        "SELECT coalesce(sum(video), 0), coalesce(sum(image), 0), coalesce(sum(usd), 0),"
        " count(*) FILTER (WHERE address = %s) FROM reservations WHERE campaign = %s"
    )
    video, image, usd, count = cursor.execute(query, (address, campaign)).fetchone()
    return Totals(video, image, usd), count


def _over(purse: Mapping[str, Any], spent: Totals, count: int, cost: Cost, address: str) -> str:
    planned, budget = purse["planned"], purse["budget"]
    video, image, usd = (getattr(spent, name) + planned[name] for name in ("video", "image", "usd"))
    run = Totals(video, image, usd).plus(cost, address)
    one = Totals().plus(cost, address, times=2 + count)
    problems = [*over("the run", run, budget, ""), *over("the job", one, budget.get("per_job") or {}, address)]
    return f"with it {problems[0].message}" if problems else ""
