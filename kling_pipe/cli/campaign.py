"""A campaign as a verb gets it: manifest, variables, selection, and which account it talks to."""

from __future__ import annotations

import functools
import gc
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from kling_pipe.cli.account_options import accounts_of
from kling_pipe.cli.config_file import settings_for
from kling_pipe.cli.publish_settings import publish_place
from kling_pipe.cli.severity_options import level_options
from kling_pipe.cli.shared_options import (
    account_options,
    compile_options,
    environment,
    other_shards,
    selection_options,
    shard_option,
    standard_of,
    standard_option,
    variables_from,
)
from kling_pipe.errors import UsageError

if TYPE_CHECKING:
    from kling_pipe.engine import Dependencies
    from kling_pipe.engine.workspace import Workspace
    from kling_pipe.manifest import Manifest
    from kling_pipe.report.severity import Levels

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Campaign:
    """What the shared flags of a verb say."""

    manifest: Path
    variables: tuple[str, ...]
    variable_files: tuple[Path, ...]
    profile: str
    select: tuple[str, ...]
    exclude: tuple[str, ...]
    emulator: bool
    state: Path | None
    env_file: Path | None
    levels: Callable[[Path], Levels]
    settings: Mapping[str, Any]
    bucket: str = ""
    database: str = ""
    standard: str = "v1"
    given: Mapping[str, Any] = field(default_factory=dict)
    accounts: tuple[str, ...] = ()


def campaign_options(command: F) -> F:
    """The shared flags of every verb that works on a campaign, handed over as one value."""

    @compile_options
    @selection_options
    @shard_option
    @account_options
    @standard_option
    @level_options
    @functools.wraps(command)
    def wrapped(
        *,
        manifest: Path,
        variables: tuple[str, ...],
        variable_files: tuple[Path, ...],
        profile: str,
        select: tuple[str, ...],
        exclude: tuple[str, ...],
        shard: str,
        accounts: tuple[str, ...],
        emulator: bool,
        state: Path | None,
        env_file: Path | None,
        standard: str,
        levels: Callable[[Path], Levels],
        **others: Any,
    ) -> Any:
        settings = settings_for(manifest.parent)
        chosen = profile or settings.get("profile", "")
        account = (emulator, state, env_file)
        left_out = (*exclude, *other_shards(shard))
        bucket = others.pop("bucket", "") or os.environ.get("KLING_PIPE_OUT", "") or settings.get("out", "")
        compiled = (manifest, variables, variable_files, chosen, select, left_out)
        database = others.pop("database", "") or os.environ.get("KLING_PIPE_STORE", "")
        spoken = standard_of(standard, settings)
        campaign = Campaign(*compiled, *account, levels, settings, bucket, database, spoken)
        return command(replace(campaign, accounts=accounts), **others)

    return wrapped  # type: ignore[return-value]


def seams(**more: Any) -> Dependencies:
    """What `main(..., effects=..., sleep=...)` was given in place of the real parts, and what a verb adds."""
    from kling_pipe.engine import Dependencies

    return Dependencies(**{**more, **(click.get_current_context().obj or {})})


def workspace_of(campaign: Campaign) -> Workspace:
    """Where the campaign lives, and the account it talks to; its manifest need not be sound for that."""
    from kling_pipe import api

    environ = environment(campaign.env_file)
    if "base_url" in campaign.settings:
        environ.setdefault("KLING_BASE_URL", campaign.settings["base_url"])
    workspace = api.open_workspace(
        campaign.manifest,
        emulator=campaign.emulator,
        state=campaign.state,
        profile=campaign.profile,
        environ=environ,
        **accounts_of(campaign.settings, campaign.accounts),
    )
    workspace = workspace.spoken_in(campaign.standard)
    if campaign.database:
        workspace = workspace.shared_in(campaign.database)
    if place := publish_place(campaign.settings, environ):
        workspace = workspace.publishing(place)
    return workspace.kept_in(campaign.bucket) if campaign.bucket else workspace


def opened(
    campaign: Campaign, *, probe: bool = False, unrecorded: list[str] | None = None
) -> tuple[Manifest, Workspace]:
    """The compiled manifest and its workspace. With `probe` links are looked at over the network.

    `unrecorded` takes the addresses of frozen jobs that no lock records; without it they are a problem.
    """
    from kling_pipe import api
    from kling_pipe.manifest.file_inspection import read_links

    workspace = workspace_of(campaign)
    manifest = api.load(
        campaign.manifest,
        vars={**campaign.given, **variables_from(campaign.variables, campaign.variable_files)},
        profile=campaign.profile,
        workspace=workspace,
        levels=campaign.levels(campaign.manifest),
        links=read_links if probe else None,
        unrecorded=unrecorded,
    )
    gc.freeze()  # the manifest stays to the end of the process: it need not be looked through for garbage
    return manifest, workspace


def amounts(pairs: tuple[str, ...]) -> dict[str, float]:
    """`--budget usd=20` as a mapping."""
    found = {}
    for pair in pairs:
        name, _, value = pair.partition("=")
        try:
            number = float(value)
        except ValueError:
            number = -1.0
        if name not in ("usd", "video", "image") or not 0 <= number < float("inf"):
            raise UsageError(f"`--budget {pair}` is no budget", hint="Write usd=20, video=100 or image=500.")
        found[name] = number
    return found
