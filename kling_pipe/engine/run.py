"""The verbs of the engine. Each puts the parts together, works, and closes them."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kling_pipe.client import Client
from kling_pipe.effects import Effects
from kling_pipe.engine.adopt import adopt as adopt_task
from kling_pipe.engine.adopt import sync as sync_ledger
from kling_pipe.engine.around import Planner, looked_around
from kling_pipe.engine.callbacks import receiving
from kling_pipe.engine.context import Context
from kling_pipe.engine.durations import Durations
from kling_pipe.engine.events import OnEvent, both, ignore
from kling_pipe.engine.journal import LockJournal
from kling_pipe.engine.lookup import Findings
from kling_pipe.engine.meter import Meter
from kling_pipe.engine.poll import Poller
from kling_pipe.engine.publish import Publisher
from kling_pipe.engine.pools import pools
from kling_pipe.engine.pull import Pulled
from kling_pipe.engine.pull import pull as pull_files
from kling_pipe.engine.result import Result
from kling_pipe.engine.runner import LocalRunner
from kling_pipe.engine.settings import Settings
from kling_pipe.engine.slots import Slots
from kling_pipe.ledger import Store
from kling_pipe.model import Job, Plan, Record
from kling_pipe.plan import Snapshot
from kling_pipe.workspace import Workspace

_PACE_WITH_CALLBACKS = 10.0
"""Polling is a safety net when callbacks come in: so many times slower."""

Note = Callable[[Mapping[str, Any]], None]
Sleep = Callable[[float], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Seams:
    """What a test or a caller may replace: effects, clock (seconds since 1970), sleep, network, request log, meter."""

    effects: Effects | None = None
    clock: Callable[[], float] = time.time
    sleep: Sleep = asyncio.sleep
    transport: Any = None
    http: Any = None
    note: Note | None = None
    meter: Meter | None = None


async def refresh(
    jobs: Sequence[Job],
    workspace: Workspace,
    planner: Planner,
    *,
    everything: bool = False,
    snapshot: Snapshot | None = None,
    seams: Seams | None = None,
) -> Snapshot:
    """What is known here, completed by the account: see `looked_around`. Asks nothing when nothing is in doubt."""
    seams = seams or Seams()
    known = snapshot or workspace.snapshot()
    if not everything and not _in_doubt(planner(known)):
        return known
    async with _client(workspace, seams) as client:
        return await looked_around(jobs, known, planner, client, seams.clock, everything=everything)


async def run(
    plan: Plan,
    workspace: Workspace,
    *,
    settings: Settings | None = None,
    seams: Seams | None = None,
    on_event: OnEvent = ignore,
    stop: asyncio.Event | None = None,
    create: bool = True,
) -> Result:
    """Carry out a plan: submit, wait, save, write ledger and lock.

    `stop` ends the run early with all state saved. With `create=False` nothing is sent: what is under way is waited
    for, and what is made is fetched. Raises CredentialsError, LocalStateError and UsageError (callbacks cannot be
    listened for) when it cannot begin; what happens later is in the Result.
    """
    settings, seams = settings or Settings(), seams or Seams()
    store = workspace.store(seams.effects)
    try:
        meter = seams.meter or Meter()
        async with _client(workspace, seams, meter.request) as client:
            context = _context(workspace, store, client, settings, seams)
            context.on_event, context.meter = both(meter.event, on_event), meter
            runner = _runner(plan, workspace, store, context, seams)
            runner.create = create
            async with receiving(settings, context.poller.nudge):
                return await runner.run(stop or asyncio.Event())
    finally:
        store.close()


@contextlib.asynccontextmanager
async def at_work(
    workspace: Workspace, *, settings: Settings | None = None, seams: Seams | None = None, on_event: OnEvent = ignore
) -> AsyncIterator[Context]:
    """What `run_job` needs, for whoever brings the jobs one by one: a worker of a fleet. The caller beats the store."""
    seams = seams or Seams()
    store = workspace.store(seams.effects)
    try:
        meter = seams.meter or Meter()
        async with _client(workspace, seams, meter.request) as client:
            context = _context(workspace, store, client, settings or Settings(), seams)
            context.on_event, context.meter = both(meter.event, on_event), meter
            try:
                yield context
            finally:
                await context.poller.close()
    finally:
        store.close()


async def pull(
    workspace: Workspace,
    *,
    wanted: Callable[[str], bool] = lambda _: True,
    settings: Settings | None = None,
    seams: Seams | None = None,
) -> list[Pulled]:
    """Fetch every file that the lock records for this account and that is missing here; `wanted` chooses by address."""
    seams = seams or Seams()
    store = workspace.store(seams.effects)
    try:
        async with _client(workspace, seams) as client:
            context = _context(workspace, store, client, settings or Settings(), seams)
            return await pull_files(workspace.read_lock(), workspace, context, wanted=wanted)
    finally:
        store.close()


async def adopt(job: Job, task: str, workspace: Workspace, *, attempt: int = 1, seams: Seams | None = None) -> Record:
    """Bind a task, or an element by its id, to a job; the next run saves it. See `adopt.adopt` for the errors."""
    seams = seams or Seams()
    store = workspace.store(seams.effects)
    try:
        async with _client(workspace, seams) as client:
            return await adopt_task(job, task, client, store, seams.clock, attempt=attempt)
    finally:
        store.close()


async def sync(jobs: Sequence[Job], workspace: Workspace, *, seams: Seams | None = None) -> Findings:
    """Rebuild the ledger from the account; run with `create=False` afterwards writes files and lock."""
    seams = seams or Seams()
    store = workspace.store(seams.effects)
    try:
        async with _client(workspace, seams) as client:
            return await sync_ledger(jobs, client, store, seams.clock)
    finally:
        store.close()


def _in_doubt(plan: Plan) -> bool:
    """Whether the account could say more about a plan than what is known here."""
    return any(step.action in ("create", "retry", "lost", "blocked") for step in (*plan.steps, *plan.others))


@contextlib.asynccontextmanager
async def _client(workspace: Workspace, seams: Seams, note: Note = ignore) -> AsyncIterator[Client]:
    base_url, credentials = await asyncio.to_thread(workspace.connection)
    client = Client(
        base_url,
        credentials,
        transport=seams.transport,
        http=seams.http,
        clock=seams.clock,
        sleep=seams.sleep,
        effects=seams.effects,
        note=both(note, seams.note or ignore),
    )
    async with client:
        yield client


def _context(workspace: Workspace, store: Store, client: Client, settings: Settings, seams: Seams) -> Context:
    durations = Durations(store.learned())
    shelf = workspace.shelf(client.base_url, seams.effects)
    images_over = workspace.publish.images_over if workspace.publish else settings.inline_bytes
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
        emulated=workspace.emulated,
        publisher=Publisher(shelf, min(images_over, settings.inline_bytes)) if shelf else None,
    )


def _runner(plan: Plan, workspace: Workspace, store: Store, context: Context, seams: Seams) -> LocalRunner:
    jobs = {step.job.address: step.job for step in (*plan.steps, *plan.others)}
    file = workspace.lock_file(store, seams.effects)
    journal = LockJournal(file, store, jobs, workspace.profile, context.settings.drafts)
    runner = LocalRunner(plan, context, journal)
    context.upstream, context.draft = runner.upstream, journal.draft
    return runner


__all__ = ["Seams", "adopt", "at_work", "pull", "refresh", "run", "sync"]
