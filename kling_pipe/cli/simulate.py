"""The verb that runs a campaign on paper."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kling_pipe import api
from kling_pipe.cli.campaign import Campaign, campaign_options, opened
from kling_pipe.cli.prices import price_option, prices_of
from kling_pipe.cli.shared_options import json_option, store_option
from kling_pipe.errors import UsageError

if TYPE_CHECKING:
    from kling_pipe.engine.workspace import Workspace
    from kling_pipe.manifest import Manifest


@click.command()
@campaign_options
@store_option
@click.option("--anew", is_flag=True, help="As if nothing were made yet.")
@click.option("--accounts", "count", type=click.IntRange(1), help="So many accounts alike, not those of the settings.")
@click.option("--slots", default="", metavar="video=50,image=9", help="Slots of each account, not those of the limits.")
@click.option("--scale", "copies", type=click.IntRange(1), default=1, show_default=True, help="The campaign so often.")
@click.option("--spread", type=click.FloatRange(0, 1), help="Times vary by this share (0.3: 30 %), not as was seen.")
@click.option(
    "--failures", type=click.FloatRange(0, 1), default=0.0, metavar="0.01", help="Share of tries that fail at Kling."
)
@click.option("--runs", type=click.IntRange(1), help="Simulate so often, each with other luck; 1 to 5 by size.")
@click.option("--seed", type=int, default=1, show_default=True, help="The luck that it begins with.")
@price_option
@json_option
def simulate(campaign: Campaign, slots: str, price: Path | None, as_json: bool, **flags: Any) -> None:
    """Run the plan on paper: time, slots in use, units and money by account. Offline, spends nothing.

    Tasks take the times that earlier runs here taught, or usual ones, and hold slots as they would at Kling.
    """
    from kling_pipe.engine import Settings
    from kling_pipe.engine.forecast import lessons
    from kling_pipe.engine.predict import Question, predicted
    from kling_pipe.report.simulated import simulated_json, simulated_text

    manifest, workspace = opened(campaign)
    found = api.plan(
        manifest,
        workspace,
        refresh=False,
        replace=_all_of(manifest, workspace, campaign) if flags["anew"] else (),
        select=campaign.select,
        exclude=campaign.exclude,
        prices=prices_of(campaign, price),
    )
    told = slots_of(slots)
    flags["runs"] = flags["runs"] or 0
    asked = ("copies", "spread", "failures", "runs", "seed")
    question = Question(_accounts(campaign, flags["count"], told), **{name: flags[name] for name in asked})
    settings = Settings(limits={**manifest.limits, **told})
    prediction = predicted(found, lessons(workspace), settings, question, time.time())
    click.echo(simulated_json(prediction) if as_json else simulated_text(prediction))


def slots_of(text: str) -> dict[str, int]:
    """`video=50,image=9` as a mapping. Raises UsageError."""
    found = {}
    for pair in filter(None, text.split(",")):
        name, _, number = pair.partition("=")
        if (
            name.strip().partition("/")[0] not in ("video", "image")
            or not number.strip().isdecimal()
            or not int(number)
        ):
            hint = "Write video=50,image=9; one model's slots are video/kling-v3-omni=20."
            raise UsageError(f"`--slots {text}` does not say how many slots there are", hint=hint)
        found[name.strip()] = int(number)
    return found


def _all_of(manifest: Manifest, workspace: Workspace, campaign: Campaign) -> tuple[str, ...]:
    """The addresses that are chosen: what they use and others made stays."""
    from kling_pipe.manifest.selectors import chosen

    states = api.states_of(manifest, workspace.snapshot())
    return tuple(chosen(manifest.jobs, campaign.select, campaign.exclude, states=states))


def _accounts(campaign: Campaign, count: int | None, told: dict[str, int]) -> dict[str, dict[str, int]]:
    """Slots by the names of the accounts; empty for the one account that a plan without any has."""
    from kling_pipe.engine.account_settings import account_specs

    if count:
        return {str(number): told for number in range(1, count + 1)}
    specs = account_specs(campaign.settings.get("accounts") or {}, campaign.accounts)
    return {spec.name: {**spec.limits, **told} for spec in specs}
