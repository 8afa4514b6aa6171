"""Verbs around a project: init, doctor, completion."""

from __future__ import annotations

from pathlib import Path

import click

from kling_pipe.cli.init_files import NAMES
from kling_pipe.cli.shared_options import DEFAULT_MANIFEST, account_options, environment, standard_of, standard_option
from kling_pipe.errors import LocalStateError, UsageError


@click.command()
@click.argument("folder", default=".", type=click.Path(path_type=Path, file_okay=False))
@click.option("--project", default="", metavar="NAME", help="Name of the project; the folder's name if left out.")
@click.option(
    "--template",
    type=click.Choice(NAMES),
    default=NAMES[0],
    help="quickstart: three jobs; campaign: a character, markets, formats, drafts; batch: a table; library: elements.",
)
def init(folder: Path, project: str, template: str) -> None:
    """Write a first manifest into FOLDER, with pictures and files around it. Nothing that exists is overwritten."""
    from kling_pipe.cli.init_files import files
    from kling_pipe.cli.project_name import project_name

    target = folder / DEFAULT_MANIFEST
    if target.exists():
        raise UsageError(f"`{target}` exists already", hint="Edit it, or name another folder.")
    _write_schema(folder / ".kling-pipe" / "manifest.schema.json")
    for name, data in files(template, project_name(project or folder.resolve().name)):
        _write_new(folder / name, data)
    at = "" if folder == Path() else f"cd {folder} && "
    click.echo(f"next: {at}kling-pipe run --emulator")


def _write_new(path: Path, data: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as file:
            file.write(data)
    except FileExistsError:
        click.echo(f"kept  {path}")
    except OSError as error:
        raise LocalStateError(f"`{path}` cannot be written: {error.strerror or error}") from error
    else:
        click.echo(f"wrote {path}")


def _write_schema(target: Path) -> None:
    """The editor's schema beside the manifest, so that completion works without a network."""
    from kling_pipe.catalog.operations import schemas_folder

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
@standard_option
@click.option(
    "--probe",
    is_flag=True,
    help="Also make one free element on the account, try whether its id is unique and found, and delete it again.",
)
def doctor(
    accounts: tuple[str, ...], emulator: bool, state: Path | None, env_file: Path | None, standard: str, probe: bool
) -> None:
    """Check this machine, the credentials and the accounts; spends nothing."""
    from kling_pipe.cli.account_options import accounts_of
    from kling_pipe.cli.config_file import settings_for
    from kling_pipe.cli.doctor import findings

    environ, worst, settings = environment(env_file), 0, settings_for(Path.cwd())
    if "base_url" in settings:
        environ.setdefault("KLING_BASE_URL", settings["base_url"])
    found = findings(
        Path.cwd(),
        environ,
        emulator=emulator,
        state=state,
        probe=probe,
        named=accounts_of(settings, accounts),
        standard=standard_of(standard, settings),
    )
    for ok, line, code in found:
        click.echo(f"{click.style('ok  ', fg='green') if ok else click.style('FAIL', fg='red')} {line}")
        worst = worst or (0 if ok else code)
    click.get_current_context().exit(worst)
