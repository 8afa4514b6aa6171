"""A reviewed plan as a file: `plan --out FILE` writes it, `run FILE` runs just that or says what changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kling_pipe.errors import ManifestInvalid

if TYPE_CHECKING:
    from kling_pipe.cli.campaign import Campaign
    from kling_pipe.engine.workspace import Workspace
    from kling_pipe.model import Plan
    from kling_pipe.planning.plan_file import SavedPlan

_HEAD = 400


def save(
    file: Path, plan: Plan, workspace: Workspace, campaign: Campaign, replaced: Sequence[str], flags: Mapping[str, bool]
) -> None:
    """Write what was reviewed, and how it was asked for; `flags` are those that a run of it takes over."""
    from kling_pipe import __version__
    from kling_pipe.cli.shared_options import variables_from
    from kling_pipe.planning.plan_file import saved_text
    from kling_pipe.report.plans import retries_text

    asked = {
        "manifest": str(campaign.manifest),
        "vars": variables_from(campaign.variables, campaign.variable_files),
        "profile": campaign.profile,
        "select": list(campaign.select),
        "exclude": list(campaign.exclude),
        "replace": list(replaced),
        "state": str(campaign.state) if campaign.state else "",
        **flags,
    }
    text = saved_text(
        plan, account=workspace.queue, emulated=workspace.emulated, asked=asked, tool=f"kling-pipe {__version__}"
    )
    file.write_text(text, encoding="utf-8")
    click.echo(f"saved; `kling-pipe run {file}` runs just this{retries_text(plan.steps)}", err=True)


def reviewed(campaign: Campaign) -> tuple[Campaign, SavedPlan, tuple[str, ...]] | None:
    """When the verb was given a saved plan: the campaign that it was made from, the plan, what it replaces."""
    from kling_pipe.planning.plan_file import is_saved, read_saved

    file = campaign.manifest
    if not file.is_file() or not is_saved(_head(file)):
        return None
    saved = read_saved(file.read_text(encoding="utf-8"), str(file))
    asked = saved.asked
    again = replace(
        campaign,
        manifest=Path(asked["manifest"]),
        given=asked["vars"],
        profile=asked["profile"],
        select=tuple(asked["select"]),
        exclude=tuple(asked["exclude"]),
        emulator=saved.emulated,
        state=Path(asked["state"]) if asked["state"] else None,
    )
    return again, saved, tuple(asked["replace"])


def _head(file: Path) -> str:
    with file.open("rb") as opened:
        return opened.read(_HEAD).decode("utf-8", "replace")


def as_reviewed(saved: SavedPlan, plan: Plan, workspace: Workspace) -> Plan:
    """The plan with no more attempts than were reviewed. Raises `ManifestInvalid` with all that is not as reviewed."""
    from kling_pipe.planning.plan_file import changed_since, within

    changes = changed_since(saved, plan, account=workspace.queue, emulated=workspace.emulated)
    if changes:
        raise ManifestInvalid(changes, hint="Make and review a new plan: `kling-pipe plan --out FILE`.")
    return within(saved, plan)
