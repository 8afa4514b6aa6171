"""Problems as text with a caret, as JSON, or as GitHub annotations; `formats` knows all forms."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict

import click

from kling_pipe.model import Problem
from kling_pipe.report.cell_width import cells
from kling_pipe.report.problem_details import facts

FORMAT_VERSION = "1.0"
_COLOURS = {"error": "red", "warn": "yellow", "note": "cyan"}
_WORDS = {"error": "error", "warn": "warning", "note": "note"}
_LONGEST_EXCERPT = 160
_TAB = "\N{RIGHTWARDS ARROW}"


def problem_text(problem: Problem) -> str:
    """One problem: place, level, id, message; the source line with a caret; what is allowed and what to do."""
    place = f"{problem.position}: " if problem.position else ""
    level = click.style(f"{_WORDS[problem.level]}[{problem.id}]", fg=_COLOURS[problem.level], bold=True)
    address = f" {problem.address}:" if problem.address else ""
    lines = [f"{place}{level}{address} {problem.message}"]
    if problem.excerpt.strip() and problem.position:
        lines += _excerpt(problem, problem.position.line, problem.position.column)
    lines += [f"    {word}: {text}" for word, text in facts(problem)]
    return "\n".join(lines)


def plain_text(problem: Problem) -> str:
    """`problem_text` without colours."""
    return click.unstyle(problem_text(problem))


def _excerpt(problem: Problem, number: int, column: int) -> list[str]:
    """The source line and a caret under the value; wide letters and long lines keep the caret in its place."""
    text = problem.excerpt.replace("\t", _TAB)
    start = max(0, column - 1 - _LONGEST_EXCERPT // 2) if len(text) > _LONGEST_EXCERPT else 0
    shown = ("..." if start else "") + text[start : start + _LONGEST_EXCERPT]
    before = ("..." if start else "") + text[start : column - 1]
    pad = " " * cells(before)
    marked = text[column - 1 : column - 1 + max(1, problem.width)][:_LONGEST_EXCERPT]
    caret = "^" * max(1, cells(marked))
    gutter = f"{number:>5} | "
    return [f"{gutter}{shown}", f"{' ' * (len(gutter) - 2)}| {pad}{click.style(caret, fg=_COLOURS[problem.level])}"]


def problems_text(problems: Sequence[Problem]) -> str:
    """All problems, one after the other."""
    return "\n".join(problem_text(problem) for problem in problems)


def problems_json(problems: Sequence[Problem]) -> str:
    """`{format_version, problems: [...]}`; the fields are those of `model.Problem`."""
    rows = [
        {name: value for name, value in asdict(problem).items() if name not in ("excerpt", "width")}
        for problem in problems
    ]
    return json.dumps({"format_version": FORMAT_VERSION, "problems": rows}, ensure_ascii=False, indent=2)


def problems_github(problems: Sequence[Problem]) -> str:
    """Workflow commands that GitHub Actions shows at the line in a pull request."""
    levels = {"error": "error", "warn": "warning", "note": "notice"}
    lines = []
    for problem in problems:
        place = problem.position
        where = f"file={_property(place.file)},line={place.line},col={place.column}," if place else ""
        title = _property(f"{problem.id} {problem.address}".strip())
        body = "\n".join([problem.message, *(f"{word}: {text}" for word, text in facts(problem))])
        lines.append(f"::{levels[problem.level]} {where}title={title}::{_data(body)}")
    return "\n".join(lines)


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


FORMATS = {"text": problems_text, "json": problems_json, "github": problems_github}
