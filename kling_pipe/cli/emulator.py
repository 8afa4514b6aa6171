"""The verb that runs the local Kling."""

from __future__ import annotations

from pathlib import Path

import click


@click.group()
def emulator() -> None:
    """Run the local Kling: the API, offline, for kling-pipe or any other client."""
