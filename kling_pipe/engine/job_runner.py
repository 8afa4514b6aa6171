"""The core: one job from whatever state it is in to files on the disk. Knows nothing of who calls it.

    read record -> saved: done
                -> made: save
                -> at Kling: wait, save
                -> intent, or nothing: submit, wait, save
    a transient failure -> the next attempt, up to `retries`

It may be called again at any point, by any process: every step is written down before the next.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from kling_pipe.catalog.operations import Operation, load_operation
from kling_pipe.client import Found, TaskState
from kling_pipe.core.keys import external_id
from kling_pipe.engine.context import Again, Context
from kling_pipe.engine.download import renewed, saved
from kling_pipe.engine.job_errors import LostError, NoRoomError, OvertakenError
from kling_pipe.engine.learned_durations import sort_of
from kling_pipe.engine.lookup import find
from kling_pipe.engine.presets import preset_id
from kling_pipe.engine.resolve_refs import resolved
from kling_pipe.engine.slots import SlotRequest
from kling_pipe.engine.submit import Submission
from kling_pipe.engine.task_records import merge_task
from kling_pipe.model import Job, Record

_FOLLOW_SECONDS, _FOLLOW_LONGEST = 0.2, 2.0
_LONGEST_TASK = 24 * 3600.0
"""Seconds: what takes longer by Kling's own times was told wrong, and would be waited for."""


@dataclass(slots=True)
class Holding:
    """The slots that a job holds, given back once."""

    context: Context
    want: SlotRequest
    held: bool = True

    def release(self) -> None:
        """The task has ended."""
        if self.held:
            self.held = False
            self.context.slots.release(self.want)

    async def again(self) -> None:
        """Wait for slots anew."""
        await self.context.slots.take(self.want)
        self.held = True


async def run_job(
    job: Job,
    attempt: int,
    context: Context,
    want: SlotRequest,
    *,
    last: int = 0,
    again: Again = lambda *_: "",
    refused_at: int = 0,
) -> Record:
    """Bring one job to its end. Slots for `want` are held already and given back as soon as the task ends.

    After a transient failure new attempts are made, up to number `last`, if `again` does not say why not. A refusal of
    this attempt that the ledger wrote down at `refused_at` (ms) is no answer: a person wants it sent again. Returns the
    record: `succeed` with saved files, `failed`, or (when the run detaches) still under way. Raises UnusableInputError,
    LostError and the errors of the family `KlingPipeError`.
    """
    operation = load_operation(job.operation)
    holding = Holding(context, want)
    try:
        while True:
            record = await _attempt(job, attempt, operation, context, holding, refused_at)
            if record.failure != "transient" or attempt >= last:
                return _last_word(record, context)
            if why_not := again(attempt + 1, context.store):
                message = f"{record.message}; no new attempt: {why_not}"
                return _last_word(replace(record, message=message), context)
            attempt += 1
            holding.release()
            context.tell("retrying", record, reason=record.message, seconds=0)
            await holding.again()
    finally:
        holding.release()


def _last_word(record: Record, context: Context) -> Record:
    if record.state == "failed" and context.settings.fail_fast:
        # Before the slot is given back, or the next job would slip in.
        context.slots.stop()
    return record


async def _attempt(
    job: Job, attempt: int, operation: Operation, context: Context, holding: Holding, refused_at: int
) -> Record:
    """One job of this process at a time. Who waited for another reads what that one was told, a refusal too."""
    name = external_id(job.project, job.key, job.take, attempt)
    async with context.waits.alone(name, lambda: _make_way(context, holding)) as has_waited:
        known = context.store.get(name) if has_waited else None
        if known is not None and (known.state == "failed" or is_over(known)):
            if known.state == "succeed" and not is_unsaved(job, known):
                context.met.add(name)
            return await _ended(job, operation, context, holding, replace(known, address=job.address))
        if has_waited:
            await holding.again()
        while True:
            try:
                return await _worked(job, attempt, operation, context, holding, refused_at)
            except OvertakenError:
                continue


