"""`kling-pipe` in forked processes whose effects are recorded, and which kill themselves at one of them.

Started as a program it is a fork server: it imports everything once, then each line of JSON on stdin
(`{folder, words, environ, crash_at}`) becomes a child; the answer is a line with its exit code and what it recorded.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

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
    """The client's side of one fork server."""

    def __init__(self) -> None:
        root = HERE.parents[1]
        paths = os.pathsep.join(filter(None, (str(root), os.environ.get("PYTHONPATH", ""))))
        self._server = subprocess.Popen(
            [sys.executable, str(HERE / "crash.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": paths},
        )

    def __enter__(self) -> Children:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stdin.close()
        self._server.stdout.close()
        self._server.wait(timeout=10)

    def run(self, stage, *words: str, crash_at: int = 0) -> Ended:
        """One `kling-pipe WORDS` that is killed at its `crash_at`-th effect, counted from 1; 0: never."""
        order = {"folder": str(stage.root), "words": words, "environ": stage.environ, "crash_at": crash_at}
        print(json.dumps(order), file=self._server.stdin, flush=True)
        told = json.loads(self._server.stdout.readline())
        return Ended(told["code"], told["out"], told["seen"], told["loose"])


def serve() -> None:
    """Fork a child for each order."""
    _load_everything()
    for line in sys.stdin:
        order = json.loads(line)
        out = Path(order["folder"], "child.out")
        pid = os.fork()
        if pid == 0:
            _child(order, out)
        _, status = os.waitpid(pid, 0)
        record = Path(order["folder"], "child.json")
        told = json.loads(record.read_text(encoding="utf-8")) if record.exists() else {"seen": [], "loose": []}
        record.unlink(missing_ok=True)
        answer = {"code": os.waitstatus_to_exitcode(status), "out": out.read_text(encoding="utf-8"), **told}
        print(json.dumps(answer), flush=True)


def _load_everything() -> None:
    """Before the fork, so that no child has to."""
    for package in ("api", "cli", "client", "engine", "ledger", "manifest", "plan", "outputs", "report"):
        found = import_module(f"kling_pipe.{package}")
        for module in iter_modules(getattr(found, "__path__", ()), f"kling_pipe.{package}."):
            import_module(module.name)
    for name in ("jwt", "uvloop", "yaml"):
        import_module(name)


def _child(order: dict, out: Path) -> None:
    os.chdir(order["folder"])
    os.environ.update(order["environ"])
    with out.open("wb") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    from stage import hasty

    from kling_pipe.cli import main

    effects = _crashing(order["crash_at"])
    code = 70
    try:
        main(order["words"], effects=effects, sleep=hasty)
    except SystemExit as end:
        code = int(end.code or 0)
    sys.stdout.flush()
    sys.stderr.flush()
    told = {"seen": effects.seen, "loose": effects.loose}
    Path("child.json").write_text(json.dumps(told), encoding="utf-8")
    os._exit(code)


def _crashing(crash_at: int):
    from kling_pipe.effects import Effects

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


if __name__ == "__main__":
    sys.path.insert(0, str(HERE))
    serve()
