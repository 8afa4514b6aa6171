"""Workers of a fleet as processes: started, killed without warning and replaced, and what they took in all."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.process import kling_pipe, start


@dataclass
class Crew:
    """So many workers, each in a folder of its own, with `settings` as its kling-pipe.toml.

    `cpu` (seconds) and `megabytes` are known of those that ended.
    """

    folder: Path
    environ: Mapping[str, str]
    options: tuple[str, ...]
    settings: str = ""
    at_work: dict[int, subprocess.Popen[bytes]] = field(default_factory=dict)
    cpu: float = 0.0
    megabytes: float = 0.0
    ends: list[int] = field(default_factory=list)

    def begin(self, number: int) -> None:
        """The worker of this number, anew; its folder is as the last one left it."""
        home = self.folder / f"worker-{number}"
        home.mkdir(exist_ok=True)
        if self.settings:
            (home / "kling-pipe.toml").write_text(self.settings, encoding="utf-8")
        self.at_work[number] = start(kling_pipe("worker", *self.options), home, self.environ)

    def kill(self, number: int) -> None:
        """Without warning, and a new one in its place."""
        self._end(number, signal.SIGKILL)
        self.ends.pop()
        self.begin(number)

    def dismiss(self) -> None:
        """SIGTERM to all, and wait until they have nothing in hand."""
        for process in self.at_work.values():
            process.send_signal(signal.SIGTERM)
        for number in list(self.at_work):
            self._end(number, 0)

    def send_home(self) -> None:
        """No worker outlives its workload."""
        for number in list(self.at_work):
            self._end(number, signal.SIGKILL)

    def files(self, pattern: str) -> set[str]:
        """Names of files that any of them has, with something in them."""
        found = (path for path in self.folder.glob(f"worker-*/{pattern}") if path.stat().st_size)
        return {str(Path(*path.relative_to(self.folder).parts[1:])) for path in found}

    def _end(self, number: int, sent: int) -> None:
        process = self.at_work.pop(number)
        if sent:
            os.kill(process.pid, sent)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        self.ends.append(process.returncode)
        self.cpu += used.ru_utime + used.ru_stime
        self.megabytes = max(self.megabytes, used.ru_maxrss / 1024)
