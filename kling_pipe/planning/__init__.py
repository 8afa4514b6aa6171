"""Jobs and what is known of them -> a plan: every job with an action and the reasons for it. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kling_pipe.core.lazy import on_demand

if TYPE_CHECKING:
    from kling_pipe.planning.account_ranking import Account, Accounts
    from kling_pipe.planning.budget import Totals, check_budget, totals
    from kling_pipe.planning.field_diff import FieldChange, field_digests
    from kling_pipe.planning.multi_account import MultiAccount
    from kling_pipe.planning.planner import make_plan
    from kling_pipe.planning.snapshot import Snapshot

__all__ = [
    "Account",
    "Accounts",
    "FieldChange",
    "MultiAccount",
    "Snapshot",
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
        "planner": "make_plan",
        "account_ranking": "Account Accounts",
        "snapshot": "Snapshot",
        "multi_account": "MultiAccount",
        "field_diff": "FieldChange field_digests",
    },
)
