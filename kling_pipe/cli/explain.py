"""The verb that explains: a problem's id, or a file that was made."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import click

from kling_pipe.errors import UsageError

_FILES = "kling_pipe.cli.explain_file"


@click.command()
@click.argument("what", default="")
def explain(what: str) -> None:
    """Explain WHAT: the id of a problem (KP104, OV-05), or a file that a run saved. Without it: all ids.

    A problem's text says what it means, shows an example and names the next step; a file's says what it was made from.
    """
    if not what:
        _list()
        return
    from kling_pipe.problems import explain_text

    try:
        click.echo(explain_text(what))
    except KeyError:
        _explain_file(Path(what))


def _list() -> None:
    from kling_pipe.problems import known_ids, registry

    titles = registry()
    for id in known_ids():
        click.echo(f"{id:<16} {titles[id].title}" if id in titles else id)


def _explain_file(path: Path) -> None:
    if path.exists() and find_spec(_FILES):
        click.echo(import_module(_FILES).explanation(path))
        return
    from kling_pipe.nearest import nearest
    from kling_pipe.problems import known_ids

    near = nearest(str(path).upper(), known_ids())
    raise UsageError(
        f"`{path}` is no problem's id, and no file",
        hint=f"Did you mean `{near}`?" if near else "`kling-pipe explain` lists all ids.",
    )


def title_and_text(id: str) -> tuple[str, str]:
    """A problem's title and its long text; both "" when nobody knows the id."""
    from kling_pipe.problems import explain_text

    try:
        head, _, text = explain_text(id).partition("\n\n")
    except KeyError:
        return "", ""
    return head.partition(": ")[2] or head, text
