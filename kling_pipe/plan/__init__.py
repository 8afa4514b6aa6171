"""Jobs and what is known of them -> a plan: every job with an action and the reasons for it. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kling_pipe.core.lazy import on_demand

if TYPE_CHECKING:
    from kling_pipe.plan.budget import Totals, check_budget, totals
    from kling_pipe.plan.make import make_plan
    from kling_pipe.plan.places import Place, Places
    from kling_pipe.plan.snapshot import Snapshot
    from kling_pipe.plan.together import Together
    from kling_pipe.plan.why import FieldChange, field_digests

__all__ = [
    "FieldChange",
    "Place",
    "Places",
    "Snapshot",
    "Together",
    "Totals",
    "check_budget",
    "field_digests",
    "make_plan",
    "totals",
]
__getattr__ = on_demand(
    __name__,
    {
        "budget": "Totals check_budget totals",
        "make": "make_plan",
        "places": "Place Places",
        "snapshot": "Snapshot",
        "together": "Together",
        "why": "FieldChange field_digests",
    },
)
