"""The verbs of the engine. Each puts the parts together, works, and closes them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from kling_pipe.engine.account_pool import AccountPool
from kling_pipe.engine.bootstrap import Dependencies, clients_of, desks_of, stores_of
from kling_pipe.engine.callback_listener import receiving
from kling_pipe.engine.events import OnEvent, ignore
from kling_pipe.engine.known_tasks import keep_known_tasks
from kling_pipe.engine.local_runner import LocalRunner
from kling_pipe.engine.lock_writer import LockJournal
from kling_pipe.engine.result import Result
from kling_pipe.engine.run_budget import RunBudget, spending_of
from kling_pipe.engine.settings import Settings
from kling_pipe.engine.workspace import Workspace
from kling_pipe.model import Job, Plan, Record
from kling_pipe.planning import MultiAccount, Snapshot

if TYPE_CHECKING:
    from kling_pipe.engine.lookup import Findings
    from kling_pipe.engine.pull import PullResult
    from kling_pipe.engine.refresh import Planner


async def refresh(
    jobs: Sequence[Job],
    workspace: Workspace,
    planner: Planner,
    *,
    everything: bool = False,
    snapshot: Snapshot | None = None,
    seams: Dependencies | None = None,
) -> Snapshot:
    """What is known here, completed by the account: see `refresh_snapshot`. Asks nothing when nothing is in doubt."""
    seams = seams or Dependencies()
    known = snapshot or workspace.snapshot()
    if not everything and not _in_doubt(planner(known)):
        return known
    from kling_pipe.engine.refresh import refresh_snapshot

    async with clients_of(workspace, seams) as (clients, silent):
        if isinstance(known, MultiAccount):
            known = known.asked(known.parts, silent)
        clocks = {"clock": seams.clock, "elapsed": seams.elapsed}
        found = await refresh_snapshot(jobs, known, planner, clients, everything=everything, **clocks)
    if isinstance(found, MultiAccount) and len(found.silent) == len(found.parts):
        raise next(iter(found.silent.values()))
    return found


async def run(
    plan: Plan,
    workspace: Workspace,
    *,
    settings: Settings | None = None,
    seams: Dependencies | None = None,
    on_event: OnEvent = ignore,
    stop: asyncio.Event | None = None,
    create: bool = True,
) -> Result:
    """Carry out a plan: submit, wait, save, write ledger and lock.

    `stop` ends the run early with all state saved. With `create=False` nothing is sent: what is under way is waited
    for, and what is made is fetched. Raises CredentialsError, LocalStateError and UsageError (callbacks cannot be
    listened for) when it cannot begin; what happens later is in the Result.
    """
    settings, seams = settings or Settings(), seams or Dependencies()
    async with desks_of(workspace, settings, seams, on_event) as desks:
        spending = spending_of(plan, desks.first.context.store, settings) if create else RunBudget()
        if create and any(step.pays for step in plan.steps):
            from kling_pipe.engine.pack_balances import look_into_packs

            await look_into_packs(desks)
        for record in keep_known_tasks(plan, lambda account: desks.at(account).context.store):
            desks.at(record.account).context.met.add(record.external_task_id)
        runner = _runner(plan, workspace, desks, seams, spending)
        runner.create = create
        async with receiving(settings, desks.nudge):
            return await runner.run(stop or asyncio.Event())


@contextlib.asynccontextmanager
async def at_work(
    workspace: Workspace,
    *,
    settings: Settings | None = None,
    seams: Dependencies | None = None,
    on_event: OnEvent = ignore,
) -> AsyncIterator[AccountPool]:
    """What `run_job` needs, for whoever brings the jobs one by one: a worker of a fleet. The caller beats them."""
    from kling_pipe.engine.pack_balances import look_into_packs

    async with desks_of(workspace, settings or Settings(), seams or Dependencies(), on_event) as desks:
        await look_into_packs(desks)
        yield desks


async def pull(
    workspace: Workspace,
    *,
    wanted: Callable[[str], bool] = lambda _: True,
    settings: Settings | None = None,
    seams: Dependencies | None = None,
) -> list[PullResult]:
    """Fetch every file that the lock records for these accounts and that is missing here; `wanted` by address."""
    from kling_pipe.engine.pull import pull as pull_files

    lock = workspace.read_lock()  # first: one that is refused changes nothing
    async with desks_of(workspace, settings or Settings(), seams or Dependencies()) as desks:
        found = [
            await pull_files(lock, one, desk.context, wanted=wanted)
            for one, desk in zip(workspace.each, desks.all, strict=True)
        ]
    return [pulled for some in found for pulled in some]


async def adopt(
    job: Job, task: str, workspace: Workspace, *, attempt: int = 1, seams: Dependencies | None = None
) -> Record:
    """Bind a task, or an element by its id, to a job; the next run saves it. See `adopt.adopt` for the errors.

    Of several accounts the first one that knows it.
    """
    from kling_pipe.engine.adopt import adopt as adopt_task
    from kling_pipe.engine.bootstrap import guard_of

    seams = seams or Dependencies()
    async with AsyncExitStack() as stack:
        clients, _ = await stack.enter_async_context(clients_of(workspace, seams))
        stores = {store.account: store for store in stores_of(workspace, seams, stack)}
        guard = guard_of(workspace, seams, stack)
        return await adopt_task(job, task, clients, stores, seams.clock, attempt=attempt, guard=guard)


async def sync(jobs: Sequence[Job], workspace: Workspace, *, seams: Dependencies | None = None) -> dict[str, Findings]:
    """Rebuild the ledger from the accounts; run with `create=False` afterwards writes files and lock. By account."""
    from kling_pipe.engine.adopt import sync as sync_ledger

    seams = seams or Dependencies()
    async with AsyncExitStack() as stack:
        clients, silent = await stack.enter_async_context(clients_of(workspace, seams))
        if silent:
            raise next(iter(silent.values()))
        return await sync_ledger(jobs, clients, stores_of(workspace, seams, stack), seams.clock)


def _in_doubt(plan: Plan) -> bool:
    """Whether the account could say more about a plan than what is known here."""
    return any(step.action in ("create", "retry", "lost", "blocked") for step in (*plan.steps, *plan.others))


def _runner(
    plan: Plan, workspace: Workspace, desks: AccountPool, seams: Dependencies, spending: RunBudget
) -> LocalRunner:
    jobs = {step.job.address: step.job for step in (*plan.steps, *plan.others)}
    stores = [desk.context.store for desk in desks.all]
    file = workspace.lock_file(stores[0], seams.effects)
    journal = LockJournal(file, stores, jobs, workspace.profile, desks.first.context.settings.drafts)
    runner = LocalRunner(plan, desks, journal, spending=spending)
    desks.upstream = runner.upstream
    for desk in desks.all:
        desk.context.upstream, desk.context.draft = runner.upstream, journal.draft
        desk.context.spending = spending
    return runner


__all__ = ["Dependencies", "adopt", "at_work", "pull", "refresh", "run", "sync"]
