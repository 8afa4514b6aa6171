"""The emulator inside another program: its ASGI application, and a server in a thread for tests."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from kling_pipe.emulator.asgi import build_app
from kling_pipe.emulator.options import Options
from kling_pipe.emulator.server import bind, folder_of
from kling_pipe.emulator.server_info import ServerInfo

__all__ = ["build_app", "running"]


@contextlib.contextmanager
def running(state: Path | None = None, options: Options | None = None, **changes: Any) -> Iterator[ServerInfo]:
    """An emulator in a thread of this process, on a free port. `changes` are single options (`speed=10`)."""
    with folder_of(state) as folder:
        bound = bind(folder, replace(options or Options(), **changes))
        thread = threading.Thread(target=bound.server.run, kwargs={"sockets": [bound.socket]}, name="emulator")
        thread.start()
        try:
            yield bound.running
        finally:
            bound.server.should_exit = True
            thread.join()
            bound.socket.close()
