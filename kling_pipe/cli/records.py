"""Verbs about what was made: status, pull, adopt, sync."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

from kling_pipe.cli.campaign import Campaign, campaign_options, opened, seams
from kling_pipe.cli.error_handler import tell
from kling_pipe.cli.shared_options import json_option, place_options, store_option
from kling_pipe.cli.telemetry import traced
from kling_pipe.errors import UsageError

if TYPE_CHECKING:
    from kling_pipe.engine import Result, Settings
    from kling_pipe.engine.workspace import Workspace
    from kling_pipe.model import Job
    from kling_pipe.report.otel.watch import Watch


@click.command()
@campaign_options
@place_options
@json_option
def status(campaign: Campaign, as_json: bool) -> None:
    """Show each job: new, made, running or failed, its task, its file, and how long Kling still keeps it. Offline."""
    from kling_pipe import api
    from kling_pipe.manifest.selectors import chosen
    from kling_pipe.report.states import states_json, states_text

    manifest, workspace = opened(campaign)
    snapshot = workspace.snapshot()
    wanted = chosen(manifest.jobs, campaign.select, campaign.exclude, states=api.states_of(manifest, snapshot))
    jobs = [job for job in manifest.jobs if job.address in wanted]
    shown = states_json if as_json else states_text
    click.echo(shown(jobs, snapshot, manifest.jobs))


@click.command()
@campaign_options
@place_options
@click.option(
    "--expiring", default="", metavar="5d", help="Only what Kling keeps for no longer than so many days, unlocked too."
)
def pull(campaign: Campaign, expiring: str) -> None:
    """Fetch every file that the lock records and that is not here. Creates nothing: a teammate's first command."""
    import asyncio

    watch = traced("pull", campaign.manifest)
    if expiring:
        _save_expiring(campaign, _days(expiring), watch)
        return

    from kling_pipe.engine.commands import pull as fetch
    from kling_pipe.manifest.selectors import chosen

    manifest, workspace = opened(campaign)
    addresses = chosen(manifest.jobs, campaign.select, campaign.exclude)
    everything = not (campaign.select or campaign.exclude)
    pulled = asyncio.run(
        fetch(workspace, wanted=lambda address: everything or address in addresses, seams=seams(meter=watch))
    )
    for one in pulled:
        if one.state == "failed":
            click.echo(f"{click.style('failed', fg='red')} {one.path}: {one.message}", err=True)
        elif one.message:
            click.echo(f"{click.style('note', fg='yellow')} {one.path}: {one.message}", err=True)
    counts = {state: sum(1 for one in pulled if one.state == state) for state in ("fetched", "there", "failed")}
    if watch:
        watch.told({f"kling_pipe.pull.{state}": count for state, count in counts.items()}, counts["failed"])
    click.echo(f"{counts['fetched']} fetched, {counts['there']} here already, {counts['failed']} failed")
    click.get_current_context().exit(1 if counts["failed"] else 0)


def _days(text: str) -> float:
    try:
        days = float(text.removesuffix("d"))
    except ValueError:
        days = -1.0
    if not 0 <= days < float("inf"):
        raise UsageError(f"`--expiring {text}` is no number of days", hint="Write 5d.")
    return days


def _save_expiring(campaign: Campaign, days: float, watch: Watch | None) -> None:
    """What is made and not saved here, whoever knows of it, and will soon be gone."""
    from kling_pipe import api
    from kling_pipe.report.states import days_left

    manifest, workspace = opened(campaign)
    plan = api.plan(manifest, workspace, refresh=False, select=campaign.select, exclude=campaign.exclude)
    now = workspace.snapshot().now
    left = {step.job.address: days_left(step.record, now) for step in plan.steps if step.record is not None}
    known = {address: days for address, days in left.items() if days is not None}
    soon = [
        step
        for step in plan.steps
        if step.action in ("download", "resume") and known.get(step.job.address, days + 1) <= days
    ]
    result = _carried_out(_only(plan, soon), workspace, watch)
    for one in result.outcomes:
        if one.ending == "failed":
            click.echo(f"{click.style('failed', fg='red')} {one.address}: {one.message}", err=True)
    click.echo(f"{result.made + result.reused} saved, {result.failed} failed, {result.waiting} under way")
    click.get_current_context().exit(result.exit_code)


