"""The verb that makes the contact sheet."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kling_pipe.cli.campaign import Campaign, campaign_options, opened
from kling_pipe.cli.shared_options import store_option, variables_from
from kling_pipe.errors import LocalStateError

if TYPE_CHECKING:
    from kling_pipe.engine.workspace import Workspace
    from kling_pipe.manifest import Manifest
    from kling_pipe.report.contact_sheet import Sheet
    from kling_pipe.storage.lockfile import Lock


@click.command()
@campaign_options
@store_option
@click.option("--out", type=click.Path(path_type=Path), help="Folder (or, with --single-file, file) to write.")
@click.option("--single-file", is_flag=True, help="One file that holds all pictures and films.")
@click.option("--compare", default="", metavar="REV", help="Show what changed since a commit or another lock file.")
@click.option(
    "--serve", is_flag=True, help="Serve it live on this machine instead: progress as it happens, picks by a click."
)
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port for --serve; a free one if left out.")
@click.option("--open", "show", is_flag=True, help="Open it in the browser.")
def report(campaign: Campaign, out: Path | None, single_file: bool, compare: str, serve: bool, port: int,
           show: bool) -> None:  # fmt: skip
    """Make the contact sheet: every result with its text, inputs, takes and cost, as one page that opens from disk."""
    from kling_pipe.media.thumbnails import Thumbnails
    from kling_pipe.report.contact_sheet import compared, written
    from kling_pipe.report.contact_sheet.build import sheet_of
    from kling_pipe.storage.outputs.safe_path import inside

    manifest, workspace = opened(campaign)
    if serve:
        _serve(campaign, workspace, port, show=show)
        return
    sheet = sheet_of(manifest, workspace, select=campaign.select, exclude=campaign.exclude)
    default = workspace.folder / ("contact-sheet.html" if single_file else "contact-sheet")
    if out is None:
        inside(workspace.root, default.relative_to(workspace.root).as_posix())
    posters = Thumbnails(workspace.state / "posters")
    with _earlier(campaign, manifest, workspace, compare) as then:
        comparison = compared(then, sheet, compare) if then else None
        page = written(sheet, out or default, posters, single=single_file, comparison=comparison)
    click.echo(str(page))
    if show:
        click.launch(page.absolute().as_uri())


def _serve(campaign: Campaign, workspace: Workspace, port: int, *, show: bool) -> None:
    from kling_pipe.manifest.pick_edit import pick
    from kling_pipe.media.thumbnails import Thumbnails
    from kling_pipe.report.contact_sheet.build import sheet_of
    from kling_pipe.report.contact_sheet.live_server import Live
    from kling_pipe.report.contact_sheet.live_server import serve as served

    def sheet() -> Sheet:
        manifest, here = opened(campaign)
        return sheet_of(manifest, here, select=campaign.select, exclude=campaign.exclude)

    def choose(address: str, take: int) -> str:
        done = pick(opened(campaign)[0], address, take)
        return f"{done.recipe}: take {done.take} is picked ({done.file.name}:{done.line})"

    def ready(address: str) -> None:
        click.echo(address)
        if show:
            click.launch(address)

    ledger = workspace.ledger_path
    watched = [campaign.manifest, workspace.lock_path, ledger, ledger.with_name(f"{ledger.name}-wal")]
    with _watching(workspace) as also:
        served(Live(sheet, choose, watched, Thumbnails(workspace.state / "posters"), also), port, ready)


@contextmanager
def _watching(workspace: Workspace) -> Iterator[Callable[[], object]]:
    """What is another after a change in the ledger, where that is a database."""
    from kling_pipe.storage.ledger import PostgresStore

    if not workspace.database:
        yield lambda: None
        return
    store = PostgresStore(workspace.database, workspace.account, patience=1.0)
    try:
        yield store.stamp
    finally:
        store.close()


@contextmanager
def _earlier(campaign: Campaign, manifest: Manifest, workspace: Workspace, revision: str) -> Iterator[Sheet | None]:
    """The same campaign at a commit, or as another lock file records it. Its files are there only inside."""
    from kling_pipe import api
    from kling_pipe.report.contact_sheet.build import at_commit, sheet_of

    if not revision:
        yield None
    elif Path(revision).is_file():
        yield sheet_of(manifest, workspace, lock=_lock(Path(revision), revision))
    else:
        with at_commit(campaign.manifest, revision) as path:
            variables = variables_from(campaign.variables, campaign.variable_files)
            then = api.load(path, vars=variables, profile=campaign.profile)
            recorded = path.parent / workspace.lock_path.name
            committed = not workspace.emulated and recorded.is_file()
            lock = _lock(recorded, f"{revision}:{recorded.name}") if committed else None
            yield sheet_of(then, workspace, lock=lock)


def _lock(path: Path, name: str) -> Lock:
    from kling_pipe.storage.lockfile import parse

    try:
        return parse(path.read_text(encoding="utf-8"), name)
    except (OSError, UnicodeDecodeError) as error:
        raise LocalStateError(f"`{name}` cannot be read: {error}", hint="name a commit, or a lock file") from error
