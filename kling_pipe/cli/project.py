"""Verbs around a project: init, doctor, completion."""

from __future__ import annotations

from pathlib import Path

import click

from kling_pipe.cli.options import DEFAULT_MANIFEST, account_options, environment
from kling_pipe.errors import UsageError

_FIRST = """\
# yaml-language-server: $schema={schema}
version: 1
project: {project}  # part of every task's id: renaming it means "make everything anew"

vars:
  look: soft morning light, 35mm film

budget: {{ usd: 5 }}  # nothing is sent that would cost more

defaults:
  images: {{ model_name: kling-v3-omni, resolution: 1k, aspect_ratio: 16:9 }}
  videos: {{ model_name: kling-v3-omni, mode: std, sound: off, aspect_ratio: 16:9 }}

images:
  keyframe:
    prompt: A red kite above tea fields, {{{{ vars.look }}}}

videos:
  opening:
    first_frame: image.keyframe  # made first, then used
    duration: 3
    prompt: The kite climbs into the wind

  teaser:
    shots:  # one film of two shots
      - duration: 2
        prompt: "The kite from {{{{ image.keyframe }}}} turns above the fields"
      - duration: 3
        prompt: A child runs after its shadow, {{{{ vars.look }}}}
"""


@click.command()
@click.argument("folder", default=".", type=click.Path(path_type=Path, file_okay=False))
@click.option("--project", default="", metavar="NAME", help="Name of the project; the folder's name if left out.")
def init(folder: Path, project: str) -> None:
    """Write a first manifest into FOLDER. Nothing that exists is overwritten."""
    from kling_pipe.slug import slug

    target = folder / DEFAULT_MANIFEST
    if target.exists():
        raise UsageError(f"`{target}` exists already", hint="Edit it, or name another folder.")
    name = slug(project or folder.resolve().name).encode("ascii", "ignore").decode().strip("-")[:24].rstrip("-")
    if not name or not name[0].isalpha():
        name = f"kling-{name}"[:24].rstrip("-")
    schema = folder / ".kling-pipe" / "manifest.schema.json"
    _write_schema(schema)
    target.write_text(_FIRST.format(project=name, schema=".kling-pipe/manifest.schema.json"), encoding="utf-8")
    ignore = folder / ".gitignore"
    if not ignore.exists():
        ignore.write_text("out-emulator/\n", encoding="utf-8")
    click.echo(f"wrote {target}")
    at = "" if folder == Path() else f"cd {folder} && "
    click.echo(f"next: {at}kling-pipe run --emulator")


def _write_schema(target: Path) -> None:
    """The editor's schema beside the manifest, so that completion works without a network."""
    from kling_pipe.catalog import schemas_folder

    target.parent.mkdir(parents=True, exist_ok=True)
    (target.parent / ".gitignore").write_text("*\n", encoding="utf-8")
    source = schemas_folder() / "manifest.schema.json"
    target.write_text(source.read_text(encoding="utf-8"), encoding="utf-8")


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print a completion script: eval "$(kling-pipe completion bash)"."""
    from click.shell_completion import get_completion_class

    from kling_pipe.cli.main import cli

    found = get_completion_class(shell)
    assert found is not None
    click.echo(found(cli, {}, "kling-pipe", "_KLING_PIPE_COMPLETE").source())


@click.command()
@account_options
def doctor(emulator: bool, state: Path | None, env_file: Path | None) -> None:
    """Check this machine, the credentials and the account; spends nothing."""
    from kling_pipe.cli.doctor import findings

    environ = environment(env_file)
    worst = 0
    for ok, line, code in findings(Path.cwd(), environ, emulator=emulator, state=state):
        click.echo(f"{click.style('ok  ', fg='green') if ok else click.style('FAIL', fg='red')} {line}")
        worst = worst or (0 if ok else code)
    click.get_current_context().exit(worst)
