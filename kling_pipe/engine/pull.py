"""Fetching everything that the lock records, without a manifest: a teammate's first command. Creates nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from kling_pipe.catalog import load as operation_named
from kling_pipe.engine.context import Context
from kling_pipe.engine.save import fetched
from kling_pipe.errors import KlingPipeError
from kling_pipe.lock import Lock, made_record, split_name
from kling_pipe.model import Output, Record
from kling_pipe.workspace import Workspace

_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class Pulled:
    """One file of the lock: `state` is "there", "fetched" or "failed" with a `message`."""

    name: str
    path: str
    state: str
    message: str = ""


async def pull(
    lock: Lock, workspace: Workspace, context: Context, *, wanted: Callable[[str], bool] = lambda _: True
) -> list[Pulled]:
    """Put every file of the account's blocks at its recorded name, if it is not there.

    `wanted` chooses by address. A file that Kling gives with another checksum is refused.
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


async def _file(name: str, record: Record, output: Output, context: Context, turns: asyncio.Semaphore) -> Pulled:
    if await context.stored(context.outputs.stands, output.path, output.size):
        return Pulled(name, output.path, "there")
    async with turns:
        try:
            sha256 = output.sha256
            is_here = bool(sha256) and await context.stored(context.outputs.whole, sha256)
            if not is_here:
                _, stored, _ = await fetched(context, operation_named(record.operation), record, output)
                sha256 = stored.sha256
            await context.stored(context.outputs.place, sha256, output.path)
        except KlingPipeError as error:
            return Pulled(name, output.path, "failed", error.message)
    return Pulled(name, output.path, "fetched")
