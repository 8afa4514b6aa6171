"""The verbs that move a whole ledger: export, import."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kling_pipe.cli.shared_options import DEFAULT_MANIFEST, store_of_verb
from kling_pipe.errors import LocalStateError

if TYPE_CHECKING:
    from kling_pipe.engine.workspace import Workspace
    from kling_pipe.storage.ledger.export import ImportResult
    from kling_pipe.storage.ledger.tables import Tables

_store_option = store_of_verb("The ledger in this PostgreSQL, instead of the one of this folder.")
_manifest_option = click.option(
    "--manifest",
    default=DEFAULT_MANIFEST,
    type=click.Path(path_type=Path),
    help="The campaign whose folder holds the ledger; this folder's if left out.",
)
_emulator_option = click.option("--emulator", is_flag=True, help="The ledger of rehearsals, which is one of its own.")


@click.group()
def ledger() -> None:
    """Move the ledger to another machine, to a fleet's PostgreSQL, and back."""


@ledger.command("export")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@_manifest_option
@_store_option
@_emulator_option
def export(file: Path, manifest: Path, database: str, *, emulator: bool) -> None:
    """Write everything that the ledger knows, of all accounts, into FILE: JSON lines with a checksum, no secrets."""
    from kling_pipe.storage.effects import Effects
    from kling_pipe.storage.ledger.export import give_out

    workspace = _workspace(manifest, database, emulator=emulator)
    if not (workspace.database or workspace.ledger_path.is_file()):
        raise LocalStateError(f"there is no ledger at `{workspace.ledger_path}`", hint=_whose(workspace))
    part, effects = file.with_name(f"{file.name}.{os.getpid()}.part"), Effects()
    store = workspace.store()
    try:

        def written(tables: Tables) -> int:
            with part.open("w", encoding="utf-8", newline="\n") as opened:
                count = give_out(tables, opened, emulated=workspace.emulated)
                effects.fsync(opened)
            return count

        count = store.whole(written, change=False)
        effects.replace(part, file)
    finally:
        part.unlink(missing_ok=True)
        store.close()
    click.echo(f"{file}: {_records(count)}")


@ledger.command("import")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@_manifest_option
@_store_option
@_emulator_option
def bring_in(file: Path, manifest: Path, database: str, *, emulator: bool) -> None:
    """Merge FILE, which `export` wrote, into the ledger: all of it, or nothing.

    Of two records of one task the later state counts, and every file that either knows. Doing it twice, or in another
    order, changes nothing. Different tasks under one id are told, and nothing is changed.
    """
    from kling_pipe.storage.ledger.export import take_in

    workspace = _workspace(manifest, database, emulator=emulator)
    store = workspace.store()

    def read(tables: Tables) -> ImportResult:
        with file.open(encoding="utf-8", newline="\n") as lines:
            return take_in(tables, lines, str(file), emulated=workspace.emulated)

    try:
        found = store.whole(read, change=True)
    except UnicodeDecodeError as error:
        raise LocalStateError(f"`{file}` is no exported ledger: not UTF-8", hint="nothing was changed") from error
    finally:
        store.close()
    click.echo(f"{file}: {found}")


def _workspace(manifest: Path, database: str, *, emulator: bool) -> Workspace:
    from kling_pipe import api

    workspace = api.open_workspace(manifest, emulator=emulator)
    return workspace.shared_in(database) if database else workspace


def _whose(workspace: Workspace) -> str:
    """What to do where there is no ledger: a rehearsal keeps one of its own."""
    if not workspace.emulated and (workspace.ledger_path.parent / "emulator" / workspace.ledger_path.name).is_file():
        return "the rehearsal has one: --emulator"
    return "name its campaign: --manifest"


def _records(count: int) -> str:
    return "1 record" if count == 1 else f"{count} records"
