"""`kling-pipe` in processes that are forked from one which has imported everything: a third of the time of a new one.

Started as a program it is the fork server: each line of JSON on stdin becomes a child, the answer is its exit code.
"""

from __future__ import annotations

import atexit
import functools
import io
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

SUPPORT = Path(__file__).resolve().parent
ROOT = SUPPORT.parents[1]
STREAMS = ("stdin", "stdout", "stderr")


class Forks:
    """One fork server. `entry` is `module:function`: what a child calls with its order, which holds `words`."""

    def __init__(self, entry: str = "forks:command_line", *paths: Path) -> None:
        found = (str(ROOT), str(SUPPORT), *map(str, paths), os.environ.get("PYTHONPATH", ""))
        self._folder = tempfile.TemporaryDirectory(prefix="forks")
        self._server = subprocess.Popen(
            [sys.executable, str(Path(__file__).resolve()), entry],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, found))},
        )

    def close(self) -> None:
        """The server ends with its input."""
        self._server.stdin.close()
        self._server.stdout.close()
        self._server.wait(timeout=10)
        self._folder.cleanup()

    def run(
        self, *words: str, cwd: Path, environ: Mapping[str, str], stdin: str = "", **more: Any
    ) -> subprocess.CompletedProcess:
        """A child to its end, with this environment and no other."""
        streams = {name: str(Path(self._folder.name, name)) for name in STREAMS}
        Path(streams["stdin"]).write_text(stdin, encoding="utf-8")
        order = {"words": words, "cwd": str(cwd), "environ": dict(environ), "streams": streams, **more}
        print(json.dumps(order), file=self._server.stdin, flush=True)
        code = json.loads(self._server.stdout.readline())
        out, err = (Path(streams[name]).read_text(encoding="utf-8") for name in STREAMS[1:])
        return subprocess.CompletedProcess(words, code, out, err)


class Execs:
    """The same in processes that start anew: where a fork of a program with libraries of the system is not safe."""

    def run(self, *words: str, cwd: Path, environ: Mapping[str, str], stdin: str = "") -> subprocess.CompletedProcess:
        """A child to its end, with this environment and no other."""
        command, streams = [sys.executable, "-m", "kling_pipe", *words], {"capture_output": True, "encoding": "utf-8"}
        return subprocess.run(command, cwd=cwd, env=dict(environ), input=stdin, check=False, timeout=60, **streams)


@functools.cache
def shared() -> Forks | Execs:
    """Where all tests of a process run command lines that nobody interrupts."""
    if sys.platform != "linux":
        return Execs()
    found = Forks()
    atexit.register(found.close)
    return found


def load_everything() -> None:
    """Before the fork, so that no child has to."""
    for package in (
        "api",
        "cli",
        "client",
        "engine",
        "storage.ledger",
        "manifest",
        "planning",
        "storage.outputs",
        "report",
    ):
        found = import_module(f"kling_pipe.{package}")
        for module in iter_modules(getattr(found, "__path__", ()), f"kling_pipe.{package}."):
            import_module(module.name)
    for name in ("jwt", "uvloop", "yaml"):
        import_module(name)


def command_line(order: Mapping[str, Any]) -> None:
    """What `python -m kling_pipe` does."""
    from kling_pipe.cli import main

    main(order["words"])


def serve(entry: str) -> None:
    """Fork a child for each order."""
    load_everything()
    module, _, name = entry.partition(":")
    call = getattr(import_module(module), name)
    for line in sys.stdin:
        order = json.loads(line)
        pid = os.fork()
        if pid == 0:
            _child(order, call)
        _, status = os.waitpid(pid, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def _child(order: Mapping[str, Any], call: Any) -> None:
    os.chdir(order["cwd"])
    os.environ.clear()
    os.environ.update(order["environ"])
    for number, name in enumerate(STREAMS):
        mode = "wb" if number else "rb"
        with Path(order["streams"][name]).open(mode) as file:
            os.dup2(file.fileno(), number)
        stream = os.fdopen(number, mode, closefd=False)
        setattr(sys, name, io.TextIOWrapper(stream, encoding="utf-8", write_through=name == "stderr"))
    sys.argv = ["kling-pipe", *order["words"]]
    code = 0
    try:
        call(order)
    except SystemExit as end:
        code = int(end.code or 0)
    except BaseException:
        import traceback

        traceback.print_exc()
        code = 1
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    serve(sys.argv[1])
