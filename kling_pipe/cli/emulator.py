"""The verb that runs the local Kling."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import NoReturn

import click

from kling_pipe.errors import UsageError


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(message, hint="`kling-pipe emulator serve --help` shows what there is.")


@click.group()
def emulator() -> None:
    """Run the local Kling: the API, offline, for kling-pipe or any other client."""


@emulator.command(context_settings={"ignore_unknown_options": True, "help_option_names": []}, add_help_option=False)
@click.argument("flags", nargs=-1, type=click.UNPROCESSED)
def serve(flags: tuple[str, ...]) -> None:
    """Serve until Ctrl-C; prints the environment lines that point any Kling client at it."""
    from kling_pipe.emulator import options

    # The emulator's options are one value with one table of flags; click would only repeat it.
    parser = _Parser(
        prog="kling-pipe emulator serve", description="A local Kling: the API, offline, with real PNG and MP4 files."
    )
    parser.add_argument("--state", type=Path, help="folder that keeps tasks and media; without it nothing is kept")
    parser.add_argument("--quiet", action="store_true", help="do not print the environment lines")
    options.add_arguments(parser)
    given = parser.parse_args(flags)
    chosen = options.from_arguments(given)
    _needs_extra()
    from kling_pipe.emulator.server import serve as run

    run(given.state, chosen, quiet=given.quiet)


def _needs_extra() -> None:
    from importlib.util import find_spec

    missing = [name for name in ("starlette", "uvicorn", "av") if find_spec(name) is None]
    if missing:
        raise UsageError(
            f"the emulator needs {', '.join(missing)}", hint="Install it: pip install 'kling-pipe[emulator]'."
        )
