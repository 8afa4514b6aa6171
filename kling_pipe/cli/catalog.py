"""Verbs about the API itself: check, operations, schema."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from kling_pipe.errors import ManifestInvalid, UsageError
from kling_pipe.report.formats import NAMES


def _operation(name: str) -> Any:
    from kling_pipe.catalog.operations import find, operations
    from kling_pipe.core.text import nearest

    found = find(name)
    if found is None:
        near = nearest(name, [*operations(), *(one.path for one in operations().values())])
        raise UsageError(
            f"there is no operation `{name}`",
            hint=f"did you mean `{near}`?" if near else "`kling-pipe operations` lists them.",
        )
    return found


def _read_body(source: str) -> tuple[str, Any]:
    name = "stdin" if source == "-" else source
    try:
        text = sys.stdin.read() if source == "-" else Path(source).read_text(encoding="utf-8-sig")
        return name, json.loads(text)
    except OSError as error:
        raise UsageError(
            f"cannot read `{name}`: {error.strerror or error}", hint="Check the path; - reads from stdin."
        ) from None
    except RecursionError:
        raise _invalid(name, 1, 1, "nested too deeply") from None
    except UnicodeDecodeError:
        raise _invalid(name, 1, 1, "not UTF-8") from None
    except json.JSONDecodeError as error:
        raise _invalid(name, error.lineno, error.colno, f"not JSON: {error.msg}") from None


def _invalid(name: str, line: int, column: int, message: str) -> ManifestInvalid:
    from kling_pipe.model import Position, Problem

    return ManifestInvalid([Problem("KP001", "error", message, Position(name, line, column))])


def _completed(_ctx: click.Context, _parameter: click.Parameter, begun: str) -> list[str]:
    from kling_pipe.catalog.operations import operations as known

    return [name for name in known() if name.startswith(begun)]


@click.command()
@click.argument("operation", shell_complete=_completed)
@click.argument("body", default="-")
@click.option("--lenient", is_flag=True, help='Coerce what loses nothing ("true" -> true, 5 -> "5") and warn.')
@click.option("--strict", is_flag=True, help="Unknown keys are errors.")
@click.option("--format", "form", type=click.Choice(NAMES), default="text", help="How problems are printed.")
def check(operation: str, body: str, lenient: bool, strict: bool, form: str) -> None:
    """Check a raw request BODY (a JSON file, or - for stdin) against OPERATION: a name or an API path.

    Prints every problem with its place in the body; exit 3 when the API would refuse it.
    """
    from kling_pipe.catalog.validation import check as check_body
    from kling_pipe.catalog.validation import coerce

    found = _operation(operation)
    name, data = _read_body(body)
    if not isinstance(data, dict):
        raise _invalid(name, 1, 1, "a request body is a JSON object")
    warnings: list[Any] = []
    if lenient:
        data, warnings = coerce(found, data)
    findings = [*warnings, *check_body(found, data, strict=strict)]
    problems = [_problem(one, name) for one in findings]
    errors = sum(1 for one in problems if one.level == "error")
    if problems or form not in ("text", "github"):
        click.echo(_shown(form, problems, name))
    if form == "text":
        click.echo(f"{name}: {'invalid' if errors else 'valid'} for {found.name}", err=bool(errors))
    if errors:
        click.get_current_context().exit(ManifestInvalid.exit_code)


def _shown(form: str, problems: list[Any], name: str) -> str:
    from kling_pipe import __version__
    from kling_pipe.cli.explain import title_and_text
    from kling_pipe.report.formats import problems_as

    addresses = sorted({one.address for one in problems}) or [name] if form == "junit" else []
    return problems_as(form, problems, manifest=name, addresses=addresses, titles=title_and_text, version=__version__)


def _problem(finding: Any, name: str) -> Any:
    from kling_pipe.model import Problem

    pointer = "/" + "/".join(map(str, finding.pointer))
    return Problem(
        finding.rule,
        finding.level,
        finding.message,
        None,
        f"{name} {pointer}",
        found=finding.found,
        allowed=finding.allowed,
        near=finding.near,
        hint=finding.hint,
        rule=finding.rule,
        source=finding.source,
    )


@click.command(name="operations")
@click.argument("operation", default="", shell_complete=_completed)
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
def operations(operation: str, as_json: bool) -> None:
    """List the operations, or show one with its fields and rules."""
    from kling_pipe.catalog.operations import operations as known

    if operation:
        from kling_pipe.report.api_docs import page

        found = _operation(operation)
        click.echo(json.dumps(found.schema, ensure_ascii=False, indent=2) if as_json else page(found))
        return
    rows = [
        {
            "name": one.name,
            "makes": one.kind,
            "method": one.kling["method"],
            "path": one.path,
            "title": one.schema.get("title", ""),
        }
        for one in known().values()
    ]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    width = max(len(row["name"]) for row in rows)
    for row in rows:
        click.echo(f"{row['name']:<{width}}  {row['makes']:<8} {row['method']} {row['path']}")


@click.command()
@click.argument("name", default="manifest", shell_complete=_completed)
def schema(name: str) -> None:
    """Print a JSON Schema: `manifest` (for editors) or an operation's request body."""
    from kling_pipe.catalog.operations import table

    found = table("manifest.schema") if name == "manifest" else _operation(name).schema
    click.echo(json.dumps(found, ensure_ascii=False, indent=2))
