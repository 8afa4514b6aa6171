"""What a run says when it ended, and how the same campaign is named in the command that comes next."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kling_pipe.cli.error_handler import tell
from kling_pipe.cli.shared_options import DEFAULT_MANIFEST
from kling_pipe.storage.ledger.pg_url import without_password

if TYPE_CHECKING:
    from kling_pipe.cli.campaign import Campaign
    from kling_pipe.engine import Result
    from kling_pipe.engine.workspace import Workspace


def command(campaign: Campaign, verb: str, *words: str, account: bool = True) -> str:
    """A command line that can be pasted: it names this manifest, this profile and, with `account`, this account.

    Without that a hint that was printed for the emulator would spend money when it is followed.
    """
    manifest = [] if str(campaign.manifest) == DEFAULT_MANIFEST else [str(campaign.manifest)]
    flags = ["--profile", campaign.profile] if campaign.profile else []
    for pair in campaign.variables:
        flags += ["--var", pair]
    for file in campaign.variable_files:
        flags += ["--var-file", str(file)]
    if account:
        flags += [part for name in campaign.accounts for part in ("--account", name)]
    if account and campaign.emulator:
        flags.append("--emulator")
        flags += ["--state", str(campaign.state)] if campaign.state else []
    if account:
        flags += _places(campaign)
    if account and campaign.env_file:
        flags += ["--env-file", str(campaign.env_file)]
    return shlex.join(["kling-pipe", verb, *manifest, *words, *flags])


def _places(campaign: Campaign) -> list[str]:
    """Bucket and database, where the command line named them; a password stays where it was."""
    flags = []
    if campaign.bucket not in ("", os.environ.get("KLING_PIPE_OUT"), campaign.settings.get("out")):
        flags += ["--out", campaign.bucket]
    if campaign.database not in ("", os.environ.get("KLING_PIPE_STORE")):
        flags += ["--store", without_password(campaign.database)]
    return flags


def say_where(result: Result, workspace: Workspace) -> None:
    """Where the files are: the first thing that somebody wants to know after a run."""
    if not any(output.path for one in result.outcomes if one.record for output in one.record.outputs):
        return
    folder = workspace.root / workspace.out
    try:
        shown = os.path.relpath(folder)
    except ValueError:  # another drive
        shown = str(folder)
    click.echo(f"Files: {Path(shown).as_posix()}/", err=True)


def say_rest(result: Result, campaign: Campaign, *, detached: bool) -> None:
    """What stopped the run, and what is not done yet."""
    if result.error is not None:
        tell(result.error.message, result.error.hint)
    tasks = "1 task goes" if result.at_kling == 1 else f"{result.at_kling} tasks go"
    again = command(campaign, "run")
    if result.stopped == "interrupted":
        billed = "" if campaign.emulator else " and will be billed"
        tell(f"the state is saved; {tasks} on at Kling{billed}", f"`{again}` goes on.", word="interrupted")
    elif result.waiting and result.error is None:
        jobs = "1 job is" if result.waiting == 1 else f"{result.waiting} jobs are"
        word, colour = ("detached", "cyan") if detached else ("stopped waiting", "yellow")
        hint = f"`{again}` goes on; `{command(campaign, 'wait')}` waits for those tasks and makes nothing new."
        tell(f"{jobs} not done, {tasks} on at Kling", hint, word=word, fg=colour)
