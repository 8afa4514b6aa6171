"""The verb that shows what a run would do."""

from __future__ import annotations

import click

from kling_pipe.cli.campaign import Campaign, campaign_options, opened
from kling_pipe.cli.options import json_option

PENDING = 2


@click.command()
@campaign_options
@json_option
@click.option("--refresh", is_flag=True, help="Ask the account what it knows; without it the plan is offline.")
@click.option("--why", is_flag=True, help="Show the reasons, field by field, of every job.")
@click.option("--replace", multiple=True, metavar="ADDRESS", help="Make this again, as a new attempt, on purpose.")
@click.option(
    "--budget", multiple=True, metavar="usd=20", help="Replace an amount of the manifest's budget: usd, video, image."
)
@click.option("--detailed-exitcode", is_flag=True, help="Exit 2 when changes are pending.")
def plan(
    campaign: Campaign,
    as_json: bool,
    refresh: bool,
    why: bool,
    replace: tuple[str, ...],
    budget: tuple[str, ...],
    detailed_exitcode: bool,
) -> None:
    """Show what a run would do, why, and what it would cost. Spends nothing; offline unless --refresh."""
    from kling_pipe import api
    from kling_pipe.cli.campaign import amounts
    from kling_pipe.report.plans import plan_json, plan_text
    from kling_pipe.report.problems import problems_text

    manifest, workspace = opened(campaign)
    found = api.plan(
        manifest, workspace, refresh=refresh, replace=replace, select=campaign.select, exclude=campaign.exclude
    )
    problems = [*manifest.problems, *found.warnings, *api.over_budget(found, manifest, amounts(budget))]
    shown = [one for one in problems if one.level != "note"]
    if shown:
        click.echo(problems_text(shown), err=True)
    if as_json:
        click.echo(plan_json(found))
    else:
        click.echo(plan_text(found, why=why, emulated=workspace.emulated))
        if not refresh:
            click.echo("Offline: the account was not asked (--refresh asks it).", err=True)
    if detailed_exitcode and any(step.action not in ("reuse", "frozen") for step in found.steps):
        click.get_current_context().exit(PENDING)
