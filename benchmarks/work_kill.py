"""KILL: a run is ended with `kill -9` in the middle, and run again."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks import campaigns
from benchmarks.figures import Figure
from benchmarks.kling import Kling, served
from benchmarks.process import kling_pipe, measured, start
from kling_pipe.emulator import Options


def kill(folder: Path, count: int = 200, slots: int = 20, seconds: float = 1.0) -> Iterator[Figure]:
    """How many tasks exist twice, and how many files are missing, after the second run."""
    campaigns.by_matrix(folder, count, slots)
    options = Options(
        media="tiny", idle_exit=120, media_bytes=65536, slots={"video": slots}, task_seconds=seconds, spread=0.3
    )
    with served(options) as kling:
        begun = _killed(folder, kling, count // 2)
        again = measured(kling_pipe("run", "-y", "-q"), folder, kling.environ)
        ledger = kling.ledger()
    twice = sum(times > 1 for times in ledger["creates"].values())
    files = len(list((folder / "out").rglob("*.mp4")))
    facts = f"killed with {begun} tasks begun; the second run took {again.wall:.1f} s and needed no unlocking"
    yield Figure("KILL", f"tasks of {count} made twice", twice, "", 0, beside=facts)
    yield Figure("KILL", "tasks or files lost", 2 * count - len(ledger["creates"]) - files, "", 0)
    yield Figure("KILL", "creates sent again for a task that exists", sum(ledger["duplicates_refused"].values()))


def _killed(folder: Path, kling: Kling, tasks: int) -> int:
    """Start a run, and kill it without warning when so many tasks exist. Gives how many do."""
    process = start(kling_pipe("run", "-y", "-q"), folder, kling.environ)
    while (begun := int(kling.ledger()["tasks"])) < tasks and process.poll() is None:
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    return begun
