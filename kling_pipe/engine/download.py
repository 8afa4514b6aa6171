"""From URLs to files: download, check, keep by checksum, give the name, write the sidecar."""

from __future__ import annotations

import contextlib
import json
from dataclasses import replace

from kling_pipe.catalog.operations import Operation
from kling_pipe.client import Downloaded, Found, Gone, InDoubt, NotFound
from kling_pipe.engine.context import Context
from kling_pipe.engine.job_errors import LostError, UnfetchedError, UnreadableError
from kling_pipe.engine.run_errors import UNANSWERED, error_of
from kling_pipe.engine.task_records import merge_task
from kling_pipe.errors import Unreachable
from kling_pipe.media.xmp import XmpStamp, facts
from kling_pipe.model import Job, Output, Record
from kling_pipe.planning.expiry import KEPT_DAYS
from kling_pipe.planning.snapshot import IN_FLIGHT
from kling_pipe.storage.outputs import Incoming, Stored, output_path, sidecar_form

_TRIES = 5
_ASKS = 4
"""How often Kling is asked for a task that it does not know, or says nothing readable of, before that counts."""

_FIRST_WAIT = 0.5
_DIGITS = 12


async def saved(context: Context, job: Job, operation: Operation, record: Record) -> Record:
    """Every file of a finished task at its name. Written to the ledger. Raises LostError and LocalStateError."""
    done = []
    for index in [output.index for output in record.outputs]:
        output = next(one for one in record.outputs if one.index == index)
        if job.place and output.element_id is None:
            record, output = await _one(context, job, operation, record, output)
        done.append(output)
    record = replace(record, outputs=tuple(done), source="ledger")
    if job.place:
        await context.stored(_name, context, job, record)
    await context.turn.put_last(record)
    others = {"by_others": True} if record.external_task_id in context.met else {}
    context.tell("saved", record, paths=[output.path for output in done if output.path], **others)
    return record


async def renewed(context: Context, operation: Operation, record: Record) -> Record | None:
    """The record with fresh URLs; None when Kling no longer knows the task, also when it is asked again.

    Raises UnreadableError when it answers what cannot be read, also when it is asked again.
    """
    wait = _FIRST_WAIT
    for _ in range(_ASKS - 1):
        with contextlib.suppress(UnreadableError):
            if fresh := await _asked_again(context, operation, record):
                return fresh
        await context.sleep(wait)
        wait *= 2
    return await _asked_again(context, operation, record)


async def _asked_again(context: Context, operation: Operation, record: Record) -> Record | None:
    answer = await context.client.get(operation, record.task_id or record.external_task_id)
    if isinstance(answer, Found):
        fresh = merge_task(record, operation, answer.task, context.clock())
        ended = record.state in IN_FLIGHT and fresh.state == "succeed"
        context.store.put(fresh, unlocked=ended and fresh.external_task_id not in context.met)
        return fresh
    if isinstance(answer, NotFound):
        return None
    if isinstance(answer, InDoubt) and answer.odd:
        raise UnreadableError(f"task {record.task_id}: {answer.reason}")
    raise error_of(answer, silent=UNANSWERED, hint="run again to go on")


async def _one(
    context: Context, job: Job, operation: Operation, record: Record, output: Output
) -> tuple[Record, Output]:
    kept = bool(output.sha256) and await context.stored(context.outputs.whole, output.sha256)
    if not kept:
        record, stored, url = await fetched(context, operation, record, output)
        if output.sha256 not in ("", stored.sha256):
            context.tell("noted", record, reason=differs(output, stored))
        output = replace(output, sha256=stored.sha256, size=stored.size, url=url)
    path = f"{context.out}/{output_path(job.place, output, str(operation.kling['result']['extension']))}"
    return record, replace(output, path=path)


def differs(output: Output, stored: Stored) -> str:
    """What to say of a file that is not the one which was recorded."""
    was, is_ = output.sha256[:_DIGITS], stored.sha256[:_DIGITS]
    return f"Kling gives another file now than was recorded (sha256 {is_}..., not {was}...): it is kept as it is"


