"""Tasks that the account showed while a plan was made, written into the ledger before anything is sent.

A job looks into the ledger for its task. A machine with an empty ledger, told by the account that 12 tasks are under
way, posted each of them again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from kling_pipe.model import Plan, Record
from kling_pipe.storage.ledger import Store


def keep_known_tasks(plan: Plan, store_of: Callable[[str], Store]) -> list[Record]:
    """Write the tasks under way that the account showed into the ledger of their account.

    Return those that no run here had sent: they are of another machine. What the ledger knows by then, of another
    process, stays. `store_of` gives an account's ledger. Raises LocalStateError.
    """
    shown = [step.record for step in plan.steps if step.record is not None and step.action == "resume"]
    return [
        record
        for record in shown
        if record.source == "account" and record.task_id and _keep(record, store_of(record.account))
    ]


def _keep(record: Record, store: Store) -> bool:
    known = store.get(record.external_task_id)
    if known is not None and known.state != "intent" and known.may_exist:
        return False
    written = store.put(replace(record, source="ledger"), expected=known.state if known else None)
    return written and (known is None or known.state != "intent")
