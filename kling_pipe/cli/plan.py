"""The verb that shows what a run would do."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kling_pipe import api
from kling_pipe.cli.campaign import Campaign, amounts, campaign_options, opened
from kling_pipe.cli.prices import price_option, prices_of
from kling_pipe.cli.publish_settings import uploads
from kling_pipe.cli.saved_plan import save
from kling_pipe.cli.shared_options import json_option, new_account_option, probe_option, store_option
from kling_pipe.cli.summary import VARIABLE, write_step_summary

if TYPE_CHECKING:
    from kling_pipe.engine.forecast import Forecast
    from kling_pipe.engine.workspace import Workspace
    from kling_pipe.manifest import Manifest
    from kling_pipe.model import Plan, Problem

PENDING = 2
UNSEEN = ("KP333", "KP334")
"""Notes on what a plan could not see; other notes are for `validate`."""


@click.command()
@campaign_options
@store_option
@json_option
@probe_option
@click.option("--refresh", is_flag=True, help="Ask the account what it knows; without it the plan is offline.")
@click.option("--why", is_flag=True, help="Show the reasons, field by field, of every job.")
@click.option("--replace", multiple=True, metavar="ADDRESS", help="Make this again, as a new attempt, on purpose.")
@click.option(
    "--budget", multiple=True, metavar="usd=20", help="Replace an amount of the manifest's budget: usd, video, image."
)
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), help="Save the plan: `run FILE` runs just that."
)
@click.option("--allow-unknown-cost", is_flag=True, help="A price that is not known is no problem.")
@price_option
@new_account_option
@click.option(
    "--format", "form", type=click.Choice(["text", "json", "markdown"]), default="text", help="How the plan is printed."
)
@click.option("--detailed-exitcode", is_flag=True, help="Exit 2 when changes are pending.")
def plan(campaign: Campaign, form: str, as_json: bool, detailed_exitcode: bool, **flags: Any) -> None:
    """Show what a run would do, why, and what it would cost. Spends nothing; offline unless --refresh or --probe."""
    manifest, workspace = opened(campaign, probe=flags["probe"])
    found = _made(campaign, manifest, workspace, flags)
    limits = amounts(flags["budget"])
    problems = [
        *manifest.problems,
        *found.warnings,
        *api.over_budget(found, manifest, limits, allow_unknown=flags["allow_unknown_cost"]),
    ]
    shown = [one for one in problems if one.level != "note" or one.id in UNSEEN]
    _show("json" if as_json else form, found, manifest, workspace, shown, flags)
    if flags["out"] is not None:
        asked = {"probe": flags["probe"], "new_account": flags["new_account"]}
        save(flags["out"], found, workspace, campaign, flags["replace"], asked)
    if detailed_exitcode and any(step.action not in ("reuse", "frozen") for step in found.steps):
        click.get_current_context().exit(PENDING)


def _made(campaign: Campaign, manifest: Manifest, workspace: Workspace, flags: dict[str, Any]) -> Plan:
    return api.plan(
        manifest,
        workspace,
        refresh=flags["refresh"],
        everything=flags["refresh"],
        replace=flags["replace"],
        select=campaign.select,
        exclude=campaign.exclude,
        prices=prices_of(campaign, flags["price"]),
        new_account=flags["new_account"],
    )


def _show(
    form: str, found: Plan, manifest: Manifest, workspace: Workspace, shown: list[Problem], flags: dict[str, Any]
) -> None:
    from kling_pipe.report.markdown import plan_markdown
    from kling_pipe.report.plans import plan_json, plan_text
    from kling_pipe.report.problem_text import problems_text
    from kling_pipe.report.upload_text import uploads_form, uploads_text

    offline = not flags["refresh"]

    def markdown() -> str:
        return plan_markdown(found, emulated=workspace.emulated, problems=shown, offline=offline)

    if shown and form != "markdown":
        click.echo(problems_text(shown), err=True)
    if form == "json":
        foreseen = _foreseen(found, manifest, workspace)
        time = {"seconds": round(foreseen.seconds, 1), "learned": foreseen.learned}
        click.echo(plan_json(found, uploads_form(*uploads(found, workspace)), time))
    elif form == "markdown":
        click.echo(markdown())
    else:
        click.echo(plan_text(found, why=flags["why"], emulated=workspace.emulated))
        if told := uploads_text(*uploads(found, workspace)):
            click.echo(told)
        if duration := _duration(found, manifest, workspace):
            click.echo(duration)
        if offline:
            click.echo("Offline: the account was not asked (--refresh asks it).", err=True)
    if VARIABLE in os.environ:
        write_step_summary(markdown(), os.environ)


def _foreseen(found: Plan, manifest: Manifest, workspace: Workspace) -> Forecast:
    from kling_pipe.engine import Settings
    from kling_pipe.engine.forecast import forecast, lessons
    from kling_pipe.engine.settings import together

    limits = together(manifest.limits, [one.limits for one in workspace.each])
    return forecast(found, lessons(workspace), Settings(limits=limits))


def _duration(found: Plan, manifest: Manifest, workspace: Workspace) -> str:
    """How long a run will take, by what was learned; of an emulator, whose pace anybody may set, only from that."""
    from kling_pipe.report.plans import about

    foreseen = _foreseen(found, manifest, workspace)
    if not foreseen.seconds or (workspace.emulated and not foreseen.learned):
        return ""
    return (
        f"Time: {about(foreseen.seconds)}{'' if foreseen.learned else ', by usual times: not all of it was seen here'}"
    )
