"""Bad manifests, one file each: what is said about them is frozen beside them.

A new case is a new `tests/cases/manifest/bad/<name>.yaml`; UPDATE_GOLDENS=1 writes what is said now to `<name>.out`.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import click
import pytest

import kling_pipe
from kling_pipe.errors import ManifestInvalid
from kling_pipe.report.problem_text import problems_text

CASES = Path(__file__).parent.parent / "cases" / "manifest" / "bad"
SEVERAL = {"budget-wrong", "limits-wrong", "defaults-unknown-field", "needs-unknown", "several-at-once"}


def said_about(file: Path) -> str:
    """The whole text that a person would read."""
    with pytest.raises(ManifestInvalid) as caught:
        kling_pipe.load(file.relative_to(Path.cwd()), publishes=False)
    return click.unstyle(problems_text(caught.value.problems)) + "\n"


@pytest.fixture(autouse=True)
def _at_the_cases(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(CASES.parent)


@pytest.mark.parametrize("file", sorted(CASES.glob("*.yaml")), ids=lambda file: file.stem)
def test_a_bad_manifest_is_explained(file: Path) -> None:
    """What is wrong, where, what is allowed, what comes near, what to do: word by word as it was agreed."""
    said = said_about(file)
    golden = file.with_suffix(".out")
    if os.environ.get("UPDATE_GOLDENS"):
        golden.write_text(said, encoding="utf-8", newline="\n")
    assert said == golden.read_text(encoding="utf-8")


@pytest.mark.parametrize("file", sorted(CASES.glob("*.yaml")), ids=lambda file: file.stem)
def test_one_mistake_gives_one_problem(file: Path) -> None:
    """Nothing echoes: as many errors as mistakes were made in the file."""
    errors = [line for line in said_about(file).splitlines() if ": error[" in line]
    if file.stem in SEVERAL:
        assert len(errors) > 1
    else:
        assert len(errors) == 1


@pytest.mark.parametrize("file", sorted(CASES.glob("*.yaml")), ids=lambda file: file.stem)
def test_every_error_has_a_place(file: Path) -> None:
    """Each error starts with file, line and column, and names a stable id."""
    for line in said_about(file).splitlines():
        if ": error[" in line:
            assert re.match(r"[\w./-]+:\d+:\d+: error\[(KP\d{3}|[A-Z]{2,3}-\d{2}[a-z]?|schema/\w+)\] ", line), line


def test_no_golden_without_its_case() -> None:
    """A text that no file produces would never be read again."""
    assert {file.stem for file in CASES.glob("*.out")} == {file.stem for file in CASES.glob("*.yaml")}
