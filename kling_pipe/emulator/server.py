"""Serves a state folder over HTTP in the foreground."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from urllib.parse import urlsplit

import uvicorn

from kling_pipe.catalog import operations
from kling_pipe.emulator.accounts import Account
from kling_pipe.emulator.asgi import build_app
from kling_pipe.emulator.callback_sender import is_loopback
from kling_pipe.emulator.options import Options
from kling_pipe.emulator.server_info import ServerInfo
from kling_pipe.emulator.state import State, open_world
from kling_pipe.errors import LocalStateError


@dataclass(slots=True)
class Bound:
    """A world behind a listening socket, not yet served."""

    world: State
    socket: socket.socket
    server: uvicorn.Server
    running: ServerInfo


def bind(state: Path, options: Options) -> Bound:
    """Open the folder and the port. Raises LocalStateError when one of them is taken."""
    world = open_world(state, options, operations.operations())
    try:
        listener = _listener(options)
    except OSError as error:
        world.close()
        raise LocalStateError(
            f"cannot listen on {options.host}:{options.port}: {error.strerror}", hint="choose another --port"
        ) from error
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(options.host, options.host)  # noqa: S104  a wildcard is no address
    host = f"[{host}]" if ":" in host else host
    base_url = f"http://{host}:{listener.getsockname()[1]}"
    _move(world, base_url)
    stopping: list[uvicorn.Server] = []
    app = build_app(world, on_idle=lambda: _stop(stopping))
    config = uvicorn.Config(
        app,
        access_log=False,
        log_level="warning",
        ws="none",
        lifespan="on",
        server_header=False,
        timeout_graceful_shutdown=1,
        timeout_keep_alive=75,
    )
    server = uvicorn.Server(config)
    stopping.append(server)
    return Bound(world, listener, server, ServerInfo.of(base_url, world.accounts[0], os.getpid()))


def _move(world: State, base_url: str) -> None:
    """Tasks that came to an earlier server on this machine: its port is gone, so their links lead to this one."""
    for task in world.index.by_task_id.values():
        if is_loopback(urlsplit(task.host).hostname):
            task.host = base_url


def _stop(servers: list[uvicorn.Server]) -> None:
    for server in servers:
        server.should_exit = True


def _listener(options: Options) -> socket.socket:
    family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
    listener = socket.socket(family)
    try:
        if os.name != "nt":  # there it would let two servers share a port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((options.host, options.port))
        listener.listen(2048)  # from here on clients may connect; they are answered when the server runs
    except OSError:
        listener.close()
        raise
    listener.setblocking(False)
    return listener


def environment_lines(base_url: str, account: Account) -> str:
    """Shell lines that point any Kling client at an emulator."""
    values = {
        "KLING_BASE_URL": base_url,
        "KLING_ACCESS_KEY": account.access_key,
        "KLING_SECRET_KEY": account.secret_key,
        "KLING_API_KEY": account.api_key,
    }
    return "\n".join(f"export {name}={value}" for name, value in values.items())


def serve(state: Path | None = None, options: Options | None = None, *, quiet: bool = False) -> None:
    """Serve until a signal or `idle_exit`. Prints the environment lines. Without a folder nothing is kept.

    Raises LocalStateError when another emulator has the folder or the port is taken.
    """
    with folder_of(state) as folder:
        bound = bind(folder, options or Options())
        if not quiet:
            print(environment_lines(bound.running.base_url, bound.world.accounts[0]), flush=True)
            print(f"# inspector: {bound.running.base_url}/_emulator/", flush=True)
        _publish(folder, bound.running)
        signal.signal(signal.SIGTERM, _end)
        try:
            bound.server.run(sockets=[bound.socket])
        finally:
            (folder / "server.json").unlink(missing_ok=True)
            bound.socket.close()


def _end(_: int, __: FrameType | None) -> None:
    # The web server raises its signal again when it is done; the default handler would end us before we tidy up.
    sys.exit(143)


def _publish(folder: Path, running: ServerInfo) -> None:
    part = folder / f"server.{os.getpid()}.part"
    part.write_text(json.dumps({"base_url": running.base_url, "pid": running.pid}), encoding="utf-8")
    part.replace(folder / "server.json")


@contextlib.contextmanager
def folder_of(state: Path | None) -> Iterator[Path]:
    """The state folder; a temporary one, removed at the end, when none is given."""
    if state is not None:
        yield state.absolute()
        return
    folder = Path(tempfile.mkdtemp(prefix="kling-emulator-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
