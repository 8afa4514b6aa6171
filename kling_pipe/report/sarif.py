"""Problems as SARIF 2.1.0, the form that code-scanning pages of GitHub, GitLab and editors read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePath, PurePosixPath
from typing import Any
from urllib.parse import quote

from kling_pipe.model import Problem
from kling_pipe.report.problem_details import facts

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_LEVELS = {"error": "error", "warn": "warning", "note": "note"}
Titles = Callable[[str], tuple[str, str]]
"""A problem's id -> its title and its long text; both "" when it is not known."""


def problems_sarif(
    problems: Sequence[Problem], *, titles: Titles = lambda _: ("", ""), version: str = "", artifact: str = ""
) -> str:
    """One SARIF log with one run. `artifact` is the file that problems without a place are shown at."""
    ids = sorted({problem.id for problem in problems})
    numbers = {id: number for number, id in enumerate(ids)}
    driver: dict[str, Any] = {"name": "kling-pipe", "rules": [_rule(id, *titles(id)) for id in ids]}
    if version:
        driver["version"] = version
    results = [_result(problem, numbers[problem.id], artifact) for problem in problems]
    run = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, ensure_ascii=False, indent=2)


def _rule(id: str, title: str, text: str) -> dict[str, Any]:
    rule: dict[str, Any] = {"id": id}
    if title:
        rule["shortDescription"] = {"text": title}
    if text:
        rule["fullDescription"] = {"text": text.partition("\n\n")[0]}
        rule["help"] = {"text": text, "markdown": text}
    return rule


def _result(problem: Problem, number: int, artifact: str) -> dict[str, Any]:
    result = {
        "ruleId": problem.id,
        "ruleIndex": number,
        "level": _LEVELS[problem.level],
        "message": {"text": _message(problem)},
        "locations": [_location(problem, artifact)],
        "partialFingerprints": {"klingPipe/v1": _fingerprint(problem)},
    }
    properties = {name: getattr(problem, name) for name in ("address", "rule", "source") if getattr(problem, name)}
    return {**result, "properties": properties} if properties else result


def _message(problem: Problem) -> str:
    return "\n".join([problem.message, *(f"{word}: {text}" for word, text in facts(problem))])


def _location(problem: Problem, artifact: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    place = problem.position
    if place is not None:
        region: dict[str, Any] = {"startLine": place.line, "startColumn": place.column}
        if problem.excerpt:
            region |= {"endColumn": place.column + max(1, problem.width), "snippet": {"text": problem.excerpt}}
        found["physicalLocation"] = {"artifactLocation": _artifact(place.file), "region": region}
    elif artifact:
        found["physicalLocation"] = {"artifactLocation": _artifact(artifact)}
    if problem.address:
        found["logicalLocations"] = [{"fullyQualifiedName": problem.address, "kind": "object"}]
    return found


def _artifact(name: str) -> Mapping[str, str]:
    path = PurePath(name)
    if path.is_absolute():
        return {"uri": path.as_uri()}
    return {"uri": quote(str(PurePosixPath(*path.parts))), "uriBaseId": "%SRCROOT%"}


def _fingerprint(problem: Problem) -> str:
    """The same for the same mistake after lines moved, so that a reviewer's "won't fix" stays with it."""
    file = problem.position.file if problem.position else ""
    text = "\0".join((problem.id, file, problem.address, problem.excerpt.strip(), problem.message))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
