"""Opens what a verb works with: the client, the ledger and the slots of each account of a campaign, and closes them."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from typing import Any

from kling_pipe.client import READ_SECONDS, Client
from kling_pipe.client.credentials import ApiKey
from kling_pipe.engine.account_pool import AccountPool, AccountRuntime
from kling_pipe.engine.context import Context
from kling_pipe.engine.events import OnEvent, both, ignore
from kling_pipe.engine.learned_durations import Durations
from kling_pipe.engine.metrics import Metrics
from kling_pipe.engine.pause_detection import Pulse, elapsed
from kling_pipe.engine.polling import Poller
from kling_pipe.engine.pools import pools
from kling_pipe.engine.settings import Settings
from kling_pipe.engine.slots import Slots
from kling_pipe.engine.uploads import Publisher
from kling_pipe.engine.workspace import Workspace
from kling_pipe.errors import CredentialsError, KlingPipeError
from kling_pipe.storage.effects import Effects
from kling_pipe.storage.ledger import Store

EVERY = "*"
"""In place of an account: claims on an id that hold whichever account its task will be in."""

_NOBODY = ApiKey("none")
_PACE_WITH_CALLBACKS = 10.0
"""Polling is a safety net when callbacks come in: so many times slower."""

Note = Callable[[Mapping[str, Any]], None]
Sleep = Callable[[float], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Dependencies:
    """What a test or a caller may replace: effects, clock (seconds since 1970), sleep, network, request log, meter.

    `read_seconds`: how long the next byte of an answer is waited for. `elapsed` is a clock that nobody can set.
    """

    effects: Effects | None = None
    clock: Callable[[], float] = time.time
    sleep: Sleep = asyncio.sleep
    transport: Any = None
    http: Any = None
    note: Note | None = None
    meter: Metrics | None = None
    read_seconds: float = READ_SECONDS
    elapsed: Callable[[], float] = elapsed


@contextlib.asynccontextmanager
async def client_of(workspace: Workspace, seams: Dependencies, note: Note = ignore) -> AsyncIterator[Client]:
    """The client of one account. Raises CredentialsError."""
    base_url, credentials = await asyncio.to_thread(workspace.connection)
    client = Client(
        base_url,
        credentials,
        transport=seams.transport,
        http=seams.http,
        read_seconds=seams.read_seconds,
        clock=seams.clock,
        sleep=seams.sleep,
        effects=seams.effects,
        note=both(note, seams.note or ignore),
        standard=workspace.standard,
    )
    async with client:
        yield client


@contextlib.asynccontextmanager
async def clients_of(
    workspace: Workspace, seams: Dependencies
) -> AsyncIterator[tuple[dict[str, Client], dict[str, KlingPipeError]]]:
    """The clients of all accounts by id, and why others cannot be asked. Raises CredentialsError when none can."""
    found: dict[str, Client] = {}
    silent: dict[str, KlingPipeError] = {}
    async with AsyncExitStack() as stack:
        for one in workspace.each:
            try:
                found[one.account] = await stack.enter_async_context(client_of(one, seams))
            except CredentialsError as error:
                if not workspace.siblings:
                    raise
                silent.setdefault(one.account, error)
        if not found:
            raise next(iter(silent.values()))
        yield found, silent


def stores_of(workspace: Workspace, seams: Dependencies, stack: contextlib.ExitStack | AsyncExitStack) -> list[Store]:
    """The ledger as each account sees it; closed with `stack`."""
    stores = []
    for one in workspace.each:
        stores.append(one.store(seams.effects))
        stack.callback(stores[-1].close)
    return stores


def guard_of(workspace: Workspace, seams: Dependencies, stack: contextlib.ExitStack | AsyncExitStack) -> Store | None:
    """Claims on ids in whichever account; closed with `stack`. None where the settings name no accounts."""
    if not workspace.name:
        return None
    guard = replace(workspace, account=EVERY).store(seams.effects)
    stack.callback(guard.close)
    return guard


@contextlib.asynccontextmanager
async def desks_of(
    workspace: Workspace, settings: Settings, seams: Dependencies, on_event: OnEvent = ignore
) -> AsyncIterator[AccountPool]:
    """A desk for every account, the first one's first, all counting into one meter. Raises CredentialsError.

    An account without credentials has a desk that takes nothing: what lives there is left alone.
    """
    meter = seams.meter or Metrics()
    async with AsyncExitStack() as stack:
        found: list[AccountRuntime] = []
        for one, store in zip(workspace.each, stores_of(workspace, seams, stack), strict=True):
            client, refusal = await _client_or_refusal(one, seams, meter, stack, lonely=not workspace.siblings)
            context = _context(one, store, client, settings, seams)
            context.on_event, context.meter = both(meter.event, on_event), meter
            stack.push_async_callback(context.poller.close)
            found.append(AccountRuntime(one.name, one.account, context))
            if refusal is not None:
                context.stops.add(refusal, "", "")
                found[-1].silence.keep_for_good(refusal)
        guard = guard_of(workspace, seams, stack)
        # A ledger in a database outlives the machine that sent: nobody has to wait for what it may have forgotten.
        began = 0.0 if workspace.database else seams.clock()
        desks = AccountPool(found, workspace.places, guard, began)
        desks.share_room(settings)
        yield desks


async def _client_or_refusal(
    workspace: Workspace, seams: Dependencies, meter: Metrics, stack: AsyncExitStack, *, lonely: bool
) -> tuple[Client, CredentialsError | None]:
    try:
        return await stack.enter_async_context(client_of(workspace, seams, meter.request)), None
    except CredentialsError as error:
        if lonely:
            raise
        nobody = replace(workspace, credentials=_NOBODY, emulator_state=None)
        return await stack.enter_async_context(client_of(nobody, seams, meter.request)), error


def _context(workspace: Workspace, store: Store, client: Client, settings: Settings, seams: Dependencies) -> Context:
    durations = Durations(store.learned())
    shelf = workspace.shelf(client.base_url, seams.effects)
    images_over = workspace.publish.images_over if workspace.publish else settings.inline_bytes
    if workspace.limits:
        settings = replace(settings, limits={**settings.limits, **workspace.limits})
    return Context(
        client=client,
        store=store,
        outputs=workspace.outputs(seams.effects),
        slots=Slots(pools(settings, store.limits(), seams.clock()), others=store.slots_of_others),
        poller=Poller(
            client,
            durations,
            clock=time.monotonic,
            patience=settings.patience,
            pace=_PACE_WITH_CALLBACKS if settings.callback_listen else 1.0,
        ),
        durations=durations,
        settings=settings,
        clock=seams.clock,
        sleep=seams.sleep,
        out=workspace.out,
        name=workspace.name,
        emulated=workspace.emulated,
        pulse=Pulse(seams.elapsed),
        publisher=Publisher(shelf, min(images_over, settings.inline_bytes)) if shelf else None,
    )
