"""Fetching everything that the lock records, without a manifest: a teammate's first command. Creates nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace

from kling_pipe.catalog.operations import load_operation
from kling_pipe.engine.context import Context
from kling_pipe.engine.download import differs, fetched
from kling_pipe.engine.workspace import Workspace
from kling_pipe.errors import KlingPipeError
from kling_pipe.model import Output, Record
from kling_pipe.storage.lockfile import Lock, made_record, split_name

_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class PullResult:
    """One file of the lock: `state` is "there", "fetched" or "failed"; `message` says why, or what is odd about it."""

    name: str
    path: str
    state: str
    message: str = ""


async def pull(
    lock: Lock, workspace: Workspace, context: Context, *, wanted: Callable[[str], bool] = lambda _: True
) -> list[PullResult]:
    """Put every file of the account's blocks at its recorded name, if it is not there.

    `wanted` chooses by address. A file that Kling gives with another checksum is kept under the one that it has: Kling
    may have encoded it anew, and gives no other. The ledger remembers that, so that it is told once.
    """
    turns = asyncio.Semaphore(_AT_ONCE)
    work = [
        _file(name, record, output, context, turns)
        for name, block in lock.blocks.items()
        if block.get("account") == workspace.account and "outputs" in block and wanted(split_name(name)[0])
        for record in [made_record(block, split_name(name)[0])]
        for output in record.outputs
        if output.path
    ]
    return list(await asyncio.gather(*work))


async def _file(name: str, record: Record, output: Output, context: Context, turns: asyncio.Semaphore) -> PullResult:
    if await context.stored(context.outputs.stands, output.path, output.size):
        return PullResult(name, output.path, "there")
    message = ""
    async with turns:
        try:
            other = _other(context, record, output)
            if other is not None and await context.stored(context.outputs.stands, output.path, other.size):
                return PullResult(name, output.path, "there")
            here = other if other is not None and await context.stored(context.outputs.whole, other.sha256) else output
            is_here = bool(here.sha256) and await context.stored(context.outputs.whole, here.sha256)
            if not is_here:
                _, stored, _ = await fetched(context, load_operation(record.operation), record, output)
                here = replace(output, sha256=stored.sha256, size=stored.size)
                if output.sha256 not in ("", stored.sha256):
                    message = differs(output, stored)
                    _remember(context, record, here)
            await context.stored(context.outputs.place, here.sha256, output.path)
        except KlingPipeError as error:
            return PullResult(name, output.path, "failed", error.message)
    return PullResult(name, output.path, "fetched", message)


def _other(context: Context, record: Record, output: Output) -> Output | None:
    """What an earlier `pull` got in place of the file that the lock records."""
    known = context.store.get(record.external_task_id)
    same = (one for one in known.outputs if one.index == output.index) if known else iter(())
    return next((one for one in same if one.path == output.path and one.sha256 not in ("", output.sha256)), None)


def _remember(context: Context, record: Record, output: Output) -> None:
    known = context.store.get(record.external_task_id) or replace(record, source="ledger")
    listed = {one.index: one for one in (known.outputs or record.outputs)} | {output.index: output}
    context.store.put(replace(known, outputs=tuple(listed[index] for index in sorted(listed))))
