"""What is left in the packs of a run's accounts, before it deals out jobs: an empty pack gets none."""

from __future__ import annotations

import asyncio

from kling_pipe.engine.account_pool import AccountPool, AccountRuntime
from kling_pipe.engine.resource_packs import left, packs_at
from kling_pipe.engine.run_errors import StoppedError
from kling_pipe.engine.settings import DEFAULT_SLOTS
from kling_pipe.errors import KlingPipeError


async def look_into_packs(desks: AccountPool) -> None:
    """Ask each of several accounts. What one does not tell is not known, and keeps nobody from sending."""
    if len(desks.all) > 1:
        await asyncio.gather(*(_look(desk) for desk in desks.all))


async def _look(desk: AccountRuntime) -> None:
    if desk.context.stops.run is not None:
        return
    try:
        found = await packs_at(desk.context.client, desk.context.clock)
    except KlingPipeError:  # whoever cannot say what is left may say so when a task is sent
        return
    told = {pack: left(found, pack) for pack in DEFAULT_SLOTS}
    desk.left = {pack: units for pack, units in told.items() if units is not None}
    for pack, units in desk.left.items():
        if units <= 0:
            text = f"the {pack} pack of the account `{desk.name}` is empty"
            desk.context.stops.add(StoppedError(text, "pack", hint="buy units, or name other accounts"), pack, "")
