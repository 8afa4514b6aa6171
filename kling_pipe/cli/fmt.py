"""The verb that puts manifests into canonical form."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kling_pipe.cli.shared_options import DEFAULT_MANIFEST
from kling_pipe.errors import ManifestInvalid, UsageError

if TYPE_CHECKING:
    from kling_pipe.model import Problem

_SUFFIXES = (".yaml", ".yml")
_UNTIDY = 1


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@click.option("--check", is_flag=True, help="Write nothing; exit 1 when a file would change.")
@click.option("--diff", is_flag=True, help="Write nothing; print what would change.")
def fmt(paths: tuple[Path, ...], check: bool, diff: bool) -> None:
    """Put manifests into canonical form: PATHS are files and folders, kling-pipe.yaml if there are none.

    White space alone changes: comments, anchors, quotes and block texts stay, and so does every job's key.
    """
    from kling_pipe.report.problem_text import problems_text

    total, untidy, problems = 0, 0, []
    for path in _files(paths or (Path(DEFAULT_MANIFEST),)):
        total += 1
        before, after, found = _formatted(path)
        problems += found
        if after != before:
            untidy += 1
            _tell(path, before, after, check=check, diff=diff)
    if problems:
        click.echo(problems_text(problems), err=True)
    if not diff:
        click.echo(
            f"{total} file{'' if total == 1 else 's'}, {untidy} {'to format' if check else 'formatted'}", err=True
        )
    if problems:
        click.get_current_context().exit(ManifestInvalid.exit_code)
    click.get_current_context().exit(_UNTIDY if check and untidy else 0)


def _files(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from _below(path)
        elif path.is_file():
            yield path
        else:
            raise UsageError(f"there is no file `{path}`", hint="Name manifests, or folders that hold some.")


def _below(folder: Path) -> Iterator[Path]:
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(place, name) for name in sorted(names) if name.endswith(_SUFFIXES))


def _formatted(path: Path) -> tuple[str, str, list[Problem]]:
    """The file's text before and after; the same twice, and the reason, when it is no YAML."""
    from kling_pipe.manifest.fmt import formatted
    from kling_pipe.manifest.yaml import read_document

    document = read_document(path, path.as_posix())
    if any(problem.id.startswith("KP00") for problem in document.problems) and document.data is None:
        return "", "", document.problems
    before = path.read_bytes().decode("utf-8")
    return before, formatted(before), []


def _tell(path: Path, before: str, after: str, *, check: bool, diff: bool) -> None:
    name = path.as_posix()
    if diff:
        from difflib import unified_diff

        lines = unified_diff(before.splitlines(True), after.splitlines(True), name, f"{name} (formatted)")
        click.echo("".join(line if line.endswith("\n") else f"{line}\n" for line in lines), nl=False)
    elif check:
        click.echo(f"{name}: would be formatted")
    else:
        _write(path, after)
        click.echo(f"{name}: formatted")


def _write(path: Path, text: str) -> None:
    """Replace the file in one step, so that an editor or a crash never sees half of it."""
    from kling_pipe.storage.effects import Effects
    from kling_pipe.storage.temp_files import part_of

    part = part_of(path)
    try:
        part.write_bytes(text.encode("utf-8"))
        part.chmod(path.stat().st_mode & 0o777)
        # A link keeps being one: what it points to is replaced.
        Effects().replace(part, path.resolve())
    finally:
        part.unlink(missing_ok=True)
