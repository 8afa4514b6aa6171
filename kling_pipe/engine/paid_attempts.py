"""Earlier attempts that were paid and whose results nobody saved: they are fetched, whatever counts by now."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from kling_pipe.catalog.operations import Operation, load_operation
from kling_pipe.client import Found
from kling_pipe.engine.context import Context
from kling_pipe.engine.download import fetched
from kling_pipe.engine.job_errors import JobError
from kling_pipe.engine.learned_durations import sort_of
from kling_pipe.engine.lookup import find
from kling_pipe.engine.task_records import merge_task
from kling_pipe.errors import KlingPipeError
from kling_pipe.model import Job, Record, Step
from kling_pipe.planning.snapshot import IN_FLIGHT

_LATEST_SHOWN = 600.0
"""Seconds after which an intent whose task is not to be seen counts as never sent."""


async def save_owed(step: Step, context_of: Callable[[str], Context]) -> list[KlingPipeError]:
    """Fetch all that earlier attempts of a step are owed; return what ends more than one attempt.

    `context_of` gives an account's parts. What one attempt meets is told, and the step goes on.
    """
    met: list[KlingPipeError] = []
    for record in step.owed:
        context = context_of(record.account)
        try:
            await _save(step.job, record, context)
        except JobError as error:
            context.tell("waiting", record, reason=error.message)
        except KlingPipeError as error:
            met.append(error)
    return met


async def _save(job: Job, record: Record, context: Context) -> Record | None:
    """Bring an earlier attempt of a job to its end and keep its files as objects; the job's names stay as they are.

    Return its record, None where another process works on it or no task of it is to be seen. Nothing is ever sent.
    Raise JobError and the errors of the family `KlingPipeError`.
    """
    operation, name = load_operation(job.operation), record.external_task_id
    if not await context.turn.claim(name, {}):
        return None
    try:
        known = context.store.get(name) or record
        if not known.task_id and known.state in IN_FLIGHT:
            known = await _look_up(job, operation, known, context) or known
        if known.state in ("submitted", "processing") and known.task_id:
            known = await _ended(job, operation, known, context)
        if known.state != "succeed":
            return None
        return await _kept(operation, known, context)
    finally:
        context.store.release(name)


async def _look_up(job: Job, operation: Operation, record: Record, context: Context) -> Record | None:
    answer = await find(context.client, operation, record.external_task_id, job.request)
    if not isinstance(answer, Found):
        if context.clock() - record.updated_at / 1000 > _LATEST_SHOWN:
            context.store.forget(record.external_task_id, expected="intent")
        return None
    found = merge_task(record, operation, answer.task, context.clock())
    await context.turn.put(found, unlocked=found.state == "succeed")
    return found


async def _ended(job: Job, operation: Operation, record: Record, context: Context) -> Record:
    sort = sort_of(operation, job)
    task = await context.poller.finished(operation, record.task_id, sort, 0.0, lambda _: None, job.request)
    ended = merge_task(record, operation, task, context.clock())
    await context.turn.put(ended, unlocked=ended.state == "succeed")
    return ended


async def _kept(operation: Operation, record: Record, context: Context) -> Record:
    """Its files as objects. It is not in the lock, and owed no more."""
    for output in record.outputs if "extension" in operation.kling["result"] else ():
        if not output.sha256:
            record, stored, url = await fetched(context, operation, record, output)
            saved = replace(output, sha256=stored.sha256, size=stored.size, url=url)
            others = (saved if one.index == output.index else one for one in record.outputs)
            record = replace(record, outputs=tuple(others))
    record = replace(record, source="ledger")
    await context.turn.put(record)
    context.store.locked([record.external_task_id])
    context.tell("noted", record, reason=f"attempt {record.attempt} was paid and not saved: it is kept as an object")
    return record
