"""One child process, measured: wall time, CPU time and memory of the whole process."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Measured:
    """What one process took: seconds of wall and of CPU, largest resident memory in MB."""

    wall: float
    cpu: float
    megabytes: float


class ProcessError(Exception):
    """A measured process that ended badly: its figures mean nothing."""


def python(*arguments: str) -> list[str]:
    """A command line for this interpreter."""
    return [sys.executable, *arguments]


def kling_pipe(*arguments: str) -> list[str]:
    """A command line for kling-pipe."""
    return python("-m", "kling_pipe", *arguments)


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's environment with the checkout importable, and compiled once as after an installation."""
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH", ""))))
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**inherited, "PYTHONPATH": path, **(extra or {})}


def start(command: Sequence[str], folder: Path, extra: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
    """A process whose output goes into files of its folder."""
    with (folder / "stdout.txt").open("wb") as out, (folder / "stderr.txt").open("wb") as err:
        return subprocess.Popen(
            command, cwd=folder, env=environment(extra), stdin=subprocess.DEVNULL, stdout=out, stderr=err
        )


def measured(command: Sequence[str], folder: Path, extra: Mapping[str, str] | None = None, code: int = 0) -> Measured:
    """Run a command to its end. Raises ProcessError unless it ends with `code`."""
    began = time.perf_counter()
    process = start(command, folder, extra)
    _, status, used = os.wait4(process.pid, 0)
    wall = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != code:
        tail = (folder / "stderr.txt").read_text(encoding="utf-8", errors="replace")[-2000:]
        raise ProcessError(f"{' '.join(command)} ended with {process.returncode}:\n{tail}")
    per_megabyte = 1024 * 1024 if sys.platform == "darwin" else 1024
    return Measured(wall, used.ru_utime + used.ru_stime, used.ru_maxrss / per_megabyte)


def median(runs: Sequence[Measured], of: Callable[[Measured], float] = lambda run: run.wall) -> float:
    """The median of one figure; of the wall time unless said otherwise."""
    return statistics.median(map(of, runs))


def peak_megabytes(pid: int) -> float:
    """The largest memory of a living process so far; 0 where the system does not tell."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:")), 0.0)


def cpu_seconds(pid: int) -> float | None:
    """CPU time of a living process, where the system tells."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    except OSError:
        return None
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
