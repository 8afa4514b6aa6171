"""Whether texts are coloured: `--color` over `NO_COLOR` and `FORCE_COLOR`, else as the stream says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

WHEN = ("auto", "always", "never")


def from_environment(environ: Mapping[str, str]) -> bool | None:
    """True or False as the variables say (https://no-color.org: set, and not empty); None leaves it to the stream."""
    if environ.get("NO_COLOR"):
        return False
    return True if environ.get("FORCE_COLOR") else None


def _chosen(ctx: click.Context, _parameter: click.Parameter, when: str | None) -> None:
    # The root context outlives the verb: what is told about an error after it is coloured alike.
    root = ctx.find_root()
    if when is not None:
        root.color = {"always": True, "never": False}.get(when)
    ctx.color = root.color


def color_option(command: Any) -> Any:
    """`--color`, for the whole program."""
    return click.option(
        "--color",
        type=click.Choice(WHEN),
        is_eager=True,
        expose_value=False,
        callback=_chosen,
        help="Colours: auto (on a terminal), always or never. NO_COLOR is heeded.",
    )(command)
