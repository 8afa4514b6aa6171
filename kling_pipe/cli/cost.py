"""The verb that tells what a campaign costs."""

from __future__ import annotations

import click

from kling_pipe.cli.campaign import Campaign, campaign_options, opened
from kling_pipe.cli.options import json_option
from kling_pipe.errors import UsageError


@click.command()
@campaign_options
@click.option("--by", default="kind", metavar="WHAT", help="kind, model, tag, or an axis of a matrix.")
@json_option
def cost(campaign: Campaign, by: str, as_json: bool) -> None:
    """Show what the campaign costs: units estimated and charged, by pack. Offline; what is unknown is called so."""
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
