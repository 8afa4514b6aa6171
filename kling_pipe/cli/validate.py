"""Verbs that only read: validate, render, graph."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kling_pipe.cli.config_file import settings_for
from kling_pipe.cli.publish_settings import publishes
from kling_pipe.cli.severity_options import level_options
from kling_pipe.cli.shared_options import (
    DEFAULT_MANIFEST,
    compile_options,
    probe_option,
    selection_options,
    standard_of,
    standard_option,
    variable_options,
    variables_from,
)
from kling_pipe.cli.summary import VARIABLE, write_step_summary
from kling_pipe.errors import ManifestInvalid
from kling_pipe.report.formats import NAMES

if TYPE_CHECKING:
    from kling_pipe.model import Problem
    from kling_pipe.report.severity import Levels


_LINES = ("text", "github")
_AT_THE_TOP = ("github", "sarif")


@dataclass(frozen=True, slots=True)
class _Checked:
    """What a manifest, or several, came to. `sound` when there are jobs that could be run."""

    manifest: str
    problems: tuple[Problem, ...]
    addresses: tuple[str, ...]
    sound: bool

    def shown(self, *, notes: bool) -> list[Problem]:
        return [one for one in self.problems if notes or one.level != "note"]

    def counts(self) -> str:
        errors, warnings = (sum(1 for one in self.problems if one.level == level) for level in ("error", "warn"))
        counts = [_count(errors, "error"), _count(warnings, "warning")]
        return ", ".join([_count(len(self.addresses), "job"), *counts] if self.sound else counts)


@click.command()
@click.argument("manifests", nargs=-1, metavar="[MANIFEST]...", type=click.Path(path_type=Path))
@variable_options
@standard_option
@level_options
@probe_option
@click.option("--format", "form", type=click.Choice(NAMES), default="text", help="How problems are printed.")
def validate(
    manifests: tuple[Path, ...],
    variables: tuple[str, ...],
    variable_files: tuple[Path, ...],
    profile: str,
    standard: str,
    probe: bool,
    form: str,
    levels: Callable[[Path], Levels],
) -> None:
    """Check manifests (kling-pipe.yaml): their templates, files and requests.

    Offline unless --probe; exit 3 when something is wrong.
    """
    given = variables_from(variables, variable_files)
    paths = manifests or (Path(DEFAULT_MANIFEST),)
    checked = [
        _checked(path, given, profile, standard_of(standard, settings_for(path.parent)), levels(path), probe=probe)
        for path in paths
    ]
    if form in _LINES:
        for one in checked:
            _tell_lines(one, form)
    else:
        click.echo(_document(checked, form))
    if VARIABLE in os.environ:
        write_step_summary(_document(checked, "markdown"), os.environ)
    if not all(one.sound for one in checked):
        click.get_current_context().exit(ManifestInvalid.exit_code)


def _checked(
    manifest: Path, given: dict[str, Any], profile: str, standard: str, levels: Levels, *, probe: bool
) -> _Checked:
    from kling_pipe import api
    from kling_pipe.manifest.file_inspection import read_links

    name = manifest.as_posix()
    try:
        links = read_links if probe else None
        loaded = api.load(
            manifest,
            vars=given,
            profile=profile,
            levels=levels,
            standard=standard,
            links=links,
            publishes=publishes(manifest),
            accounts=settings_for(manifest.parent).get("accounts", ()),
        )
    except ManifestInvalid as error:
        return _Checked(name, error.problems, error.addresses, sound=False)
    return _Checked(name, loaded.problems, tuple(job.address for job in loaded.jobs), sound=True)


def _tell_lines(checked: _Checked, form: str) -> None:
    """Problems line by line, and the counts; notes only where nothing graver is to be read."""
    from kling_pipe.report.formats import problems_as

    if shown := checked.shown(notes=checked.sound):
        click.echo(problems_as(form, _placed(shown, form)))
    quiet = not checked.sound or form == "github"
    click.echo(f"{checked.manifest}: {checked.counts()}", err=quiet)


def _document(checked: Sequence[_Checked], form: str) -> str:
    """One document about all manifests."""
    from kling_pipe import __version__
    from kling_pipe.cli.explain import title_and_text
    from kling_pipe.report.formats import problems_as

    problems = [problem for one in checked for problem in one.shown(notes=True)]
    addresses = [address for one in checked for address in one.addresses]
    name = ", ".join(one.manifest for one in checked)
    return problems_as(
        form, _placed(problems, form), manifest=name, addresses=addresses, titles=title_and_text, version=__version__
    )


def _placed(problems: list[Problem], form: str) -> list[Problem]:
    """For services that show a problem at its line: files as seen from the top of the repository, not from here."""
    top = os.environ.get("GITHUB_WORKSPACE", "")
    if form not in _AT_THE_TOP or not top or not Path.cwd().is_relative_to(top):
        return problems
    below = Path.cwd().relative_to(top)
    return [
        replace(one, position=replace(one.position, file=(below / one.position.file).as_posix()))
        if one.position
        else one
        for one in problems
    ]


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"


@click.command()
@compile_options
@selection_options
@standard_option
def render(
    manifest: Path,
    variables: tuple[str, ...],
    variable_files: tuple[Path, ...],
    profile: str,
    standard: str,
    select: tuple[str, ...],
    exclude: tuple[str, ...],
) -> None:
    """Print the compiled API requests as JSON: [{address, operation, method, path, body}].

    What is known only at run time stands as {"$ref": address}, a local file as {"$file": path, "sha256": ...}.
    """
    from kling_pipe import api
    from kling_pipe.catalog.api_v2 import sent_in
    from kling_pipe.catalog.operations import operations
    from kling_pipe.manifest.selectors import chosen
    from kling_pipe.report.requests import request_form

    spoken = standard_of(standard, settings_for(manifest.parent))
    loaded = api.load(manifest, vars=variables_from(variables, variable_files), profile=profile, standard=spoken)
    wanted = chosen(loaded.jobs, select, exclude)
    rows: list[dict[str, Any]] = []
    for job in loaded.jobs:
        if job.address in wanted:
            operation = operations()[job.operation]
            path, request = sent_in(spoken, operation, job.request)
            body = request_form(request, loaded.root)
            rows.append(
                {
                    "address": job.address,
                    "operation": job.operation,
                    "method": operation.kling["method"],
                    "path": path,
                    "body": body,
                }
            )
    click.echo(json.dumps(rows, ensure_ascii=False, indent=2))


@click.command()
@compile_options
@selection_options
@click.option(
    "--format", "form", type=click.Choice(["mermaid", "dot"]), default="mermaid", help="Language of the picture."
)
def graph(
    manifest: Path,
    variables: tuple[str, ...],
    variable_files: tuple[Path, ...],
    profile: str,
    select: tuple[str, ...],
    exclude: tuple[str, ...],
    form: str,
) -> None:
    """Print the dependencies as a mermaid or dot picture: an arrow goes from what is used to what uses it."""
    from kling_pipe import api
    from kling_pipe.manifest.selectors import chosen
    from kling_pipe.report.graph_text import dot, mermaid

    loaded = api.load(manifest, vars=variables_from(variables, variable_files), profile=profile)
    wanted = chosen(loaded.jobs, select, exclude)
    jobs = [job for job in loaded.jobs if job.address in wanted]
    click.echo(mermaid(jobs) if form == "mermaid" else dot(jobs))
