"""The verb that explains: a problem's id, or a file that was made."""

from __future__ import annotations

import re
from pathlib import Path

import click

from kling_pipe.cli.shared_options import store_of_verb
from kling_pipe.errors import UsageError

_LIKE_AN_ID = re.compile(r"[A-Za-z]{2,3}-?[0-9]+[a-z]?|schema/.*")


@click.command()
@click.argument("what", default="")
@click.option("--open", "shown", is_flag=True, help="Open the file that was made, too.")
@store_of_verb("Look into the ledger in this PostgreSQL instead of this folder's.")
def explain(what: str, shown: bool, database: str) -> None:
    """Explain WHAT: a problem's id (KP101, OV-05), or a file that a run saved, an address, an external id.

    Without WHAT all ids of problems are listed.

    A problem's text says what it means, shows an example and names the next step; a file's says what it was made from.
    """
    if not what:
        _list()
        return
    from kling_pipe.report.explanations import explain_text

    try:
        text = explain_text(what)
    except KeyError:
        if _LIKE_AN_ID.fullmatch(what):
            raise _unknown(what) from None
        from kling_pipe.cli.explain_file import explanation, made_file

        click.echo(explanation(Path(what), database))
        if shown:
            click.launch(str(made_file(Path(what), database)))
        return
    click.echo(text)


def _list() -> None:
    from kling_pipe.report.explanations import known_ids, registry

    titles = registry()
    for id in known_ids():
        click.echo(f"{id:<16} {titles[id].title}" if id in titles else id)


def _unknown(what: str) -> UsageError:
    from kling_pipe.core.text import nearest
    from kling_pipe.report.explanations import known_ids

    near = nearest(what.upper(), known_ids())
    hint = f"Did you mean `{near}`?" if near else "`kling-pipe explain` lists all ids."
    return UsageError(f"there is no problem `{what}`", hint=hint)


def title_and_text(id: str) -> tuple[str, str]:
    """A problem's title and its long text; both "" when nobody knows the id."""
    from kling_pipe.report.explanations import explain_text

    try:
        head, _, text = explain_text(id).partition("\n\n")
    except KeyError:
        return "", ""
    return head.partition(": ")[2] or head, text
