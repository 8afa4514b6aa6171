"""Verbs that make things and wait: run, retry, wait."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from kling_pipe.cli.campaign import Campaign, amounts, campaign_options, opened, seams
from kling_pipe.cli.confirm import ask, wants_anew
from kling_pipe.cli.fleet import await_workers, hand_over
from kling_pipe.cli.logfile import Log, log_file
from kling_pipe.cli.prices import price_option, prices_of
from kling_pipe.cli.run_summary import command, say_rest, say_where
from kling_pipe.cli.saved_plan import as_reviewed, reviewed
from kling_pipe.cli.shared_options import new_account_option, place_options, probe_option
from kling_pipe.cli.telemetry import traced
from kling_pipe.errors import BudgetExceeded, UsageError

if TYPE_CHECKING:
    from kling_pipe.engine import Result, Settings
    from kling_pipe.engine.workspace import Workspace
    from kling_pipe.manifest import Manifest
    from kling_pipe.model import Plan
    from kling_pipe.report.progress import Kind

F = TypeVar("F", bound=Callable[..., Any])


def working_options(command: F) -> F:
    """Flags of every verb that waits for tasks."""
    for option in reversed(
        (
            place_options,
            click.option(
                "-j", "--jobs", type=click.IntRange(1), envvar="KLING_PIPE_JOBS", help="At most so many jobs at once."
            ),
            click.option(
                "-k",
                "--keep-going/--fail-fast",
                default=True,
                help="After a failure go on with all that does not need it (default).",
            ),
            click.option(
                "--timeout", default="", metavar="50m", help="Stop waiting after this time; the tasks go on (exit 75)."
            ),
            click.option("--json", "as_json", is_flag=True, help="One event a line on stdout, the summary last."),
            click.option(
                "--json-into",
                type=click.Path(path_type=Path, dir_okay=False),
                help="Write these lines into a file as well.",
            ),
            click.option(
                "--progress",
                type=click.Choice(["auto", "tty", "plain", "json", "quiet"]),
                envvar="KLING_PIPE_PROGRESS",
                help="How progress is shown: auto is a live view on a terminal, lines elsewhere.",
            ),
            click.option(
                "--junit-into",
                type=click.Path(path_type=Path, dir_okay=False),
                help="Write a JUnit report: one case a job.",
            ),
            click.option(
                "--log-file",
                type=click.Path(path_type=Path, dir_okay=False),
                envvar="KLING_PIPE_LOG_FILE",
                help="Append every request and event to this file, as JSON lines.",
            ),
            click.option(
                "--provenance/--no-provenance",
                default=None,
                help="Write the task's ids into new PNG and MP4 files (default).",
            ),
            click.option("-q", "--quiet", is_flag=True, help="No progress, only the last line."),
            click.option("-v", "--verbose", is_flag=True, help="Tell every request on stderr as well."),
        )
    ):
        command = option(command)
    return command


def spending_options(command: F) -> F:
    """Flags of every verb that may send something that costs."""
    for option in reversed(
        (
            new_account_option,
            click.option(
                "--budget",
                multiple=True,
                metavar="usd=20",
                help="Replace an amount of the manifest's budget: usd, video, image.",
            ),
            click.option("--allow-unknown-cost", is_flag=True, help="Go on although a price is not known."),
            price_option,
            click.option("--detach", is_flag=True, help="Submit what is possible and return (exit 75)."),
            click.option("-y", "--yes", is_flag=True, help="Do not ask."),
            click.option(
                "--callback-url",
                default="",
                metavar="URL",
                help="Have Kling call this URL when a task changes; one that leads to this machine is listened at.",
            ),
            click.option(
                "--callback-listen",
                default="",
                metavar="HOST:PORT",
                help="Where callbacks arrive here, behind a tunnel; KLING_CALLBACK_SECRET checks their signature.",
            ),
        )
    ):
        command = option(command)
    return command


@click.command()
@campaign_options
@working_options
@spending_options
@probe_option
@click.option("--replace", multiple=True, metavar="ADDRESS", help="Make this again, as a new attempt, on purpose.")
def run(campaign: Campaign, replace: tuple[str, ...], **flags: Any) -> None:
    """Make what is missing, wait, and save the files. Nothing is made or paid twice, however often it is called.

    MANIFEST may be a plan that `plan --out` saved: then exactly what was reviewed runs, or nothing.
    """
    make(campaign, flags, replace=replace)


@click.command()
@campaign_options
@working_options
@spending_options
@click.argument("addresses", nargs=-1)
def retry(campaign: Campaign, addresses: tuple[str, ...], **flags: Any) -> None:
    """Try failed jobs again, as new attempts: those at ADDRESSES, or all that failed; then what waited for them."""
    from dataclasses import replace as replace_fields

    from kling_pipe.cli.shared_options import DEFAULT_MANIFEST
    from kling_pipe.manifest.references import looks_like_reference

    if looks_like_reference(str(campaign.manifest)):  # `retry video.teaser`: the manifest is the usual one
        addresses = (str(campaign.manifest), *addresses)
        campaign = replace_fields(campaign, manifest=Path(DEFAULT_MANIFEST))
    again = addresses or ("state:failed",)
    if not campaign.select:  # what was never tried is not what `retry` was asked for
        campaign = replace_fields(campaign, select=tuple(f"{one}+" for one in again))
    make(campaign, flags, retry=again)


@click.command()
@campaign_options
@working_options
def wait(campaign: Campaign, **flags: Any) -> None:
    """Wait for tasks that are under way and save their files; create nothing.

    With --store, wait also until workers have done what is in the queue.
    """
    from kling_pipe import api
    from kling_pipe.model import Plan

    _settle(flags, campaign)
    manifest, workspace = opened(campaign)
    if workspace.database:
        await_workers(campaign, manifest, workspace, flags["timeout"])
    found = api.plan(manifest, workspace, refresh=False, select=campaign.select, exclude=campaign.exclude)
    flags["create"] = False
    under_way = tuple(step for step in found.steps if step.action == "resume" and step.record and step.record.task_id)
    rest = tuple(step for step in found.steps if step not in under_way)
    if not under_way:
        click.echo("nothing is under way", err=True)
    elsewhere = sum(1 for step in rest if step.action == "download")
    if elsewhere:
        count = "1 job is" if elsewhere == 1 else f"{elsewhere} jobs are"
        click.echo(f"{count} made and not fetched here: `{command(campaign, 'run')}` fetches the files", err=True)
    unmade = sum(1 for step in rest if step.action not in ("reuse", "frozen", "download"))
    if unmade:
        count = "1 other job is" if unmade == 1 else f"{unmade} other jobs are"
        click.echo(f"{count} not made yet: `{command(campaign, 'run')}` makes what is missing", err=True)
    within = Plan(found.project, under_way, found.warnings, (*found.others, *rest))
    _carry_out(within, manifest, workspace, campaign, flags)


def make(
    campaign: Campaign, flags: dict[str, Any], *, replace: tuple[str, ...] = (), retry: tuple[str, ...] = ()
) -> None:
    """Plan, pass the gate, ask, and carry out. `flags` are those of `working_options` and `spending_options`."""
    from kling_pipe import api

    flags["since"] = time.time()  # runs that end while this one plans, or asks, overlap with it
    limits = amounts(flags["budget"])
    flags["price"] = prices_of(campaign, flags["price"])
    _settle(flags, campaign)
    saved = reviewed(campaign)
    probe = flags.get("probe", False)
    if saved is not None:
        campaign, _, replace = saved
        probe |= bool(saved[1].asked.get("probe"))
    manifest, workspace = opened(campaign, probe=probe)
    planned = partial(
        api.plan,
        manifest,
        workspace,
        replace=replace,
        retry=retry,
        select=campaign.select,
        exclude=campaign.exclude,
        prices=flags["price"],
        seams=seams(note=_on_request(flags)),
    )
    again = saved is not None and bool(saved[1].asked.get("new_account"))
    found = planned(new_account=flags["new_account"] or again)
    if saved is None and wants_anew(found, flags):
        found = planned(new_account=True)
    if saved is not None:
        found = as_reviewed(saved[1], found, workspace)
    if retry and not any(step.action == "retry" for step in found.steps):
        click.echo("nothing failed here that could be tried again", err=True)
    _tell_problems([*manifest.problems, *found.warnings], campaign)
    _gate(api.over_budget(found, manifest, limits, allow_unknown=flags["allow_unknown_cost"]))
    ask(found, workspace, flags)
    if workspace.database and flags["detach"]:
        hand_over(
            found,
            workspace,
            manifest.limits,
            budget={**manifest.budget, **limits},
            allow_unknown=flags["allow_unknown_cost"],
            origin=flags["watch"].origin if flags["watch"] else "",
        )
    _carry_out(found, manifest, workspace, campaign, flags)


def _settle(flags: dict[str, Any], campaign: Campaign) -> None:
    """What no flag said comes from the settings files, then from the tool."""
    settings = campaign.settings
    flags["jobs"] = flags["jobs"] or settings.get("jobs")
    flags["progress"] = flags["progress"] or settings.get("progress") or "auto"
    if flags["provenance"] is None:
        flags["provenance"] = settings.get("provenance", True)
    flags["timeout"] = seconds(flags["timeout"] or settings.get("timeout", ""))
    context = click.get_current_context()
    flags["log"] = context.with_resource(log_file(flags["log_file"], aloud=flags["verbose"]))
    flags["watch"] = traced("run", campaign.manifest)


def _on_request(flags: dict[str, Any]) -> Callable[[Mapping[str, Any]], None]:
    """Who is told of the requests before a run; those of the run itself its meter counts."""
    from kling_pipe.engine.events import both

    log: Log = flags["log"]
    return both(flags["watch"].asked, log.on_request) if flags["watch"] else log.on_request


def _tell_problems(problems: list[Any], campaign: Campaign) -> None:
    warnings = sum(1 for one in problems if one.level == "warn")
    if warnings:
        shows = command(campaign, "validate", account=False)
        click.echo(f"{warnings} warning{'s' if warnings > 1 else ''}; `{shows}` shows them", err=True)


def _gate(problems: list[Any]) -> None:
    from kling_pipe.report.problem_text import problems_text

    if problems:
        click.echo(problems_text(problems), err=True)
        raise BudgetExceeded(
            "over budget; nothing was sent",
            hint="`kling-pipe plan` shows what costs how much; --budget usd=N replaces an amount.",
        )


def _carry_out(
    found: Plan, manifest: Manifest, workspace: Workspace, campaign: Campaign, flags: dict[str, Any]
) -> None:
    from kling_pipe import api
    from kling_pipe.cli.progress_output import listeners
    from kling_pipe.engine.events import both
    from kling_pipe.engine.forecast import lessons
    from kling_pipe.report.result_text import accounts_text, charges_text, failures_text, result_form, summary_text

    kind: Kind = "quiet" if flags["quiet"] else flags["progress"]
    budget = {**manifest.budget, **amounts(flags.get("budget", ()))}
    log: Log = flags["log"]
    watch = flags["watch"]
    if watch:
        watch.expect(found)
    expected = lessons(workspace).expected
    shown = listeners(kind, found, budget, as_json=flags["as_json"], into=flags["json_into"], expected=expected)
    with shown as (on_event, last):
        result = api.run(
            found,
            workspace,
            on_event=both(log.on_event, on_event),
            settings=_settings(manifest, flags, budget),
            seams=seams(note=log.on_request, meter=watch),
            create=flags.get("create", True),
            signals=True,
        )
        summary = result_form(result)
        both(log.last, last)(summary)
        if watch:
            watch.last(result.outcomes, summary)
    _report(result, found, workspace, flags["junit_into"])
    if not flags["as_json"]:
        if failed := failures_text(result, lambda verb, *words: command(campaign, verb, *words)):
            click.echo(failed, err=True)
        if charged := charges_text(result):
            click.echo(charged, err=True)
        if result.accounts and not flags["quiet"]:
            click.echo(accounts_text(result), err=True)
        if not flags["quiet"]:
            say_where(result, workspace)
        click.echo(summary_text(result, emulated=workspace.emulated))
    say_rest(result, campaign, detached=flags.get("detach", False))
    click.get_current_context().exit(result.exit_code)


def _report(result: Result, found: Plan, workspace: Workspace, junit: Path | None) -> None:
    """What CI systems read: a JUnit file, and the step summary where the variable is set."""
    if junit is not None:
        from kling_pipe.report.junit import run_junit

        junit.write_text(run_junit(result.outcomes, suite=found.project), encoding="utf-8")
    if "GITHUB_STEP_SUMMARY" in os.environ:
        from kling_pipe.cli.summary import write_step_summary
        from kling_pipe.report.markdown import run_markdown

        emulated = workspace.emulated
        text = run_markdown(
            result.outcomes,
            project=found.project,
            units=result.units,
            usd=result.usd,
            emulated=emulated,
            accounts=result.accounts,
        )
        write_step_summary(text, os.environ)


def _settings(manifest: Manifest, flags: dict[str, Any], budget: dict[str, Any]) -> Settings:
    from kling_pipe.engine import Settings
    from kling_pipe.engine.callback_listener import listening_at

    url = flags.get("callback_url", "")
    return Settings(
        jobs=flags["jobs"],
        limits=manifest.limits,
        fail_fast=not flags["keep_going"],
        timeout=flags["timeout"],
        detach=flags.get("detach", False),
        budget=budget,
        allow_unknown=flags.get("allow_unknown_cost", False),
        prices=flags.get("price"),
        callback_url=url,
        callback_listen=flags.get("callback_listen", "") or listening_at(url),
        callback_secret=os.environ.get("KLING_CALLBACK_SECRET", ""),
        provenance=flags["provenance"],
        drafts=flags.get("drafts", {}),
        since=flags.get("since"),
    )


def seconds(text: str) -> float | None:
    """`90`, `90s`, `50m` or `2h` in seconds; None for no text."""
    if not text:
        return None
    factor = {"s": 1, "m": 60, "h": 3600}.get(text[-1:], 0)
    number = text[:-1] if factor else text
    try:
        value = float(number) * (factor or 1)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise UsageError(f"`--timeout {text}` is no time", hint="Write 90s, 50m or 2h.")
    return value
