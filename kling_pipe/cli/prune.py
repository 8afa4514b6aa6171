"""The verb that deletes from the account what no manifest uses any more."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kling_pipe.cli.account_options import accounts_in
from kling_pipe.cli.shared_options import DEFAULT_MANIFEST, account_options, environment, variables_from

if TYPE_CHECKING:
    from kling_pipe.engine.element_cleanup import Leftover
    from kling_pipe.engine.workspace import Workspace
    from kling_pipe.model import Job


@click.command()
@click.argument("manifests", nargs=-1, type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--ref", "refs", multiple=True, metavar="REVISION", help="Also what the manifests say in this git revision."
)
@click.option("--var", "variables", multiple=True, metavar="NAME=VALUE", help="Replace a value of `vars:`.")
@click.option("-y", "--yes", is_flag=True, help="Delete. Without it the list is all that comes out.")
@account_options
def prune(
    manifests: tuple[Path, ...],
    refs: tuple[str, ...],
    variables: tuple[str, ...],
    yes: bool,
    accounts: tuple[str, ...],
    emulator: bool,
    state: Path | None,
    env_file: Path | None,
) -> None:
    """Delete elements and voices that these projects made and no manifest given here uses any more.

    Give every MANIFEST of the projects, and with --ref every branch that still counts: what they ask for, in any
    profile, stays, and so does what they name by id. What another project or a person made is never touched.
    """
    from kling_pipe import api
    from kling_pipe.engine.element_cleanup import Leftover, kept

    paths = manifests or (Path(DEFAULT_MANIFEST),)
    used = kept(job for path in paths for job in _jobs(path, refs, variables))
    named = accounts_in(paths[0].absolute().parent, accounts)
    workspace = api.open_workspace(paths[0], emulator=emulator, state=state, environ=environment(env_file), **named)
    found, failed = list[Leftover](), dict[str, str]()
    for account in workspace.each:
        here, reasons = asyncio.run(_pruned(account, used, yes=yes))
        where = f" in account {account.name}" if account.name else ""
        found, failed = [*found, *here], {**failed, **reasons}
        for one in here:
            reason = f": {reasons[one.id]}" if one.id in reasons else ""
            done = "not deleted" if reason else "deleted" if yes else "unused"
            click.echo(f"{done} {one.kind} {one.id} `{one.name}` ({one.external_task_id}){where}{reason}")
    click.echo(_summary(len(found), len(failed), yes=yes), err=True)
    click.get_current_context().exit(1 if failed else 0)


def _summary(found: int, failed: int, *, yes: bool) -> str:
    if not found:
        return "nothing is left over"
    return f"{found - failed} deleted, {failed} not" if yes else f"{found} left over; `--yes` deletes them"


def _jobs(path: Path, refs: tuple[str, ...], variables: tuple[str, ...]) -> Iterator[Job]:
    """Every job of a manifest, here and in each revision, in every profile."""
    from kling_pipe.report.contact_sheet.git_revision import revision

    with ExitStack() as stack:
        folders = [path.parent, *(stack.enter_context(revision(path.parent, ref)) for ref in refs)]
        for folder in folders:
            yield from _in_every_profile(folder / path.name, variables, must_exist=folder == path.parent)


def _in_every_profile(path: Path, variables: tuple[str, ...], *, must_exist: bool) -> Iterator[Job]:
    from kling_pipe import api

    if not must_exist and not path.exists():
        return
    given = variables_from(variables, ())
    manifest = api.load(path, vars=given)
    yield from manifest.jobs
    for profile in manifest.scope.data.get("profiles") or ():
        yield from api.load(path, vars=given, profile=str(profile)).jobs


async def _pruned(workspace: Workspace, used: object, *, yes: bool) -> tuple[list[Leftover], dict[str, str]]:
    import time

    from kling_pipe.client import Client
    from kling_pipe.engine.element_cleanup import KeptElement, delete, leftovers

    assert isinstance(used, KeptElement)
    base_url, credentials = workspace.connection()
    async with Client(base_url, credentials) as client:
        found = await leftovers(client, used, time.time)
        reasons = {one.id: await delete(client, one) for one in found} if yes else {}
    return found, {id_: reason for id_, reason in reasons.items() if reason}
