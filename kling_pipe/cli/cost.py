"""The verb that tells what a campaign costs."""

from __future__ import annotations

import click

from kling_pipe.cli.campaign import Campaign, campaign_options, opened, workspace_of
from kling_pipe.cli.options import json_option
from kling_pipe.errors import UsageError


@click.command()
@campaign_options
@click.option("--account", is_flag=True, help="Show what is left in the account's packs instead. Asks Kling.")
@click.option("--by", default="kind", metavar="WHAT", help="kind, model, tag, or an axis of a matrix.")
@json_option
def cost(campaign: Campaign, account: bool, by: str, as_json: bool) -> None:
    """Show what the campaign costs: units estimated and charged, by pack. Offline; what is unknown is called so."""
    if account:
        click.echo(_account(campaign, as_json=as_json))
        return
    from kling_pipe.gallery import sheet_of
    from kling_pipe.nearest import nearest
    from kling_pipe.report.costs import costs_json, costs_text, cuts

    manifest, workspace = opened(campaign)
    sheet = sheet_of(manifest, workspace, select=campaign.select, exclude=campaign.exclude)
    known = cuts(sheet)
    if by not in known:
        near = nearest(by, known)
        hint = f"did you mean `{near}`?" if near else f"there are {', '.join(known)}"
        raise UsageError(f"`--by {by}`: the campaign has no such axis", hint=hint)
    click.echo(costs_json(sheet, by) if as_json else costs_text(sheet, by))


def _account(campaign: Campaign, *, as_json: bool) -> str:
    import asyncio
    import time

    from kling_pipe.engine.account import packs
    from kling_pipe.report.packs import packs_json, packs_text

    found = asyncio.run(packs(workspace_of(campaign), time.time))
    return packs_json(found) if as_json else packs_text(found)
