"""Verbs that only read: validate, render, graph."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from kling_pipe.cli.options import compile_options, selection_options, variables_from
from kling_pipe.errors import ManifestInvalid

_FORMATS = click.Choice(["text", "json", "github"])


@click.command()
@compile_options
@click.option("--format", "form", type=_FORMATS, default="text", help="How problems are printed.")
@click.option("--strict", is_flag=True, help="Warnings fail too.")
def validate(manifest: Path, variables: tuple[str, ...], variable_files: tuple[Path, ...], profile: str, form: str, strict: bool) -> None:
    """Check the manifest, its templates, files and requests. Offline; exit 3 when something is wrong."""
    from kling_pipe import api
    from kling_pipe.report.problems import FORMATS

    jobs = None
    try:
        loaded = api.load(manifest, vars=variables_from(variables, variable_files), profile=profile)
        problems, jobs = loaded.problems, len(loaded.jobs)
    except ManifestInvalid as error:
        problems = error.problems
    errors = sum(1 for one in problems if one.level == "error")
    warnings = sum(1 for one in problems if one.level == "warn")
    shown = [one for one in problems if one.level != "note" or form != "text" or not errors]
    if form == "json" or shown:
        click.echo(FORMATS[form](shown))
    if form == "text":
        count = f"{jobs} jobs, " if jobs is not None else ""
        click.echo(f"{manifest}: {count}{_count(errors, 'error')}, {_count(warnings, 'warning')}", err=bool(errors))
    if errors or (strict and warnings):
        click.get_current_context().exit(ManifestInvalid.exit_code)


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"


@click.command()
@compile_options
@selection_options
def render(manifest: Path, variables: tuple[str, ...], variable_files: tuple[Path, ...], profile: str,
           select: tuple[str, ...], exclude: tuple[str, ...]) -> None:  # fmt: skip
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
            rows.append({"address": job.address, "operation": job.operation, "method": operation.kling["method"],
                         "path": operation.path, "body": body})  # fmt: skip
    click.echo(json.dumps(rows, ensure_ascii=False, indent=2))


@click.command()
@compile_options
@selection_options
@click.option("--format", "form", type=click.Choice(["mermaid", "dot"]), default="mermaid", help="Language of the picture.")
def graph(manifest: Path, variables: tuple[str, ...], variable_files: tuple[Path, ...], profile: str,
          select: tuple[str, ...], exclude: tuple[str, ...], form: str) -> None:  # fmt: skip
    """Print the dependencies as a mermaid or dot picture: an arrow goes from what is used to what uses it."""
    from kling_pipe import api
    from kling_pipe.report.picture import dot, mermaid
    from kling_pipe.select import chosen

    loaded = api.load(manifest, vars=variables_from(variables, variable_files), profile=profile)
    wanted = chosen(loaded.jobs, select, exclude)
    jobs = [job for job in loaded.jobs if job.address in wanted]
    click.echo(mermaid(jobs) if form == "mermaid" else dot(jobs))
