"""From URLs to files: download, check, keep by checksum, give the name, write the sidecar."""

from __future__ import annotations

import json
from dataclasses import replace

from kling_pipe.catalog import Operation
from kling_pipe.client import Downloaded, Found, Gone, InDoubt, NotFound
from kling_pipe.engine.answers import told
from kling_pipe.engine.context import Context
from kling_pipe.engine.reasons import LostError
from kling_pipe.engine.stops import UNANSWERED, trouble
from kling_pipe.errors import Unreachable
from kling_pipe.model import Job, Output, Record
from kling_pipe.outputs import Incoming, Stored, output_path, sidecar_form
from kling_pipe.plan.snapshot import IN_FLIGHT
from kling_pipe.provenance import Stamp, facts

_TRIES = 5


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
    """The record with fresh URLs; None when Kling no longer knows the task."""
    answer = await context.client.get(operation, record.task_id or record.external_task_id)
    if isinstance(answer, Found):
        fresh = told(record, operation, answer.task, context.clock())
        ended = record.state in IN_FLIGHT and fresh.state == "succeed"
        context.store.put(fresh, unlocked=ended and fresh.external_task_id not in context.met)
        return fresh
    if isinstance(answer, NotFound):
        return None
    raise trouble(answer, silent=UNANSWERED, hint="run again to go on")


async def _one(
    context: Context, job: Job, operation: Operation, record: Record, output: Output
) -> tuple[Record, Output]:
    kept = bool(output.sha256) and await context.stored(context.outputs.whole, output.sha256)
    if not kept:
        record, stored, url = await fetched(context, operation, record, output)
        output = replace(output, sha256=stored.sha256, size=stored.size, url=url)
    path = f"{context.out}/{output_path(job.place, output, str(operation.kling['result']['extension']))}"
    return record, replace(output, path=path)


async def fetched(context: Context, operation: Operation, record: Record, output: Output) -> tuple[Record, Stored, str]:
    """Download an output; an expired or missing URL is asked for again. Raises LostError."""
    reason, wait, is_fresh = "", 0.5, False
    for _ in range(_TRIES):
        if not output.url:
            record, output = await _with_fresh_url(context, operation, record, output)
            is_fresh = True
        answer, stored = await _download(context, record, output, reason)
        if stored is not None and output.sha256 in ("", stored.sha256):
            return record, stored, output.url
        if isinstance(answer, Gone) and is_fresh:
            raise _lost(record)
        reason = "the file differs from the one recorded" if stored else str(answer)
        if isinstance(answer, InDoubt):
            reason = answer.reason
            await context.sleep(wait)
            wait *= 2
        output = replace(output, url="")
    raise Unreachable(f"task {record.task_id}: the result cannot be fetched ({reason})", hint="run again to go on")


async def _with_fresh_url(
    context: Context, operation: Operation, record: Record, output: Output
) -> tuple[Record, Output]:
    fresh = await renewed(context, operation, record)
    url = next((one.url for one in fresh.outputs if one.index == output.index), "") if fresh else ""
    if fresh is None or not url:
        raise _lost(record)
    return fresh, replace(output, url=url)


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


def _stamp(context: Context, incoming: Incoming, record: Record, output: Output) -> Stamp | None:
    """What writes the words in. A recorded checksum decides, not the setting: others may have fetched it with words."""
    if not (context.settings.provenance or output.sha256):
        return None
    return Stamp(incoming.write, facts(record, output), plain=output.sha256)


def _name(context: Context, job: Job, record: Record) -> None:
    """Each file at its name, its sidecar first: where a file stands all is done, says the next run."""
    upstream = {address: context.upstream(address) for address in job.needs}
    sources = {address: known for address, known in upstream.items() if known}
    for output in record.outputs:
        if output.path:
            form = sidecar_form(job, record, output, sources, emulated=context.emulated, draft=context.draft(job))
            context.outputs.write(f"{output.path}.json", json.dumps(form, ensure_ascii=False, indent=2) + "\n")
            context.outputs.place(output.sha256, output.path)
