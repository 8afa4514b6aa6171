"""Verbs that only read: validate, render, graph."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kling_pipe.cli.levels import level_options
from kling_pipe.cli.options import compile_options, selection_options, variables_from
from kling_pipe.errors import ManifestInvalid
from kling_pipe.report.formats import NAMES

if TYPE_CHECKING:
    from kling_pipe.model import Problem
    from kling_pipe.report.levels import Levels


@click.command()
@compile_options
@level_options
@click.option("--format", "form", type=click.Choice(NAMES), default="text", help="How problems are printed.")
def validate(
    manifest: Path,
    variables: tuple[str, ...],
    variable_files: tuple[Path, ...],
    profile: str,
    form: str,
    levels: Callable[[Path], Levels],
) -> None:
    """Check the manifest, its templates, files and requests. Offline; exit 3 when something is wrong."""
    from kling_pipe import api

    try:
        vars = variables_from(variables, variable_files)
        loaded = api.load(manifest, vars=vars, profile=profile, levels=levels(manifest))
        problems, jobs, sound = loaded.problems, [job.address for job in loaded.jobs], True
    except ManifestInvalid as error:
        problems, jobs, sound = error.problems, list(error.addresses), False
    _tell(manifest, problems, jobs, form, sound)
    if not sound:
        click.get_current_context().exit(ManifestInvalid.exit_code)


def _tell(manifest: Path, problems: Sequence[Problem], jobs: list[str], form: str, sound: bool) -> None:
    import os

    from kling_pipe import __version__
    from kling_pipe.cli.explain import title_and_text
    from kling_pipe.cli.summary import write_step_summary
    from kling_pipe.report.formats import problems_as

    name, text = manifest.as_posix(), form in ("text", "github")
    shown = [one for one in problems if one.level != "note" or not text or sound]
    if shown or not text:
        click.echo(problems_as(form, shown, manifest=name, addresses=jobs, titles=title_and_text, version=__version__))
    if text:
        errors, warnings = (sum(1 for one in problems if one.level == level) for level in ("error", "warn"))
        counts = ", ".join(
            [*([_count(len(jobs), "job")] if sound else []), _count(errors, "error"), _count(warnings, "warning")]
        )
        click.echo(f"{name}: {counts}", err=bool(errors) or form == "github")
    write_step_summary(problems_as("markdown", shown, manifest=name, addresses=jobs), os.environ)


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"


@click.command()
@compile_options
@selection_options
def render(
    manifest: Path,
    variables: tuple[str, ...],
    variable_files: tuple[Path, ...],
    profile: str,
    select: tuple[str, ...],
    exclude: tuple[str, ...],
) -> None:
    """Print the compiled API requests as JSON: [{address, operation, method, path, body}].

    What is known only at run time stands as {"$ref": address}, a local file as {"$file": path, "sha256": ...}.
    """
    from kling_pipe import api
    from kling_pipe.catalog import operations
    from kling_pipe.report.requests import request_form
    from kling_pipe.select import chosen

    loaded = api.load(manifest, vars=variables_from(variables, variable_files), profile=profile)
    wanted = chosen(loaded.jobs, select, exclude)
    rows: list[dict[str, Any]] = []
    for job in loaded.jobs:
        if job.address in wanted:
            operation = operations()[job.operation]
            body = request_form(job.request, loaded.root)
            rows.append(
                {
                    "address": job.address,
                    "operation": job.operation,
                    "method": operation.kling["method"],
                    "path": operation.path,
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
    from kling_pipe.report.picture import dot, mermaid
    from kling_pipe.select import chosen

    loaded = api.load(manifest, vars=variables_from(variables, variable_files), profile=profile)
    wanted = chosen(loaded.jobs, select, exclude)
    jobs = [job for job in loaded.jobs if job.address in wanted]
    click.echo(mermaid(jobs) if form == "mermaid" else dot(jobs))
