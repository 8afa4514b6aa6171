"""A worker: takes steps of its account from the queue until it is told to stop, whatever becomes of the database."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from datetime import timedelta
from typing import Any

from kling_pipe.engine import Dependencies, Settings
from kling_pipe.engine.account_pool import AccountPool
from kling_pipe.engine.cleanup import sweep_leftovers
from kling_pipe.engine.commands import at_work
from kling_pipe.engine.events import OnEvent, ignore
from kling_pipe.engine.fleet import queue_store
from kling_pipe.engine.fleet.step_runner import WorkerState
from kling_pipe.engine.workspace import Workspace
from kling_pipe.errors import CredentialsError, KlingPipeError
from kling_pipe.storage.effects import Effects
from kling_pipe.storage.ledger.claims import BEAT
from kling_pipe.storage.ledger.pg_connection import PgConnection

_AGAIN = timedelta(seconds=2)
_AGAIN_REFUSED = timedelta(seconds=60)
_PAUSE = 1.0
"""Seconds before the database is called again."""


async def work(
    workspace: Workspace,
    stop: asyncio.Event,
    *,
    concurrency: int = 50,
    heartbeat: float = 30.0,
    drain: bool = False,
    seams: Dependencies | None = None,
    on_event: OnEvent = ignore,
) -> None:
    """Work until `stop` is set, and then end what is in hand; with `drain` until the queue is empty.

    Steps of a worker that gave no sign of life for `heartbeat` seconds are taken over. Raises CredentialsError, and
    LocalStateError when the database is not there at the start.
    """
    logging.getLogger("pgqueuer").setLevel(logging.CRITICAL)  # what it tells is told here, without tracebacks
    await asyncio.to_thread(sweep_leftovers, workspace)
    session = PgConnection(workspace.database, Effects())
    try:
        queue_store.install(session)
        limits: dict[str, int] = {}
        settings = Settings(limits=limits)
        async with at_work(workspace, settings=settings, seams=seams, on_event=on_event) as desks:
            bench = WorkerState(workspace, desks, session, limits)
            async with _beating(desks), _ended_with(stop, desks.end_waits):
                while await _shift(bench, stop, concurrency, heartbeat, drain=drain):
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(stop.wait(), _PAUSE)
                await asyncio.gather(*bench.running.values(), return_exceptions=True)
    finally:
        session.close()


async def _shift(bench: WorkerState, stop: asyncio.Event, concurrency: int, heartbeat: float, *, drain: bool) -> bool:
    """As long as one connection holds. Returns whether another one is needed: the queue ends with its connection."""
    import psycopg
    from pgqueuer.domain.types import QueueExecutionMode
    from pgqueuer.errors import PgqException

    mode = QueueExecutionMode.drain if drain else QueueExecutionMode.continuous
    ended = False
    try:
        async with _queue(bench, stop) as (queue, lost):
            stopping = asyncio.create_task(_pass_on(stop, queue.shutdown))
            losing = asyncio.create_task(_notice(queue.shutdown, stop, lost, drain=drain))
            try:
                await queue.qm.run(
                    dequeue_timeout=timedelta(seconds=2),
                    batch_size=max(1, min(concurrency // 2, 25)),
                    max_concurrent_tasks=max(2, concurrency),
                    mode=mode,
                    shutdown_on_listener_failure=True,
                    heartbeat_timeout=timedelta(seconds=heartbeat),
                )
                ended = drain
            finally:
                stopping.cancel()
                losing.cancel()
    except (psycopg.Error, PgqException, OSError, RuntimeError, TimeoutError):
        return not stop.is_set()
    return not (ended or stop.is_set())


@contextlib.asynccontextmanager
async def _queue(bench: WorkerState, stop: asyncio.Event) -> AsyncIterator[Any]:
    """A queue on connections of its own, with the one entry that this worker serves; and what tells of their end.

    A queue waits for its handlers, and they would wait for films: when its connections are lost they let go at once.
    The step itself goes on here; whoever gets it from the queue later finds it done, or follows.
    """
    from pgqueuer import PgQueuer, RetryRequested

    from kling_pipe.engine.fleet.queue_driver import connected

    async with connected(bench.workspace.database) as driver:
        queue = PgQueuer(driver)

        async def handle(job: Any) -> None:
            campaign, address = json.loads(job.payload)
            try:
                if not await _unless(driver.lost, bench.work(campaign, address)):
                    raise RetryRequested(_AGAIN, "the connection was lost")
            except CredentialsError as error:  # no balance, no right: somebody has to act
                bench.complain(address, error)
                raise RetryRequested(_AGAIN_REFUSED, error.message) from error
            except KlingPipeError as error:
                if not stop.is_set():  # one that ends lets go of all that it has not sent, which is no news
                    bench.complain(address, error)
                raise RetryRequested(_AGAIN, error.message) from error

        # A bug must not lose a step: it is held, and can be queued again.
        queue.entrypoint(queue_store.entrypoint(bench.workspace.queue), on_failure="hold", accepts_context=False)(
            handle
        )
        yield queue, driver.lost


async def _unless(lost: asyncio.Event, work: Coroutine[Any, Any, None]) -> bool:
    """Wait for the work, but no longer than until the event. Returns whether the work is done; raises what it does."""
    working, losing = asyncio.create_task(work), asyncio.create_task(lost.wait())
    try:
        await asyncio.wait({working, losing}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            await working
        return working.done()
    finally:
        working.cancel()
        losing.cancel()


async def _notice(shutdown: asyncio.Event, stop: asyncio.Event, lost: asyncio.Event, *, drain: bool) -> None:
    """A queue that shuts down and was not told to has lost its listener."""
    await shutdown.wait()
    if not (stop.is_set() or drain):
        lost.set()


async def _pass_on(stop: asyncio.Event, shutdown: asyncio.Event) -> None:
    await stop.wait()
    shutdown.set()


@contextlib.asynccontextmanager
async def _ended_with(stop: asyncio.Event, end: Callable[[], None]) -> AsyncIterator[None]:
    """While inside, a stop is the end of all that only waits: what is at Kling goes on, the rest is for others."""

    async def told() -> None:
        await stop.wait()
        end()

    telling = asyncio.create_task(told())
    try:
        yield
    finally:
        telling.cancel()


@contextlib.asynccontextmanager
async def _beating(desks: AccountPool) -> AsyncIterator[None]:
    """Signs of life for the claims, and what was learned, as long as the block lasts."""

    async def beat() -> None:
        while True:
            await asyncio.sleep(BEAT)
            with contextlib.suppress(KlingPipeError):  # the next one will do
                await asyncio.to_thread(desks.beat)
                desks.keep_lessons()

    beating = asyncio.create_task(beat())
    try:
        yield
    finally:
        beating.cancel()
