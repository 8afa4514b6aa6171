"""`kling-pipe` in forked processes whose effects are recorded, and which kill themselves at one of them."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from forks import Forks

HERE = Path(__file__).resolve().parent
KILLED = -signal.SIGKILL
SEAMLESS = ("os.rename", "os.link", "os.symlink", "os.truncate")
"""Audit events of Python for what changes a folder durably."""


@dataclass(frozen=True)
class Ended:
    """How a child ended. `seen` are its effects, `loose` the durable changes that passed no seam."""

    code: int
    out: str
    seen: list[str]
    loose: list[str]


class Children:
    """A fork server of its own for each that tries points at the same time."""

    def __init__(self) -> None:
        self._forks = Forks("crash:child", HERE)

    def __enter__(self) -> Children:
        return self

    def __exit__(self, *_: object) -> None:
        self._forks.close()

    def run(self, stage, *words: str, crash_at: int = 0) -> Ended:
        """One `kling-pipe WORDS` that is killed at its `crash_at`-th effect, counted from 1; 0: never."""
        environ = {**os.environ, **stage.environ}
        ended = self._forks.run(*words, cwd=stage.root, environ=environ, crash_at=crash_at)
        record = stage.root / "child.json"
        told = json.loads(record.read_text(encoding="utf-8")) if record.exists() else {"seen": [], "loose": []}
        record.unlink(missing_ok=True)
        return Ended(ended.returncode, ended.stdout + ended.stderr, told["seen"], told["loose"])


def child(order: Mapping[str, Any]) -> None:
    """What a child does: the command line, watched."""
    from scenario import hasty

    from kling_pipe.cli import main

    effects = _crashing(order["crash_at"])
    try:
        main(order["words"], effects=effects, sleep=hasty)
    finally:
        told = {"seen": effects.seen, "loose": effects.loose}
        Path("child.json").write_text(json.dumps(told), encoding="utf-8")


def _crashing(crash_at: int):
    from kling_pipe.storage.effects import Effects

    class Crashing(Effects):
        """Records every effect, and dies at one of them."""

        def __init__(self) -> None:
            self.seen: list[str] = []
            self.loose: list[str] = []
            self.inside = False

        def observe(self, name: str, phase: str) -> None:
            self.inside = phase == "before"
            self.seen.append(f"{phase} {name}")
            if len(self.seen) == crash_at:
                os.kill(os.getpid(), signal.SIGKILL)

    effects = Crashing()

    def audit(event: str, values: tuple) -> None:
        if event in SEAMLESS and not effects.inside:
            effects.loose.append(f"{event} {values[:2]}")

    sys.addaudithook(audit)
    return effects
