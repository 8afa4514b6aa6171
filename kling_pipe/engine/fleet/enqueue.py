"""Handing a plan to the workers, and taking back what they have not begun."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from kling_pipe.engine.fleet import queue_store
from kling_pipe.engine.fleet.budget_reservations import purse_form
from kling_pipe.engine.fleet.upload_signing import publish_form, published
from kling_pipe.engine.known_tasks import keep_known_tasks
from kling_pipe.engine.workspace import Workspace
from kling_pipe.errors import UsageError
from kling_pipe.model import Plan
from kling_pipe.storage.effects import Effects
from kling_pipe.storage.ledger.pg_connection import PgConnection


def enqueue(
    plan: Plan,
    workspace: Workspace,
    limits: Mapping[str, int],
    *,
    budget: Mapping[str, Any] | None = None,
    allow_unknown: bool = False,
    origin: str = "",
) -> tuple[str, int]:
    """Put a plan into the queue of its account. Returns the campaign's name there, and how many steps are to be done.

    What is made already is written into the shared ledger, so that workers find it. `budget` bounds what this
    campaign and what overlaps with it send together; `allow_unknown` lets new attempts pass whose price nobody knows.
    What goes to Kling by link is uploaded now, for workers have no other way to it. `origin` is the `traceparent` of
    the run that does this, which the workers' traces stand below. Raises LocalStateError.
    """
    if workspace.emulator_state is not None:
        raise UsageError(
            "the embedded emulator cannot be shared by a fleet", hint="Start one: kling-pipe emulator serve"
        )
    workspace.must_be_whole()
    store = workspace.store()
    session = PgConnection(workspace.database, Effects())
    try:
        made = [step.record for step in (*plan.steps, *plan.others) if step.record and step.record.state == "succeed"]
        known = {record.external_task_id for record in store.records().all()} if made else set()
        for record in made:
            if record.external_task_id not in known:
                store.put(replace(record, source="ledger"), expected=None)
        keep_known_tasks(plan, lambda _: store)
        queue_store.install(session)
        name = secrets.token_hex(8)
        form = {
            "out": workspace.out,
            "bucket": workspace.bucket,
            "limits": dict(limits),
            "origin": origin,
            "purse": purse_form(budget or {}, allow_unknown=allow_unknown),
            "publish": publish_form(workspace.publish),
        }
        plan = published(plan, workspace.publish, Effects())
        return name, queue_store.post(session, name, plan, workspace.queue, form)
    finally:
        session.close()
        store.close()


def take_back(addresses: Iterable[str] | None, project: str, workspace: Workspace) -> list[str]:
    """Cancel queued steps that are not sent yet, with all that needs them. Returns their addresses."""
    session = PgConnection(workspace.database, Effects())
    try:
        return queue_store.cancelled(session, workspace.queue, project, addresses)
    finally:
        session.close()