@click.command()
@click.argument("address", default="")
@click.argument("task", default="")
@campaign_options
@store_option
def adopt(campaign: Campaign, address: str, task: str) -> None:
    """Bind the job at ADDRESS to TASK, which exists already: a task id, an external task id, or an element's id.

    Without TASK: to the result that the lock has of it under another access key; without ADDRESS all of those.
    """
    import asyncio

    from kling_pipe.core.text import nearest
    from kling_pipe.engine.commands import adopt as bind

    watch = traced("adopt", campaign.manifest)
    manifest, workspace = opened(campaign, unrecorded=[])
    jobs = {job.address: job for job in manifest.jobs}
    if address and address not in jobs:
        near = nearest(address, jobs)
        raise UsageError(
            f"there is no job `{address}`",
            hint=f"did you mean `{near}`?" if near else "`kling-pipe status` lists them.",
        )
    if not task:
        _take_over([jobs[address]] if address else manifest.jobs, campaign, workspace)
        return
    record = asyncio.run(bind(jobs[address], task, workspace, seams=seams(note=watch and watch.asked)))
    if watch:
        from kling_pipe.report.otel.attribute_names import job_facts, record_facts

        watch.told({**job_facts(jobs[address]), **record_facts(record)})
    click.echo(f"{address} is bound to {record.task_id or task}, which is `{record.state}`; `kling-pipe run` saves it")


def _take_over(jobs: Iterable[Job], campaign: Campaign, workspace: Workspace) -> None:
    from kling_pipe.engine.adopt import adopt_recorded
    from kling_pipe.manifest.selectors import chosen

    jobs = list(jobs)
    wanted = chosen(jobs, campaign.select, campaign.exclude)
    snapshot, store = workspace.snapshot(), workspace.store()
    try:
        mine = [job for job in jobs if job.address in wanted]
        found = adopt_recorded(mine, snapshot, workspace.lock_file(store))
    finally:
        store.close()
    if not found:
        raise UsageError(
            "the lock has no result of another access key to take over",
            hint="Name the task: kling-pipe adopt ADDRESS TASK. `kling-pipe plan` says what a run would do.",
        )
    for record in found:
        told = f"{record.address} is bound to {record.task_id or 'its result'}, made under another access key"
        click.echo(f"{told}; `kling-pipe run` goes on")


@click.command()
@campaign_options
@place_options
def sync(campaign: Campaign) -> None:
    """Rebuild ledger and lock from the account and fetch the files. Creates nothing."""
    import asyncio

    from kling_pipe import api
    from kling_pipe.engine import Settings
    from kling_pipe.engine.commands import sync as rebuild

    unrecorded: list[str] = []
    watch = traced("sync", campaign.manifest)
    manifest, workspace = opened(campaign, unrecorded=unrecorded)
    found = asyncio.run(rebuild(manifest.jobs, workspace, seams=seams(note=watch and watch.asked)))
    plan = api.plan(manifest, workspace, refresh=False, select=campaign.select, exclude=campaign.exclude)
    known: Any = sum(len(records) for one in found.values() for records in one.records.values())
    settings = Settings(provenance=campaign.settings.get("provenance", True))
    made = _carried_out(_made_only(plan), workspace, watch, settings)
    if watch:
        watch.told({"kling_pipe.sync.found": known})
    click.echo(
        f"{known} tasks found for {len(manifest.jobs)} jobs; {made.reused + made.made} in the lock, "
        f"{made.failed} failed"
    )
    if made.error:
        click.get_current_context().exit(made.error.exit_code)
    ended = {one.address for one in made.outcomes if one.ending in ("made", "reused")}
    wanted = {step.job.address for step in plan.steps}
    lost = [address for address in unrecorded if address in wanted - ended]
    for address in lost:
        tell(
            f"`{address}` is frozen, and the account has no result of what it asks for now",
            "bring kling-pipe.lock back from version control, or name its task and sync again: "
            f"`kling-pipe adopt {address} TASK_ID`",
        )
    click.get_current_context().exit(1 if lost else 0)


def _carried_out(plan: Any, workspace: Workspace, watch: Watch | None, settings: Settings | None = None) -> Result:
    """What is there already, fetched and written down; nothing is created."""
    from kling_pipe import api

    if watch:
        watch.expect(plan)
    result = api.run(plan, workspace, create=False, signals=True, settings=settings, seams=seams(meter=watch))
    if watch:
        from kling_pipe.report.result_text import result_form

        watch.last(result.outcomes, result_form(result))
    return result


def _made_only(plan: Any) -> Any:
    """The part of a plan that exists already; the rest stays in sight as inputs."""
    return _only(plan, [step for step in plan.steps if step.action in ("reuse", "download", "frozen")])


def _only(plan: Any, steps: Iterable[Any]) -> Any:
    from dataclasses import replace

    made = tuple(steps)
    rest = tuple(step for step in plan.steps if step not in made)
    return replace(plan, steps=made, others=(*plan.others, *rest))