def _make_way(context: Context, holding: Holding) -> None:
    """Another job of this process has the same task in hand: the slots go to those that can use them."""
    holding.release()
    _unless_detached(context, "another job has the same task in hand")


async def _worked(
    job: Job, attempt: int, operation: Operation, context: Context, holding: Holding, refused_at: int
) -> Record:
    name = external_id(job.project, job.key, job.take, attempt)
    try:
        with context.pulse.watched():
            await _claimed(name, context, holding)
            known = context.store.get(name)
            if known is not None and known.state == "succeed" and not is_unsaved(job, known):
                context.met.add(name)
            record = await _submitted(job, attempt, context, holding.want, refused_at)
        if record.state in ("submitted", "processing"):
            if not context.settings.detach:
                record = await _waited_or_found(job, operation, context, record, holding.want)
            elif known is not None and known.task_id:
                # A run that does not wait still takes what is done by now, so that what needs it can be sent.
                record = await renewed(context, operation, record) or record
        return await _ended(job, operation, context, holding, record)
    finally:
        context.store.release(name)


async def _ended(job: Job, operation: Operation, context: Context, holding: Holding, record: Record) -> Record:
    """The record with its files saved, where there is something to save."""
    if record.state == "succeed":
        holding.release()
        return await saved(context, job, operation, record)
    if record.state == "failed":
        context.tell("failed", record, message=record.message, failure=record.failure)
    return record


async def _claimed(name: str, context: Context, holding: Holding) -> None:
    """From here on this process works on the task, or another one has done it; its slots are nobody else's.

    Processes that share a ledger look at each other's slots now and then; only a claim says who was first.
    """
    while True:
        if not await context.turn.claim(name, dict(holding.want.pools)):
            if await _followed(name, context, holding):
                return
        elif context.slots.crowded(holding.want) and not _is_at_kling(context.store.get(name)):
            await context.turn.claim(name, {})  # who waits holds no slots in the eyes of others
            holding.held = False
            context.slots.give_back(holding.want)
            _unless_detached(context, "other processes have taken the slots")
            await holding.again()
        else:
            return


async def _followed(name: str, context: Context, holding: Holding) -> bool:
    """Another process works on this very task: its record is ours. Whether it is done; else the claim is ours now.

    Nothing is sent from here meanwhile, so the slots go to others.
    """
    holding.release()
    wait = _FOLLOW_SECONDS
    while not await context.turn.claim(name, {}):
        if is_over(context.store.get(name)):
            return True
        _unless_detached(context, "another process works on it")
        await context.waits.until(context.sleep(wait))
        wait = min(_FOLLOW_LONGEST, 1.5 * wait)
    await holding.again()
    return False


def _unless_detached(context: Context, reason: str) -> None:
    """A run that does not wait for its own tasks does not wait for other processes."""
    if context.settings.detach:
        raise NoRoomError(reason)


def _is_at_kling(known: Record | None) -> bool:
    return known is not None and bool(known.task_id)


def is_over(known: Record | None) -> bool:
    """Whether there is nothing left to do but to read the record: it failed for good, or its files are saved."""
    if known is None or known.failure == "refused":
        return False
    saved = all(output.sha256 or not output.url for output in known.outputs)
    return known.state == "failed" or (known.state == "succeed" and saved)


def is_unsaved(job: Job, record: Record) -> bool:
    """Whether files of a made result were never saved: then no run has counted it either."""
    files = [output for output in record.outputs if output.element_id is None] if job.place else []
    return record.state == "succeed" and not all(output.sha256 for output in files)


def _is_answered(known: Record | None, refused_at: int) -> bool:
    """Whether the ledger knows what became of a create: a task, or a refusal that counts."""
    if known is None or known.state == "intent":
        return False
    return known.may_exist or (known.failure != "refused" and known.updated_at != refused_at)


