"""Binding what exists at Kling to a job, and rebuilding ledger and lock from the account."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from kling_pipe.catalog import load as operation_named
from kling_pipe.client import Client, Found, NotFound, Refused
from kling_pipe.engine.answers import of_id, told
from kling_pipe.engine.lookup import Findings, lookup
from kling_pipe.engine.stops import stop_for
from kling_pipe.errors import LocalStateError, Unreachable, UsageError
from kling_pipe.keys import external_id
from kling_pipe.ledger import Store
from kling_pipe.model import Job, Record


async def adopt(
    job: Job, task: str, client: Client, store: Store, clock: Callable[[], float], *, attempt: int = 1
) -> Record:
    """Bind a task (by its id or external id) or, for an element job, an element id to a job. Written to the ledger.

    The next run waits for it, saves it and writes the lock. Raises UsageError when Kling knows no such thing,
    LocalStateError when another process is working on the job.
    """
    operation = operation_named(job.operation)
    blank = Record(
        external_task_id=external_id(job.project, job.key, job.take, attempt),
        project=job.project,
        key=job.key,
        take=job.take,
        attempt=attempt,
        operation=job.operation,
        account=store.account,
        state="submitted",
        address=job.address,
    )
    answer = await client.get(operation, task)
    if isinstance(answer, Found):
        record = told(blank, operation, answer.task, clock())
    elif isinstance(answer, NotFound) and "id" in operation.kling["result"] and task.isdecimal():
        record = replace(blank, state="succeed", outputs=(of_id(operation, task),))
    elif isinstance(answer, NotFound):
        raise UsageError(f"Kling knows no task `{task}` at {operation.path}", hint="check the id and the account")
    elif isinstance(answer, Refused):
        raise stop_for(answer) or Unreachable(f"Kling refuses a look-up: {answer.code} {answer.message}")
    else:
        raise Unreachable(f"Kling cannot be reached: {answer.reason}")
    if not store.claim(record.external_task_id, {}):
        raise LocalStateError(f"another process works on `{job.address}`", hint="wait for it to end")
    store.put(record)
    store.release(record.external_task_id)
    return record


async def sync(jobs: Sequence[Job], client: Client, store: Store, clock: Callable[[], float]) -> Findings:
    """Ask the account for every job and write what it says to the ledger; files and lock follow with the next run.

    What the ledger knows of saved files is kept.
    """
    findings = await lookup(jobs, client, store.account, clock)
    for record in _all(findings.records.values()):
        known = store.get(record.external_task_id)
        if known is None or known.state in ("intent", "submitted", "processing"):
            store.put(replace(record, source="ledger"))
    return findings


def _all(groups: Iterable[tuple[Record, ...]]) -> list[Record]:
    return [record for group in groups for record in group]
