"""The verbs of a fleet: worker, cancel."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from kling_pipe.cli.account_options import accounts_in
from kling_pipe.cli.campaign import Campaign, campaign_options, opened
from kling_pipe.cli.config_file import settings_for
from kling_pipe.cli.shared_options import (
    accounts_option,
    environment,
    place_options,
    standard_of,
    standard_option,
    store_of_verb,
)
from kling_pipe.cli.telemetry import telemetry
from kling_pipe.errors import UsageError

if TYPE_CHECKING:
    from kling_pipe.engine.workspace import Workspace
    from kling_pipe.manifest import Manifest
    from kling_pipe.model import Plan


@click.command()
@store_of_verb("The PostgreSQL that holds queue and ledger.")
@click.option("--concurrency", type=click.IntRange(2), default=50, show_default=True, help="Steps in hand at once.")
@click.option("--drain", is_flag=True, help="End when the queue is empty, instead of waiting for more.")
@click.option(
    "--takeover",
    type=click.FloatRange(1),
    default=30.0,
    show_default=True,
    metavar="SECONDS",
    help="Steps of a worker that was silent for so long are taken over; the same for all workers.",
)
@click.option("--env-file", type=click.Path(path_type=Path, dir_okay=False), help="Read credentials from this file.")
@accounts_option
@standard_option
def worker(
    database: str,
    concurrency: int,
    drain: bool,
    takeover: float,
    env_file: Path | None,
    accounts: tuple[str, ...],
    standard: str,
) -> None:
    """Carry out what `run --store ... --detach` put into the queue, on any number of machines.

    Takes the steps of the account whose credentials it has, or of all that kling-pipe.toml here names. Keeps files in
    this folder, or in the bucket that the campaign names. SIGTERM ends it after what it has in hand; what a killed one
    had in hand is taken over by others.
    """
    import asyncio
    import functools

    from kling_pipe.engine.fleet.worker import work
    from kling_pipe.engine.workspace import open_workspace

    if not database:
        raise UsageError("a worker needs a store", hint="Name it: --store postgresql://..., or KLING_PIPE_STORE.")
    named = accounts_in(Path.cwd(), accounts)
    workspace = open_workspace(Path.cwd(), environ=environment(env_file), **named).shared_in(database)
    workspace.must_be_whole()
    workspace = workspace.spoken_in(standard_of(standard, settings_for(Path.cwd())))

    async def until_stopped() -> None:
        from kling_pipe.engine import Dependencies
        from kling_pipe.engine.signals import stop_on_signals

        stop = asyncio.Event()
        with stop_on_signals(stop), telemetry("", {}) as watch:
            seams = Dependencies(meter=watch)
            once = functools.partial(work, concurrency=concurrency, heartbeat=takeover, drain=drain)
            await once(workspace, stop, seams=seams, on_event=_say)

    click.echo(f"worker {os.getpid()}: waiting for steps", err=True)
    asyncio.run(until_stopped())
    click.echo(f"worker {os.getpid()}: ended, with nothing in hand", err=True)


@click.command()
@campaign_options
@place_options
def cancel(campaign: Campaign) -> None:
    """Take back what is queued and not sent yet, with all that needs it. What Kling has goes on, and is billed."""
    from kling_pipe.engine.fleet.enqueue import take_back
    from kling_pipe.manifest.selectors import chosen

    manifest, workspace = opened(campaign)
    if not workspace.database:
        raise UsageError("only a queue can be cancelled", hint="Name its store: --store postgresql://...")
    narrowed = bool(campaign.select or campaign.exclude)
    addresses = chosen(manifest.jobs, campaign.select, campaign.exclude) if narrowed else None
    taken = take_back(addresses, manifest.project, workspace)
    count = "1 step is" if len(taken) == 1 else f"{len(taken)} steps are"
    click.echo("\n".join([*taken, f"{count} cancelled"]))


def hand_over(plan: Plan, workspace: Workspace, limits: Mapping[str, int], **more: Any) -> NoReturn:
    """Put a plan into the queue, and end: with 75 when there is something to wait for. `more` is as for `enqueue`."""
    from kling_pipe.engine.fleet.enqueue import enqueue

    _, count = enqueue(plan, workspace, limits, **more)
    click.echo(f"{count} steps are in the queue; `kling-pipe worker` carries them out, on any machine")
    click.get_current_context().exit(75 if count else 0)


def await_workers(campaign: Campaign, manifest: Manifest, workspace: Workspace, timeout: float | None) -> None:
    """Wait until the queue has nothing more of a campaign, or of what was selected of it."""
    from kling_pipe.engine.fleet.wait import wait_until_done
    from kling_pipe.manifest.selectors import chosen

    narrowed = bool(campaign.select or campaign.exclude)
    addresses = chosen(manifest.jobs, campaign.select, campaign.exclude) if narrowed else None

    def told(left: int) -> None:
        steps = "1 step is" if left == 1 else f"{left} steps are"
        click.echo(f"{steps} with the workers", err=True)

    wait_until_done(workspace, manifest.project, addresses, timeout=timeout, told=told)


def _say(event: Any) -> None:
    """One line for what ends or goes wrong; the rest is in the ledger."""
    if event.type in ("saved", "failed", "retrying") or (event.type == "waiting" and "reason" in event.data):
        click.echo(
            f"{event.type:9} {event.address} {event.data.get('message') or event.data.get('reason', '')}".rstrip(),
            err=True,
        )
