"""A campaign's budget among workers: what it may spend travels with it, and workers reserve in its name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kling_pipe.engine.run_budget import RunBudget
from kling_pipe.model import Cost, Step
from kling_pipe.planning.budget import Totals
from kling_pipe.storage.ledger.pg_connection import PgConnection


def purse_form(budget: Mapping[str, Any], *, allow_unknown: bool) -> dict[str, Any]:
    """What a campaign may spend, as JSON; empty without a budget."""
    return {"budget": dict(budget), "allow_unknown": allow_unknown} if budget else {}


def cost_form(step: Step) -> dict[str, Any]:
    """What one attempt at a step costs, as JSON."""
    cost = step.again or step.cost
    return {"units": cost.units, "pack": cost.pack, "usd": cost.usd}


def spending_of(session: PgConnection, campaign: str, address: str, form: Mapping[str, Any], purse: Any) -> RunBudget:
    """What a step may send, by its form and its campaign's purse: together with all that overlaps with the campaign."""
    cost = Cost(**form["cost"]) if form.get("cost") else Cost(None, None, None)
    return RunBudget(
        campaign,
        purse["budget"] if purse else {},
        bool(purse and purse["allow_unknown"]),
        {address: (cost, form["attempt"])},
        ahead=lambda: _ahead(session, campaign),
    )


def _ahead(session: PgConnection, campaign: str) -> Totals:
    """What a campaign has planned and not reserved yet."""
    query = (
        "SELECT s.form -> 'cost' FROM steps s WHERE s.campaign = %s AND s.state IN ('queued', 'waiting')"
        " AND s.form @> '{\"pays\": true}' AND NOT EXISTS (SELECT 1 FROM reservations r JOIN runs USING (series)"
        " WHERE runs.token = s.campaign AND r.external_task_id = s.external_task_id)"
    )
    found = Totals()
    for (form,) in session.rows(query, (campaign,)):
        found = found.plus(Cost(**form), "")
    return found
