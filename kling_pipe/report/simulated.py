"""A foreseen campaign for people and machines: time, slots in use, units and money by account, what is not known."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from kling_pipe.planning.simulation import Prediction, Share
from kling_pipe.report.cell_width import cells, padded
from kling_pipe.report.plans import FORMAT_VERSION, about, amount, units_text

_SHOWN = 3


def simulated_text(told: Prediction) -> str:
    """The prediction as a few lines and a table."""
    if not told.tasks:
        return "Nothing to simulate: the plan sends nothing."
    lines = [_head(told), f"Time: {_time(told)}", _bound(told), *_table(told.shares), _sum(told.shares)]
    return "\n".join([*lines, *_failures(told), *_unknown(told)])


def simulated_json(told: Prediction) -> str:
    """The prediction as one JSON document; averages over the runs, times in seconds."""
    form = {
        "format_version": FORMAT_VERSION,
        "tasks": told.tasks,
        "copies": told.copies,
        "accounts": _accounts(told),
        "runs": len(told.seconds),
        "seconds": {"p50": round(told.quantile(0.5), 1), "p90": round(told.quantile(0.9), 1)},
        "bound_by": told.bound_by or None,
        "critical_path": {"addresses": list(told.chain), "seconds": round(told.chain_seconds, 1)},
        "shares": [_share(share) for share in told.shares],
        "totals": _totals(told.shares),
        "retried": told.retried,
        "failed": told.failed,
        "blocked": told.blocked,
        "unknown": {"prices": list(told.unpriced), "times": list(told.unseen)},
    }
    return json.dumps(form, ensure_ascii=False, indent=2)


def _head(told: Prediction) -> str:
    size = f" ({told.tasks // told.copies:,} x {told.copies:,})" if told.copies > 1 else ""
    accounts = f"{_accounts(told)} accounts" if _accounts(told) > 1 else "one account"
    return f"Simulated: {_counted(told.tasks, 'task')}{size} on {accounts}, {_counted(len(told.seconds), 'run')}"


def _time(told: Prediction) -> str:
    half, most = about(told.quantile(0.5)), about(told.quantile(0.9))
    return half if half == most else f"{half} in half of the runs, {most} in nine of ten"


def _accounts(told: Prediction) -> int:
    return len({share.account for share in told.shares})


def _bound(told: Prediction) -> str:
    chain = f"{about(told.chain_seconds)} for {' > '.join(told.chain)}"
    if told.bound_by:
        return f"Bound by: slots of {told.bound_by}; with slots for all it would take {chain}"
    return f"Bound by: what needs each other; {chain}"


def _table(shares: Iterable[Share]) -> list[str]:
    rows = [("account", "pool", "slots", "in use", "tasks", "units", "USD")]
    for one in shares:
        used = "" if one.used is None else f"{100 * one.used:.0f} %"
        slots = "no limit" if one.slots is None else str(one.slots)
        name, pool = one.account or "", one.pool or "no pack"
        rows.append((name, pool, slots, used, f"{one.tasks:,.0f}", amount(one.units), f"${one.usd:,.2f}"))
    if not any(row[0] for row in rows[1:]):
        rows = [("", *row[1:]) for row in rows]
    widths = [max(cells(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ("  ".join(padded(text, width) for text, width in zip(row, widths, strict=True) if width) for row in rows)
    return [f"  {line}".rstrip() for line in lines]


def _sum(shares: Iterable[Share]) -> str:
    totals = _totals(shares)
    return f"Sum: {units_text(totals['units'])} (${totals['usd']:,.2f})"


def _failures(told: Prediction) -> list[str]:
    if not (told.failed or told.retried):
        return []
    below = f"; {_counted(told.blocked, 'job')} needed one of those" if told.blocked else ""
    return [f"Failures: {_counted(told.retried, 'try', 'tries')} repeated, {_counted(told.failed, 'job')} lost{below}"]


def _unknown(told: Prediction) -> list[str]:
    found = []
    if told.unpriced:
        found.append(f"Not known: the price of {_some(told.unpriced)}; the sum is without")
    if told.unseen:
        sorts = _counted(len(told.unseen), "sort") + " of tasks"
        found.append(f"Never seen here: {sorts}, such as {told.unseen[0]}; usual times stand in")
    return found


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    return "; ".join(names[:_SHOWN]) + more


def _counted(number: float, word: str, several: str = "") -> str:
    return f"{number:,.0f} {word if round(number) == 1 else several or word + 's'}"


def _totals(shares: Iterable[Share]) -> dict[str, Any]:
    units = {"video": 0.0, "image": 0.0}
    usd = 0.0
    for share in shares:
        pack = share.pool.partition("/")[0]
        if pack in units:
            units[pack] = round(units[pack] + share.units, 4)
        usd = round(usd + share.usd, 4)
    return {"units": units, "usd": usd}


def _share(one: Share) -> dict[str, Any]:
    used = None if one.used is None else round(one.used, 4)
    facts = {"slots": one.slots, "in_use": used, "tasks": one.tasks, "units": one.units, "usd": one.usd}
    return {"account": one.account or None, "pool": one.pool or None, **facts}
