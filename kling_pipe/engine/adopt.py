"""Binding what exists at Kling to a job, and rebuilding ledger and lock from the account."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from kling_pipe.catalog.operations import Operation, load_operation
from kling_pipe.client import Client, Found, NotFound, json_types
from kling_pipe.core.keys import external_id
from kling_pipe.engine.lookup import Findings, lookup_everywhere
from kling_pipe.engine.run_errors import error_of
from kling_pipe.engine.task_records import merge_found_task, of_id
from kling_pipe.errors import LocalStateError, UsageError
from kling_pipe.model import Job, Output, Record
from kling_pipe.planning import Snapshot
from kling_pipe.planning.snapshot import IN_FLIGHT, stronger
from kling_pipe.storage.ledger import Store
from kling_pipe.storage.lockfile import LockFile


async def adopt(
    job: Job,
    task: str,
    clients: Mapping[str, Client],
    stores: Mapping[str, Store],
    clock: Callable[[], float],
    *,
    attempt: int = 1,
    guard: Store | None = None,
) -> Record:
    """Bind a task (by its id or external id) or, for an element job, an element id to a job. Written to the ledger.

    The next run waits for it, saves it and writes the lock. `clients` and `stores` are by account: of several the first
    one that knows it; `guard` is what keeps two processes off one job there. Raises UsageError when none knows such a
    thing, or when the job has a task of its own that is not saved yet; LocalStateError when another process is working
    on the job.
    """
    record: Record | None = None
    for account, client in clients.items():
        record = record or await _bound(job, task, client, account, clock, attempt)
    if record is None:
        operation = load_operation(job.operation)
        if not ("id" in operation.kling["result"] and task.isdecimal()):
            raise UsageError(f"Kling knows no task `{task}` at {operation.path}", hint="check the id and the account")
        if len(stores) > 1:
            raise UsageError(f"which account has `{task}`?", hint="An id says nothing of it: add --account NAME.")
        blank = _blank(job, next(iter(stores)), attempt)
        record = replace(blank, state="succeed", outputs=(_named(operation, task),))
    store = stores[record.account]
    claims = [(store, record.external_task_id)]
    if guard is not None:
        claims.append((guard, external_id(job.project, job.key, job.take)))
    try:
        if not all(one.claim(name, {}) for one, name in claims):
            raise LocalStateError(f"another process works on `{job.address}`", hint="wait for it to end")
        _refuse_to_forget(job, record, stores)
        store.put(record)
    finally:
        for one, name in claims:
            one.release(name)
    return record


def adopt_recorded(jobs: Iterable[Job], snapshot: Snapshot, lock: LockFile) -> list[Record]:
    """Take over what the lock has of these jobs under another access key: each gets a block of this account beside it.

    The files must be here, or Kling must still have the tasks for this key. Jobs that this account knows are left
    alone. Raises LocalStateError.
    """
    found, changes = [], []
    for job in {job.identity: job for job in jobs}.values():
        foreign = snapshot.foreign.get(job.identity)
        if foreign is not None and snapshot.known(job) is None:
            block = snapshot.lock.of_record(foreign)
            changes.append((job.address, snapshot.profile, {**block, "account": snapshot.account}))
            found.append(replace(foreign, address=job.address))
    lock.update(changes)
    return found


def _named(operation: Operation, task: str) -> Output:
    try:
        return of_id(operation, task)
    except json_types.OddError:
        raise UsageError(f"`{task}` is no id of Kling's", hint="check the id and the account") from None


async def _bound(
    job: Job, task: str, client: Client, account: str, clock: Callable[[], float], attempt: int
) -> Record | None:
    """The record, if the account knows the task."""
    operation = load_operation(job.operation)
    answer = await client.get(operation, task, job.request, everywhere=True)
    if isinstance(answer, Found):
        return merge_found_task(_blank(job, account, attempt), operation, answer.task, clock())
    if isinstance(answer, NotFound):
        return None
    raise error_of(answer)


def _blank(job: Job, account: str, attempt: int) -> Record:
    return Record(
        external_task_id=external_id(job.project, job.key, job.take, attempt),
        project=job.project,
        key=job.key,
        take=job.take,
        attempt=attempt,
        operation=job.operation,
        account=account,
        state="submitted",
        address=job.address,
    )


async def sync(
    jobs: Sequence[Job], clients: Mapping[str, Client], stores: Iterable[Store], clock: Callable[[], float]
) -> dict[str, Findings]:
    """Ask each account for every job and write what it says to the ledger; files and lock follow with the next run.

    What the ledger knows of saved files is kept. Raises Unreachable, CredentialsError.
    """
    findings, silent = await lookup_everywhere(jobs, clients, clock)
    if silent:
        raise next(iter(silent.values()))
    for store in stores:
        for record in _all(findings[store.account].records.values()):
            known = store.get(record.external_task_id)
            believed = stronger(record, known)
            if believed != known:
                # What a run here had sent and nobody has counted is made by the run that saves it.
                sent = known is not None and known.state in IN_FLIGHT
                store.put(replace(believed, source="ledger"), unlocked=sent and believed.state == "succeed")
    return findings


def _refuse_to_forget(job: Job, record: Record, stores: Mapping[str, Store]) -> None:
    """A task of the job's own is owed until its files are saved, whatever else is bound to the job."""
    from kling_pipe.engine.job_runner import is_unsaved

    for store in stores.values():
        known = store.get(record.external_task_id)
        if known is None or not known.task_id or known.task_id == record.task_id:
            continue
        if known.state in ("submitted", "processing") or is_unsaved(job, known):
            told = f"`{job.address}` has a task of its own that is not saved yet: {known.task_id}"
            raise UsageError(told, hint="`kling-pipe run` fetches it; adopt another one after that")


def _all(groups: Iterable[tuple[Record, ...]]) -> list[Record]:
    return [record for group in groups for record in group]