async def fetched(context: Context, operation: Operation, record: Record, output: Output) -> tuple[Record, Stored, str]:
    """Download an output; an expired or missing URL is asked for again, with a pause from the second time on.

    The file may be another one than was recorded: Kling may have encoded it anew, and gives no other. Raises LostError
    when Kling itself says that there is none, or keeps none as old as that; UnfetchedError when its fresh links do not
    give it; Unreachable.
    """
    recorded, reason, wait, asked = output.sha256, "", _FIRST_WAIT, 0
    for _ in range(_TRIES):
        if not (output.url and (output.url_at or output.sole)):
            record, output = await _with_fresh_url(context, operation, record, output)
            asked += 1
        answer, stored = await _download(context, record, output, reason)
        if stored is not None and (recorded in ("", stored.sha256) or not output.sha256 or context.settings.provenance):
            return record, stored, output.url
        reason = _why_not(answer, stored)
        if stored is None and not (isinstance(answer, Gone) and not asked):  # the first dead link is most likely old
            await context.sleep(wait)
            wait *= 2
        # Another file gets no words that nobody asked for: it is fetched as what it is.
        output = replace(output, url=output.url if output.sole else "", sha256="" if stored else output.sha256)
    if isinstance(answer, Gone) and _is_past(record, context.clock()):
        raise _lost(record)
    if not isinstance(answer, InDoubt) or answer.odd:
        raise UnfetchedError(
            f"task {record.task_id}: {reason}, also for fresh links ({asked} asked for)",
            hint="Kling knows the task, and it is kept: run again to go on",
        )
    raise Unreachable(f"task {record.task_id}: the result cannot be fetched ({reason})", hint="run again to go on")


def _is_past(record: Record, now: float) -> bool:
    """Whether Kling has deleted the results of its time: its links lead nowhere then, fresh ones too."""
    ended = record.updated_at or record.created_at
    return bool(ended) and now - ended / 1000 > KEPT_DAYS * 24 * 3600


def _why_not(answer: Downloaded | Gone | InDoubt, stored: Stored | None) -> str:
    if isinstance(answer, Gone):
        return f"HTTP {answer.status} for its result"
    if isinstance(answer, InDoubt):
        return answer.reason
    return "the file differs from the one recorded" if stored else "an empty file for its result"


async def _with_fresh_url(
    context: Context, operation: Operation, record: Record, output: Output
) -> tuple[Record, Output]:
    wait = _FIRST_WAIT
    for _ in range(_ASKS):
        fresh = await renewed(context, operation, record)
        outputs = fresh.outputs if fresh else ()
        found = next((one for one in outputs if one.index == output.index and one.url and one.url_at), None)
        if fresh is None or found is not None:
            break
        await context.sleep(wait)
        wait *= 2
    if fresh is None or found is None:
        raise _lost(record)
    return fresh, replace(output, url=found.url, url_at=found.url_at)


def _lost(record: Record) -> LostError:
    return LostError(f"the result of task {record.task_id} is gone from Kling, and no copy is here")


async def _download(
    context: Context, record: Record, output: Output, again: str
) -> tuple[Downloaded | Gone | InDoubt, Stored | None]:
    with context.outputs.incoming() as incoming:
        name = record.external_task_id
        stamp = _stamp(context, incoming, record, output)
        write = incoming.write if stamp is None else stamp.write
        answer = await context.client.download(output.url, write, external_task_id=name, again=again)
        if stamp is not None and isinstance(answer, Downloaded):
            stamp.finish()
        if not isinstance(answer, Downloaded) or not incoming.size:
            return answer, None
        return answer, await context.stored(context.outputs.keep, incoming)


def _stamp(context: Context, incoming: Incoming, record: Record, output: Output) -> XmpStamp | None:
    """What writes the words in. A recorded checksum decides, not the setting: others may have fetched it with words."""
    if not (context.settings.provenance or output.sha256):
        return None
    return XmpStamp(incoming.write, facts(record, output), plain=output.sha256)


def _name(context: Context, job: Job, record: Record) -> None:
    """Each file at its name, its sidecar first: where a file stands all is done, says the next run."""
    upstream = {address: context.upstream(address) for address in job.needs}
    sources = {address: known for address, known in upstream.items() if known}
    for output in record.outputs:
        if output.path:
            form = sidecar_form(job, record, output, sources, emulated=context.emulated, draft=context.draft(job))
            context.outputs.write(f"{output.path}.json", json.dumps(form, ensure_ascii=False, indent=2) + "\n")
            context.outputs.place(output.sha256, output.path)
