"""What a person at a terminal is asked before something is sent. Elsewhere budget and flags decide."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from kling_pipe.errors import Interrupted

if TYPE_CHECKING:
    from kling_pipe.engine.workspace import Workspace
    from kling_pipe.model import Plan


def ask(found: Plan, workspace: Workspace, flags: dict[str, Any]) -> None:
    """On a terminal the plan and its price are shown and confirmed; elsewhere the budget is the gate."""
    from kling_pipe.cli.publish_settings import uploads
    from kling_pipe.report.plans import plan_text, spending
    from kling_pipe.report.upload_text import uploads_text

    if flags["as_json"] or flags["quiet"]:
        return
    click.echo(plan_text(found, emulated=workspace.emulated), err=True)
    if told := uploads_text(*uploads(found, workspace)):
        click.echo(told, err=True)
    if _is_interactive() and not flags["yes"] and spending(found.steps):
        _confirm()


def wants_anew(found: Plan, flags: dict[str, Any]) -> bool:
    """On a terminal: whether what the lock has of another access key is to be made anew, and paid again, here."""
    others = sum(step.cause == "other_account" for step in found.steps)
    if not others or flags["as_json"] or flags["quiet"] or flags["yes"] or not _is_interactive():
        return False
    jobs = "1 job was" if others == 1 else f"{others} jobs were"
    click.echo(
        f"{jobs} made under another access key, as the lock says, and this account does not know them.", err=True
    )
    click.echo("`kling-pipe adopt` takes the results over without paying.", err=True)
    try:
        return click.confirm("Make them anew, and pay again?", default=False, err=True)
    except click.Abort:
        click.echo(err=True)
        return False


def _is_interactive() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()


def _confirm() -> None:
    try:
        wanted = click.confirm("Go ahead?", err=True)
    except click.Abort:
        click.echo(err=True)
        wanted = False
    if not wanted:
        raise Interrupted("not confirmed: nothing was sent", hint="-y goes ahead without a question.")
