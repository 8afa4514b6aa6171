"""The verb that makes final versions of approved drafts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import click

from kling_pipe.cli.campaign import Campaign, campaign_options, opened
from kling_pipe.cli.run import make, spending_options, working_options
from kling_pipe.errors import UsageError


@click.command()
@campaign_options
@working_options
@spending_options
@click.option("--from", "source", default="draft", metavar="PROFILE", help="The profile of the drafts: `draft`.")
def promote(campaign: Campaign, source: str, **flags: Any) -> None:
    """Make the final version of the drafts that -s chooses, and of what they need; nothing else.

    Drafts are what `run --profile draft` made. Lock and sidecar of a final version remember its draft.
    """
    if not campaign.select:
        hint = "Name them: `kling-pipe promote -s video.teaser@jp-16x9`, or `-s state:made` for all that were drafted."
        raise UsageError("which drafts are approved?", hint=hint)
    if campaign.profile == source:  # a setting of the folder, meant for drafts
        campaign = replace(campaign, profile="")
    flags["drafts"] = _approved(replace(campaign, profile=source), source)
    # What an approved film needs is made in its final version, too.
    make(replace(campaign, select=tuple(f"+{one}" for one in flags["drafts"]), exclude=()), flags)


def _approved(drafted: Campaign, source: str) -> dict[str, str]:
    """The external ids of the chosen drafts by address."""
    from kling_pipe import api
    from kling_pipe.manifest.selectors import chosen

    manifest, workspace = opened(drafted)
    snapshot = workspace.snapshot()
    states = api.states_of(manifest, snapshot)
    wanted = chosen(manifest.jobs, drafted.select, drafted.exclude, states=states)
    missing = [address for address in sorted(wanted) if states[address] != "made"]
    if missing:
        others = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        hint = f"`kling-pipe run --profile {source} -s {missing[0]}` makes it; look at it first."
        raise UsageError(f"there is no draft of `{missing[0]}`{others}", hint=hint)
    records = {job.address: snapshot.counts(job) for job in manifest.jobs if job.address in wanted}
    return {address: record.external_task_id for address, record in records.items() if record is not None}
