"""A plan for people and machines: what would happen, why, and what it would cost."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click

from kling_pipe.model import PAYING, Cost, Plan, Step
from kling_pipe.planning.budget import at_most
from kling_pipe.report.cell_width import cells, padded

FORMAT_VERSION = "1.0"
_SIGNS = {
    "create": ("+", "green"),
    "resume": (">", "cyan"),
    "reuse": ("=", None),
    "download": ("v", "cyan"),
    "retry": ("+", "yellow"),
    "blocked": ("!", "red"),
    "frozen": ("*", "blue"),
    "lost": ("?", "red"),
}


def spending(steps: Iterable[Step]) -> list[Step]:
    """The steps that will make a new task, or may, and do not share the task of another."""
    return [step for step in steps if step.pays]


def totals(steps: Sequence[Step]) -> dict[str, Any]:
    """Units by pack and USD of what a run would spend; `unknown` counts steps whose price is not known."""
    spent = spending(steps)
    units = {"video": 0.0, "image": 0.0}
    for step in spent:
        if step.cost.pack and step.cost.units is not None:
            units[step.cost.pack] += step.cost.units
    unknown = [step.job.address for step in spent if step.cost.units is None and step.cost.pack]
    usd = sum(step.cost.usd or 0.0 for step in spent)
    return {
        "units": {pack: round(amount, 4) for pack, amount in units.items()},
        "usd": round(usd, 4),
        "unknown": len(unknown),
        "at_most": at_most(steps),
        "actions": dict(Counter(step.action for step in steps)),
    }


def amount(value: float) -> str:
    """A number of units without needless zeros."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def cost_text(cost: Cost) -> str:
    """`4 video units, $0.56`, `free`, or that it is unknown."""
    if cost.pack is None:
        return "free"
    if cost.units is None:
        return f"cost unknown: {cost.note}" if cost.note else "cost unknown"
    usd = f", ${cost.usd:.2f}" if cost.usd is not None else ""
    return f"{amount(cost.units)} {cost.pack} units{usd}"


def paid_text(step: Step) -> str:
    """What a step costs, and with all its retries, where that is more."""
    now = f"{cost_text(step.cost)}{', unless Kling has it' * step.is_intent}" if step.pays else ""
    cost = step.again or step.cost
    if step.most_tasks <= step.pays or cost.pack is None:
        return now
    most = f"${step.most_tasks * cost.usd:.2f}" if cost.usd is not None else f"{step.most_tasks} tasks"
    return f"{now}{', ' * bool(now)}at most {most} with retries"


def plan_text(plan: Plan, *, why: bool = False, emulated: bool = False, everything: bool = False) -> str:
    """The plan as a list. What stays as it is is counted, and shown with `why` or `everything`."""
    shown = [step for step in plan.steps if why or everything or step.action != "reuse"]
    width = max((cells(step.job.address) for step in shown), default=0)
    lines = [f"Plan for {plan.project}{' on the emulator' if emulated else ''}: {_counted(plan.steps)}"]
    for step in shown:
        lines += _step(step, min(width, 60), why, plan.accounts)
    return "\n".join([*lines, total_text(plan.steps)])


def _where(step: Step, accounts: Mapping[str, str]) -> str:
    """The account that a step is for, when there are several."""
    if len(accounts) < 2 or step.shared_with or step.action in ("blocked", "lost"):
        return ""
    return f"  in {accounts.get(step.account, 'another account')}" if step.account else "  where a slot is free"


def _step(step: Step, width: int, why: bool, accounts: Mapping[str, str]) -> list[str]:
    sign, colour = _SIGNS[step.action]
    head = click.style(f"  {sign} {step.action:<8}", fg=colour)
    cost = f"  {paid_text(step)}" if step.most_tasks else ""
    shared = f"  same request as {step.shared_with}: one task for both" if step.shared_with else ""
    lines = [f"{head} {padded(step.job.address, width)}{cost}{shared}{_where(step, accounts)}".rstrip()]
    made_again = step.action in PAYING and "!" in step.job.address
    if why or made_again or step.action in ("blocked", "lost"):
        lines += [f"             {reason}" for reason in step.reasons]
    return lines


def _counted(steps: Sequence[Step]) -> str:
    counts = Counter[str](step.action for step in steps)
    return ", ".join(f"{counts[action]} {action}" for action in _SIGNS if counts[action]) or "nothing to do"


def total_text(steps: Sequence[Step]) -> str:
    """The last line: units by pack, USD, and what is not known."""
    found = totals(steps)
    units = found["units"]
    unknown = f", plus {found['unknown']} of unknown cost" if found["unknown"] else ""
    return f"Estimated: {units_text(units)} (${found['usd']:.2f}){unknown}{retries_text(steps)}"


def retries_text(steps: Sequence[Step]) -> str:
    """`, at most $1.40 with retries`, or nothing where retries change nothing."""
    most = at_most(steps)
    if all(step.most_tasks <= step.pays for step in steps if (step.again or step.cost).pack):
        return ""
    unknown = f" and {most['unknown']} of unknown cost" if most["unknown"] else ""
    return f", at most ${most['usd']:.2f}{unknown} with retries"


def units_text(units: Mapping[str, float]) -> str:
    """`4 video units, 16 image units`: two packs at two prices, never added up."""
    return f"{amount(units.get('video', 0.0))} video units, {amount(units.get('image', 0.0))} image units"


def about(seconds: float) -> str:
    """A time as people say it: `about 40 s`, `about 4 min`, `about 2.5 h`."""
    if seconds < 90:
        return f"about {max(1, round(seconds))} s"
    if seconds < 90 * 60:
        return f"about {round(seconds / 60)} min"
    return f"about {round(seconds / 1800) / 2:g} h"


def plan_form(
    plan: Plan, uploads: Sequence[Mapping[str, Any]] = (), time: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The plan as JSON: `{format_version, project, steps: [...], totals}`, and `uploads` where there are some.

    `time` (`{seconds, learned}`) is how long a run would take.
    """
    steps = [
        {
            "address": step.job.address,
            "action": step.action,
            "operation": step.job.operation,
            "key": step.job.key,
            "external_task_id": step.external_task_id,
            "units": step.cost.units,
            "pack": step.cost.pack,
            "usd": step.cost.usd,
            "most_tasks": step.most_tasks,
            "needs": list(step.job.needs),
            "reasons": list(step.reasons),
            "shared_with": step.shared_with or None,
            **({"account": plan.accounts.get(step.account)} if plan.accounts else {}),
        }
        for step in plan.steps
    ]
    form = {"format_version": FORMAT_VERSION, "project": plan.project, "steps": steps, "totals": totals(plan.steps)}
    more = {"time": dict(time)} if time else {}
    return {**form, **more, **({"uploads": list(uploads)} if uploads else {})}


def plan_json(plan: Plan, uploads: Sequence[Mapping[str, Any]] = (), time: Mapping[str, Any] | None = None) -> str:
    """`plan_form` as text."""
    return json.dumps(plan_form(plan, uploads, time), ensure_ascii=False, indent=2)
