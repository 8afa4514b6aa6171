"""What a run asks the account before it plans: only what neither lock nor ledger can say."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from kling_pipe.catalog.operations import load_operation
from kling_pipe.client import Client
from kling_pipe.core.graph import ancestors
from kling_pipe.engine.lookup import Findings, lookup_everywhere
from kling_pipe.engine.pause_detection import elapsed
from kling_pipe.model import Job, Plan
from kling_pipe.planning import MultiAccount, Snapshot

Planner = Callable[[Snapshot], Plan]
Clients = Mapping[str, Client]


async def refresh_snapshot(
    jobs: Sequence[Job],
    snapshot: Snapshot,
    planner: Planner,
    clients: Clients,
    clock: Callable[[], float],
    *,
    everything: bool = False,
    elapsed: Callable[[], float] = elapsed,
) -> Snapshot:
    """The snapshot with the answers of the account, or of all accounts, by id in `clients`.

    Asked for: jobs that nobody here knows, results that are nowhere here, and elements that a job about to be created
    uses; with `everything` each job. Raises Unreachable and CredentialsError when there is one account.
    """
    began, given = elapsed(), snapshot
    asked = jobs if everything else _doubtful(jobs, planner(snapshot))
    snapshot = await _asked(asked, snapshot, clients, clock)
    if not everything:
        elements = _elements_in_use(jobs, planner(snapshot), snapshot)
        snapshot = await _asked(elements, snapshot, clients, clock)
    return snapshot if snapshot is given else replace(snapshot, looked_at=given.looked_at or began)


def _doubtful(jobs: Sequence[Job], plan: Plan) -> list[Job]:
    """Jobs that seem new, replaced or gone: the account may know better."""
    steps = {step.job.address: step for step in (*plan.steps, *plan.others)}
    wanted = []
    for job in jobs:
        step = steps[job.address]
        # What the account shows beats a failure that the ledger remembers.
        unmade = step.record is None or step.record.state == "failed"
        if step.action in ("create", "retry", "lost") or (step.action == "blocked" and unmade):
            wanted.append(job)
    known = {job.address for job in jobs}
    again = [step.job for step in plan.steps if step.action == "create" and step.job.address not in known]
    return [*wanted, *again]


def _elements_in_use(jobs: Sequence[Job], plan: Plan, snapshot: Snapshot) -> list[Job]:
    needs = {job.address: job.needs for job in jobs}
    new = [step.job.address for step in plan.steps if step.action in ("create", "retry")]
    used = ancestors(needs, new)
    steps = (*plan.steps, *plan.others)
    return [
        step.job
        for step in steps
        if step.job.address in used
        and step.action in ("reuse", "frozen")
        and step.record is not None
        and "id" in load_operation(step.job.operation).kling["result"]
        and step.job.identity not in snapshot.looked_up
    ]


async def _asked(jobs: Iterable[Job], snapshot: Snapshot, clients: Clients, clock: Callable[[], float]) -> Snapshot:
    wanted = list(jobs)
    if not wanted:
        return snapshot
    # As many attempts as anybody here knows of: a gap in the account must not end the walk early.
    found, silent = await lookup_everywhere(wanted, clients, clock, attempts=snapshot.highest_attempt)
    if isinstance(snapshot, MultiAccount):
        parts = [_with(part, found[part.account]) if part.account in found else part for part in snapshot.parts]
        return snapshot.asked(parts, silent)
    if silent:
        raise next(iter(silent.values()))
    return _with(snapshot, found[snapshot.account])


def _with(snapshot: Snapshot, found: Findings) -> Snapshot:
    return replace(
        snapshot,
        account_records={**snapshot.account_records, **found.records},
        looked_up=snapshot.looked_up | found.asked,
        deleted_elements=snapshot.deleted_elements | found.deleted_elements,
    )
