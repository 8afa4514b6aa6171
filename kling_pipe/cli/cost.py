"""The verb that tells what a campaign costs."""

from __future__ import annotations

import re
from pathlib import Path

import click

from kling_pipe.cli.account_options import EVERY
from kling_pipe.cli.campaign import Campaign, campaign_options, opened, workspace_of
from kling_pipe.cli.prices import price_option, prices_of
from kling_pipe.cli.shared_options import json_option, store_option
from kling_pipe.errors import UsageError

_ACCOUNT = re.compile(r"[a-z][a-z0-9_-]*")


class _Cost(click.Command):
    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """`--account` alone means all of them: what follows it need not be a name."""
        followed = [*args[1:], ""]
        told = [
            f"--account={EVERY}" if arg == "--account" and not _ACCOUNT.fullmatch(after) else arg
            for arg, after in zip(args, followed, strict=False)
        ]
        return super().parse_args(ctx, told)


@click.command(cls=_Cost)
@campaign_options
@store_option
@click.option("--by", default="kind", metavar="WHAT", help="kind, model, tag, or an axis of a matrix.")
@price_option
@json_option
def cost(campaign: Campaign, by: str, price: Path | None, as_json: bool) -> None:
    """Show what the campaign costs: units estimated and charged, by pack. Offline; what is unknown is called so.

    With --account, and a name or none: what is left in the packs of that account, or of all. Asks Kling.
    """
    if campaign.accounts:
        click.echo(_account(campaign, as_json=as_json))
        return
    from kling_pipe.core.text import nearest
    from kling_pipe.report.contact_sheet.build import sheet_of
    from kling_pipe.report.costs import costs_json, costs_text, cuts

    manifest, workspace = opened(campaign)
    sheet = sheet_of(
        manifest, workspace, select=campaign.select, exclude=campaign.exclude, by=prices_of(campaign, price)
    )
    known = cuts(sheet)
    if by not in known:
        near = nearest(by, known)
        hint = f"did you mean `{near}`?" if near else f"there are {', '.join(known)}"
        raise UsageError(f"`--by {by}`: the campaign has no such axis", hint=hint)
    click.echo(costs_json(sheet, by) if as_json else costs_text(sheet, by))


def _account(campaign: Campaign, *, as_json: bool) -> str:
    import asyncio
    import time

    from kling_pipe.engine.resource_packs import packs
    from kling_pipe.report.pack_text import packs_by_account_json, packs_json, packs_text

    workspace = workspace_of(campaign)
    if not workspace.name:
        found = asyncio.run(packs(workspace, time.time))
        return packs_json(found) if as_json else packs_text(found)
    known = {one.name: asyncio.run(packs(one, time.time)) for one in workspace.each}
    if as_json:
        return packs_by_account_json(known)
    return "\n".join(f"account {name}:\n{packs_text(found)}" for name, found in known.items())
