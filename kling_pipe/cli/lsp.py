"""The verb that serves editors."""

from __future__ import annotations

import os
from collections.abc import Collection
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kling_pipe.cli.publish_settings import publishes
from kling_pipe.errors import UsageError

if TYPE_CHECKING:
    from kling_pipe.report.severity import Levels


@click.command()
@click.option("--stdio", is_flag=True, expose_value=False, help="Speak over stdin and stdout, which it does anyway.")
def lsp() -> None:
    """Serve editors: problems while you type, completion, hover, definitions, rename.

    Speaks the Language Server Protocol over stdin and stdout; an editor starts it.
    """
    if find_spec("pygls") is None:
        raise UsageError(
            "the language server needs packages that are not installed",
            hint="Run `pip install 'kling-pipe[lsp]'` in the environment of kling-pipe.",
        )
    from kling_pipe import __version__
    from kling_pipe.editor.lsp.features import serve

    serve(_levels, __version__, publishes=publishes, standard=_standard, accounts=_accounts)


def _levels(manifest: Path) -> Levels:
    """The levels that `kling-pipe.toml` beside a manifest sets."""
    from kling_pipe.cli.severity_options import levels_from

    return levels_from(manifest, (), (), strict=False)


def _accounts(manifest: Path) -> Collection[str]:
    """The names that stand under `[accounts]` in `kling-pipe.toml` beside a manifest."""
    from kling_pipe.cli.config_file import settings_for

    names: Collection[str] = settings_for(manifest.parent).get("accounts", ())
    return names


def _standard(manifest: Path) -> str:
    """The standard that the environment or `kling-pipe.toml` beside a manifest names."""
    from kling_pipe.cli.config_file import settings_for
    from kling_pipe.cli.shared_options import standard_of

    return standard_of(os.environ.get("KLING_PIPE_STANDARD", ""), settings_for(manifest.parent))
