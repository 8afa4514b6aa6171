"""What a plan costs, and whether that is within the budget. Video and image units are never added up. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from kling_pipe.model import Cost, Plan, Problem, Step


class Totals(NamedTuple):
    """Units by pack type and USD of what a plan sends; `unknown` are the addresses without a price."""

    video: float = 0.0
    image: float = 0.0
    usd: float = 0.0
    unknown: tuple[str, ...] = ()

    def plus(self, cost: Cost, address: str, times: int = 1) -> Totals:
        """With so many more tasks of one job."""
        units = (cost.units or 0.0) * times
        video, image = (units if cost.pack == pack else 0.0 for pack in ("video", "image"))
        unknown = self.unknown if cost.usd is not None else (*self.unknown, address)
        usd = self.usd + (cost.usd or 0.0) * times
        return Totals(round(self.video + video, 6), round(self.image + image, 6), round(usd, 6), unknown)


def totals(plan: Plan) -> Totals:
    """The sums over everything that the plan sends or may send."""
    paying = [step for step in plan.steps if step.pays]
    return Totals(
        video=_sum(step.cost.units for step in paying if step.cost.pack == "video"),
        image=_sum(step.cost.units for step in paying if step.cost.pack == "image"),
        usd=_sum(step.cost.usd for step in paying),
        unknown=tuple(step.job.address for step in paying if step.cost.usd is None),
    )


def check_budget(plan: Plan, budget: Mapping[str, Any], *, allow_unknown: bool = False) -> list[Problem]:
    """What breaks `{usd, video, image, per_job: {usd, video, image}}`; empty when all is within."""
    if not budget:
        return []
    found = [*over("the plan costs", totals(plan), budget, "")]
    for step in plan.steps:
        if step.pays:
            address = step.job.address
            found += over(f"`{address}` costs", Totals().plus(step.cost, address), budget.get("per_job") or {}, address)
    unknown = totals(plan).unknown
    if unknown and not allow_unknown:
        some = ", ".join(unknown[:3]) + (", ..." if len(unknown) > 3 else "")
        hint = "pass --allow-unknown-cost to go on"
        found.append(Problem("KP402", "error", f"the price of {some} is not known", address=unknown[0], hint=hint))
    return found


def over(what: str, cost: Totals, budget: Mapping[str, Any], address: str) -> Iterator[Problem]:
    """Each of `usd`, `video` and `image` that costs more than the budget allows."""
    for name, sign, unit in (("usd", "$", ""), ("video", "", " video units"), ("image", "", " image units")):
        allowed = budget.get(name)
        found = getattr(cost, name)
        if allowed is not None and found > float(allowed) + 1e-9:
            texts = tuple(_amount(value, sign, unit) for value in (found, float(allowed)))
            yield Problem(
                "KP401",
                "error",
                f"{what} {texts[0]}, the budget allows {texts[1]}",
                address=address,
                found=texts[0],
                allowed=texts[1],
                hint="raise `budget`, or select less with -s",
            )


def _amount(value: float, sign: str, unit: str) -> str:
    return f"{sign}{value:.2f}" if sign else f"{value:g}{unit}"


def _sum(values: Iterator[float | None] | Any) -> float:
    return round(sum(value or 0.0 for value in values), 6)


def at_most(steps: Iterable[Step]) -> dict[str, Any]:
    """The same sums if every attempt failed for a passing reason, and `retries` were used up."""
    units = {"video": 0.0, "image": 0.0}
    usd, unknown = 0.0, 0
    for step in steps:
        cost = step.again or step.cost
        if not step.most_tasks or cost.pack is None:
            continue
        if cost.units is None:
            unknown += 1
        else:
            units[cost.pack] += cost.units * step.most_tasks
            usd += (cost.usd or 0.0) * step.most_tasks
    rounded = {pack: round(amount, 4) for pack, amount in units.items()}
    return {"units": rounded, "usd": round(usd, 4), "unknown": unknown}
