"""Joins the emulator that already runs on a state folder, or starts one in the background."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from kling_pipe.emulator.accounts import credentials
from kling_pipe.emulator.options import Options
from kling_pipe.emulator.server_info import ServerInfo
from kling_pipe.errors import LocalStateError

IDLE_EXIT = 30.0
PATIENCE = 30.0
PAUSE = 0.03
RETRY = 0.5
PACKAGE_PARENT = Path(__file__).parent.parent.parent


def ensure(state: Path, options: Options | None = None, **changes: Any) -> ServerInfo:
    """The emulator of a state folder, started if there is none; several processes may call this at once.

    The server is detached: it outlives its starter and ends by itself after `idle_exit` seconds (30 unless set)
    without requests and running tasks. A server that already runs keeps its own options.
    Raises LocalStateError when none comes up.
    """
    state = state.absolute()
    state.mkdir(parents=True, exist_ok=True)
    wanted = replace(options or Options(idle_exit=IDLE_EXIT), **changes)
    starter: subprocess.Popen[bytes] | None = None
    deadline, retry_at = time.monotonic() + PATIENCE, 0.0
    while time.monotonic() < deadline:
        if found := _found(state):
            return found
        # Everybody may start one: the folder's lock lets one server live, the others end at once and its starter joins.
        if starter is None or (starter.poll() is not None and time.monotonic() > retry_at):
            starter, retry_at = _start(state, wanted), time.monotonic() + RETRY
        time.sleep(PAUSE)
    raise LocalStateError(f"no emulator came up on `{state}`", hint=f"see {state / 'server.log'}")


def _found(state: Path) -> ServerInfo | None:
    """The server that `server.json` names, if it answers and says that it is the one."""
    try:
        told = json.loads((state / "server.json").read_text(encoding="utf-8"))
        health = _health(told["base_url"])
    except (OSError, ValueError, KeyError, TypeError, http.client.HTTPException):
        return None
    if health.get("pid") != told["pid"] or Path(health.get("state", "")) != state:
        return None
    return ServerInfo.of(told["base_url"], credentials(state), told["pid"])


def _health(base_url: str) -> dict[str, Any]:
    connection = http.client.HTTPConnection(urlsplit(base_url).netloc, timeout=5)
    try:
        connection.request("GET", "/_emulator/health")
        answer: dict[str, Any] = json.loads(connection.getresponse().read())
    finally:
        connection.close()
    return answer


def _start(state: Path, options: Options) -> subprocess.Popen[bytes]:
    path = os.pathsep.join(filter(None, (str(PACKAGE_PARENT), os.environ.get("PYTHONPATH", ""))))
    told = options.to_json()
    with (state / "server.log").open("ab") as log:
        process = subprocess.Popen(  # noqa: S603  this very interpreter and package
            [sys.executable, "-m", "kling_pipe.emulator", "--quiet", "--state", str(state), "--options", told],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=state,
            env={**os.environ, "PYTHONPATH": path},
            **_detached(),
        )
    # Nobody waits for it in the end; the thread takes note if it ends while its starter lives, so that no zombie stays.
    threading.Thread(target=process.wait, name="emulator-starter", daemon=True).start()
    return process


def _detached() -> dict[str, Any]:
    """So that neither a Ctrl-C in the starter's terminal nor its end reaches the server."""
    if sys.platform == "win32":
        return {"creationflags": subprocess.DETACHED_PROCESS | subprocess.CREATE_NEW_PROCESS_GROUP}
    return {"start_new_session": True}
