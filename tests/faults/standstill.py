"""`kling-pipe` in a process that stops itself, as by SIGSTOP, at one of its effects, and notes them all."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from kling_pipe.cli import main
from kling_pipe.storage.effects import Effects


class Stopping(Effects):
    """Stands still at the effect of this number, counted from 1."""

    def __init__(self, stop_at: int, notes: Path) -> None:
        self._left = stop_at
        self._notes = notes

    def observe(self, name: str, phase: str) -> None:
        with self._notes.open("a", encoding="utf-8") as file:
            file.write(f"{phase} {name}\n")
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGSTOP)


if __name__ == "__main__":
    main(sys.argv[3:], effects=Stopping(int(sys.argv[1]), Path(sys.argv[2])))
