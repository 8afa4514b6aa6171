"""Files of a made result that are not in place here, whoever made it; and whose that was to count."""

from __future__ import annotations

from dataclasses import replace

from kling_pipe.catalog.operations import load_operation
from kling_pipe.engine.context import Context
from kling_pipe.engine.download import saved
from kling_pipe.engine.job_runner import is_over, is_unsaved
from kling_pipe.model import Record, Step
from kling_pipe.planning.snapshot import IN_FLIGHT

_FOLLOW_SECONDS = 0.5


async def fetch(step: Step, record: Record, context: Context) -> tuple[Record, bool]:
    """The record with its files in place, and whether this run is the one that made it.

    It is where a run that ended early had submitted the task and not saved its files: no run counted it yet. That run
    may have seen the task's end or not. Raises LostError and LocalStateError.
    """
    job, operation = step.job, load_operation(step.job.operation)
    name = record.external_task_id
    if step.shared_with or not (is_unsaved(job, record) and _is_uncounted(name, context)):
        return await saved(context, job, operation, record), False
    try:
        # A run that still lives saves it, and counts it.
        while not await context.turn.claim(name, {}) and not is_over(context.store.get(name)):
            await context.sleep(_FOLLOW_SECONDS)
        standing = context.store.get(name)
        # What the ledger still waits for has ended, says the account.
        known = replace(standing if standing and standing.state == "succeed" else record, address=job.address)
        is_ours = is_unsaved(job, known)
        if is_ours:
            context.tell("succeeded", known, units=known.units)
        return await saved(context, job, operation, known), is_ours
    finally:
        context.store.release(name)


def _is_uncounted(name: str, context: Context) -> bool:
    """Whether runs here sent it and the last that is known of it is not that its files were saved."""
    known = context.store.get(name)
    return (known is not None and known.state in IN_FLIGHT) or name in context.store.unlocked()
