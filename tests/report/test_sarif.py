"""SARIF: every log fits the official schema, whatever the problems hold."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft4Validator
from program import call

from kling_pipe.model import Position, Problem
from kling_pipe.report.sarif import problems_sarif

HERE = Path(__file__).parent.parent
TEXT = st.text(max_size=20)
PLACES = st.builds(
    Position, st.sampled_from(["a.yaml", "b c/ä.yaml", "d%/e#.yaml"]), st.integers(1, 99), st.integers(1, 99)
)
PROBLEMS = st.builds(
    Problem,
    id=st.sampled_from(["KP101", "OV-05", "schema/enum"]),
    level=st.sampled_from(["error", "warn", "note"]),
    message=TEXT,
    position=st.none() | PLACES,
    address=st.sampled_from(["", "video.a@jp-16x9#2"]),
    excerpt=TEXT,
    width=st.integers(0, 20),
    found=TEXT,
    hint=TEXT,
    source=TEXT,
)


@cache
def schema() -> Draft4Validator:
    return Draft4Validator(json.loads((HERE / "schemas" / "sarif-2.1.0.json").read_text("utf-8")))


def results(log: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(log)["runs"][0]["results"]
    return found


@settings(max_examples=40, deadline=None)
@given(st.lists(PROBLEMS, max_size=6))
def test_every_log_fits_the_schema(problems: list[Problem]) -> None:
    """Also without places, with odd file names, and with nothing found."""
    log = problems_sarif(
        problems, titles=lambda id: (f"title of {id}", "why\n\nmore"), version="1.2", artifact="m.yaml"
    )

    assert [error.message for error in schema().iter_errors(json.loads(log))] == []
    assert len(results(log)) == len(problems)


def test_the_schema_refuses_what_is_not_sarif() -> None:
    """The test above could fail: the schema is not an empty one."""
    assert list(schema().iter_errors({"version": "2.1.0", "runs": [{"tool": {}}]}))


def test_a_result_points_at_the_very_value() -> None:
    place = Position("pipelines/spring tea.yaml", 12, 9)
    problem = Problem(
        "OV-05", "warn", "too long", place, "video.a", "    mode: fast", 4, near="std", source="page, 2026"
    )

    (result,) = results(problems_sarif([problem]))

    assert result["level"] == "warning"
    assert result["message"]["text"] == "too long\ndid you mean: `std`?\nrule: page, 2026"
    place = result["locations"][0]["physicalLocation"]
    assert place["artifactLocation"] == {"uri": "pipelines/spring%20tea.yaml", "uriBaseId": "%SRCROOT%"}
    assert (place["region"]["startLine"], place["region"]["endColumn"]) == (12, 13)


def test_a_finding_keeps_its_identity_when_lines_move() -> None:
    """A reviewer's "won't fix" stays with the mistake, and does not spread to another."""
    first, moved, other = (
        Problem("OV-05", "error", "too long", Position("a.yaml", line, 3), address, "x: y")
        for line, address in ((4, "video.a"), (9, "video.a"), (4, "video.b"))
    )
    prints = [one["partialFingerprints"]["klingPipe/v1"] for one in results(problems_sarif([first, moved, other]))]

    assert prints[0] == prints[1] != prints[2]


def test_validate_writes_a_log_with_explained_rules() -> None:
    done = call("validate", "mode.yaml", "--format", "sarif", folder=HERE / "cases" / "mistakes")

    assert done.code == 3
    assert [error.message for error in schema().iter_errors(json.loads(done.out))] == []
    (rule,) = json.loads(done.out)["runs"][0]["tool"]["driver"]["rules"]
    assert rule["id"] == "schema/enum"
    assert "A field takes one of a few words" in rule["help"]["text"]
