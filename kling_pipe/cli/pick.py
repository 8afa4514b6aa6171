"""The verb that says which take counts."""

from __future__ import annotations

import os
from pathlib import Path

import click

from kling_pipe.cli.shared_options import compile_options, variables_from


@click.command()
@click.argument("address")
@click.argument("take", type=click.IntRange(1))
@compile_options
def pick(
    address: str, take: int, manifest: Path, variables: tuple[str, ...], variable_files: tuple[Path, ...], profile: str
) -> None:
    """Make TAKE the one that later jobs use: writes `pick:` into the manifest, comments and layout untouched.

    ADDRESS is a recipe such as image.keyframe. Nothing is sent; `plan` shows what the change asks for.
    """
    from kling_pipe import api
    from kling_pipe.manifest.pick_edit import pick as written

    loaded = api.load(manifest, vars=variables_from(variables, variable_files), profile=profile)
    done = written(loaded, address, take)
    place = f"{os.path.relpath(done.file)}:{done.line}"
    if done.before == done.take:
        click.echo(f"{done.recipe}: take {take} is picked already ({place})")
    else:
        click.echo(f"{done.recipe}: take {take} is picked, instead of take {done.before} ({place})")
        click.echo("`kling-pipe plan` shows what that changes.", err=True)
