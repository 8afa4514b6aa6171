"""Each benchmark in a size that means nothing: that it works, that nothing is made twice, that the table is one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.figures import Figure, table
from benchmarks.schedule import Load, longest_first, makespan

ROOT = Path(__file__).resolve().parent.parent
POSIX = pytest.mark.needs("sh")
"""CPU and memory of a process are asked for in a way that POSIX has."""


def measured(*arguments: str) -> str:
    """The table of a quick run."""
    command = [sys.executable, "-m", "benchmarks", "--quick", "--libraries", "httpx", *arguments]
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    ended = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=110, check=False)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


@POSIX
def test_a_load_is_measured_against_a_script_and_the_ideal():
    """With all its figures."""
    text = measured("W4")
    for what in ("wall / ideal", "utilisation", "requests a job", "CPU a job", "the emulator used"):
        assert f"| W4 | {what}" in text.replace("share of a core that ", "")
    assert "httpx" in text
    assert "ideal" in text


@POSIX
def test_a_killed_run_makes_nothing_twice():
    """And loses nothing."""
    text = measured("KILL")
    assert "| KILL | tasks of 8 made twice | 0 | ≤ 0 | yes |" in text
    assert "| KILL | tasks or files lost | 0 | ≤ 0 | yes |" in text


@POSIX
@pytest.mark.needs("postgres")
def test_a_fleet_that_is_killed_makes_nothing_twice():
    """Nor when the database restarts; and every process is measured."""
    text = measured("scale")
    assert "| SCALE | tasks of 16 made twice | 0 | ≤ 0 | yes |" in text
    assert "| SCALE | tasks or files lost | 0 | ≤ 0 | yes |" in text
    for what in ("into the queue", "slots in use, video", "CPU a job, workers", "largest worker"):
        assert f"| SCALE | {what} |" in text


@POSIX
def test_what_is_foreseen_is_held_against_what_comes():
    """By `plan` and by `simulate`, with times that were learned."""
    text = measured("forecast")
    assert "| FORECAST | plan / run, chains" in text
    assert "| FORECAST | simulate / run, chains" in text
    assert "learned: True" in text


@POSIX
def test_runs_without_work_are_measured():
    """Nothing to do, validation, memory, start-up."""
    text = measured("W3", "W5", "memory", "startup")
    for name in ("W3", "W5", "memory", "start-up"):
        assert f"| {name} |" in text


def test_the_ideal_is_a_list_schedule():
    """First come, first served, in pools of their own; inputs before what needs them."""
    line = [Load("a", 1.0, "video"), Load("b", 3.0, "video"), Load("c", 4.0, "video")]
    assert makespan(line, {"video": 2}) == 5.0
    assert makespan(longest_first(line), {"video": 2}) == 4.0
    chain = [Load("e", 1.0), Load("i", 2.0, "image", ("e",)), Load("v", 3.0, "video", ("i", "e"))]
    assert makespan(chain, {"video": 1, "image": 1}) == 6.0
    assert makespan([Load(str(number), 2.0) for number in range(100)], {}) == 2.0


def test_the_table_says_what_is_reached():
    """Goals are upper bounds unless they are lower ones."""
    text = table([Figure("W1", "wall", 1.0421, "", 1.07), Figure("W1", "use", 0.5, "", 0.9, at_least=True)])
    assert "| W1 | wall | 1.04 | ≤ 1.07 | yes |" in text
    assert "| W1 | use | 0.5 | ≥ 0.9 | **no** |" in text
