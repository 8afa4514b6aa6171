"""Planted mistakes: the whole text that a person reads, one file each.

A case is `NAME.yaml`, a manifest with a mistake, and `NAME.txt`, all that `kling-pipe validate` prints for it.
The first line of the manifest says what the mistake is; a line `# args: ...` adds flags. `UPDATE_GOLDENS=1` writes the
texts anew: read the difference as somebody who has never seen the tool.
"""

from __future__ import annotations

import json
import os
import re
import shlex
from pathlib import Path

import pytest
from program import call

FOLDER = Path(__file__).parent.parent / "cases" / "mistakes"
CASES = sorted(FOLDER.glob("*.yaml"))
SEVERAL = {"axis-without-matrix": 2, "several-at-once": 3, "save-as-beside-others": 2}
ID = re.compile(r"^\S+:\d+:\d+: (?:error|warning|note)\[([\w/-]+)\]", re.MULTILINE)


def arguments(case: Path) -> list[str]:
    found = re.search(rb"^# args: (.+)$", case.read_bytes(), re.MULTILINE)
    return shlex.split(found.group(1).decode()) if found else []


def told(case: Path) -> str:
    done = call("validate", case.name, *arguments(case), folder=FOLDER)
    return f"{done.out}{done.err}exit {done.code}\n"


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.stem)
def test_a_mistake_is_told_in_these_words(case: Path) -> None:
    """Place, line, caret, what was found, what is allowed, a near match and the next step: the text as a whole."""
    golden, text = case.with_suffix(".txt"), told(case)
    if os.environ.get("UPDATE_GOLDENS"):
        golden.write_text(text, encoding="utf-8", newline="\n")

    assert text == golden.read_text("utf-8")


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.stem)
def test_one_mistake_is_one_problem(case: Path) -> None:
    """No echoes: who mends the one place that is named is done."""
    assert len(ID.findall(told(case))) == SEVERAL.get(case.stem, 1)


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.stem)
def test_a_problem_says_what_to_do(case: Path) -> None:
    """Whoever reads a message knows the next step: it is named, or a near match, or what is allowed."""
    done = call("validate", case.name, "--format", "json", *arguments(case), folder=FOLDER)

    for problem in json.loads(done.out)["problems"]:
        allowed = problem["allowed"] or re.search(
            r"at most|at least|needs|can be|one of|wants|write|remove", problem["message"]
        )
        assert problem["hint"] or problem["near"] or allowed, problem


def test_the_corpus_is_wide() -> None:
    """At least 80 mistakes, and at least 50 different problems."""
    ids = {id for case in CASES for id in ID.findall(case.with_suffix(".txt").read_text("utf-8"))}

    assert len(CASES) >= 80
    assert len(ids) >= 50, sorted(ids)