async def _submitted(job: Job, attempt: int, context: Context, want: SlotRequest, refused_at: int) -> Record:
    """The record of a task that exists, or that Kling refused."""
    operation, name = load_operation(job.operation), external_id(job.project, job.key, job.take, attempt)
    known = context.store.get(name)
    if known is not None and _is_answered(known, refused_at):
        return replace(known, address=job.address)
    doubt_at = known.updated_at / 1000 if known is not None and known.state == "intent" else None
    request = await _request(job, context)
    record = Record(
        external_task_id=name,
        project=job.project,
        key=job.key,
        take=job.take,
        attempt=attempt,
        operation=job.operation,
        account=context.store.account,
        state="intent",
        address=job.address,
    )
    return await Submission(context, operation, request, want, record).run(doubt_at=doubt_at)


async def _request(job: Job, context: Context) -> dict[str, object]:
    async def renew(record: Record) -> Record | None:
        return await renewed(context.at(record.account), load_operation(record.operation), record)

    return await resolved(
        job.request,
        context.upstream,
        renew,
        context.outputs.object_path,
        now=context.clock(),
        url_seconds=context.settings.url_seconds,
        inline_bytes=context.settings.inline_bytes,
        media=load_operation(job.operation).kling["media"],
        preset=lambda wanted: preset_id(context.client, wanted),
        publishes=context.publisher is not None,
    )


async def _is_still_ours(job: Job, record: Record, context: Context, want: SlotRequest) -> bool:
    """Whether nobody has taken the task over while this process counted as gone: then it is theirs to count."""
    is_ours = await context.turn.claim(record.external_task_id, dict(want.pools))
    known = context.store.get(record.external_task_id)
    return is_ours and (known is None or known.state != "succeed" or is_unsaved(job, known))


async def _waited_or_found(
    job: Job, operation: Operation, context: Context, record: Record, want: SlotRequest
) -> Record:
    """`_waited`; a task of whose id Kling knows nothing is asked for by its external id once, before it is lost."""
    try:
        return await _waited(job, operation, context, record, want)
    except LostError:
        answer = await find(context.client, operation, record.external_task_id, job.request)
        if not isinstance(answer, Found) or answer.task.task_id in ("", record.task_id):
            raise
        found = replace(record, task_id=answer.task.task_id)
        await context.turn.put(found)
        context.tell("noted", found, reason=f"Kling knows it as task {found.task_id}, not as {record.task_id}")
        return await _waited(job, operation, context, found, want)


async def _waited(job: Job, operation: Operation, context: Context, record: Record, want: SlotRequest) -> Record:
    """The record once its task has ended."""
    sort = sort_of(operation, job)

    def on_status(task: TaskState) -> None:
        if task.status in operation.kling["states"]["pending"][1:]:
            context.tell("processing", record, status=task.status)

    def on_odd(what: str) -> None:
        context.tell("noted", record, reason=what)

    # Kling's clock may differ from ours: a task cannot be younger than nothing.
    age = max(0.0, context.clock() - record.created_at / 1000) if record.created_at else 0.0
    task = await context.poller.finished(operation, record.task_id, sort, age, on_status, job.request, on_odd)
    if context.store.was_silent() and not await _is_still_ours(job, record, context, want):
        context.met.add(record.external_task_id)
    ended = merge_task(record, operation, task, context.clock())
    # What is noted as ours before its files are saved is not lost to the sums, should this run end meanwhile.
    await context.turn.put(ended, unlocked=ended.state == "succeed" and ended.external_task_id not in context.met)
    seconds = (task.updated_at - task.created_at) / 1000
    if ended.state == "succeed" and task.created_at and 0 < seconds < _LONGEST_TASK:
        context.durations.add(sort, seconds)
    if ended.state == "succeed":
        context.tell("succeeded", ended, units="" if ended.external_task_id in context.met else ended.units)
    return ended
