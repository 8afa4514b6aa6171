"""The verb that brings locks together: those of a CI matrix's shards, or of two branches."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kling_pipe.errors import LocalStateError

if TYPE_CHECKING:
    from kling_pipe.storage.lockfile import Lock


@click.command("merge-lock")
@click.argument("locks", nargs=-1, required=True, type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--into",
    type=click.Path(path_type=Path, dir_okay=False),
    default="kling-pipe.lock",
    show_default=True,
    help="The lock that takes them in; it is made if it is not there.",
)
def merge_lock(locks: tuple[Path, ...], into: Path) -> None:
    """Bring LOCKS together: of two results for one job the later counts, and nobody's block is dropped.

    The order of the files does not matter, and doing it twice changes nothing. The next `run` or `pull` fetches the
    files that are not here. As git's merge driver: kling-pipe merge-lock --into %A %O %A %B
    """
    from kling_pipe.storage.effects import Effects
    from kling_pipe.storage.lockfile import LockFile

    read = [_read(path) for path in locks]
    found = LockFile(into, Effects(), lambda: _alone(into.parent)).merge(read)
    click.echo(f"{into}: {len(found.blocks)} jobs, from {len(locks)} lock{'s' * (len(locks) > 1)}")


def _read(path: Path) -> Lock:
    from kling_pipe.storage.lockfile import parse

    try:
        return parse(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise LocalStateError(
            f"`{path}` cannot be read: {getattr(error, 'strerror', None) or 'not UTF-8'}",
            hint="name the lock files that exist: one `kling-pipe.lock` of each shard",
        ) from error


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """A run in this folder writes the same lock: its ledger keeps the two apart."""
    from kling_pipe.storage.ledger import SqliteStore

    ledger = folder / ".kling-pipe" / "ledger.sqlite"
    if not ledger.exists():
        yield
        return
    store = SqliteStore(ledger, "")
    try:
        with store.alone():
            yield
    finally:
        store.close()
