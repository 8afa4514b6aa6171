"""Ends the emulators that a test's commands started in the background, instead of leaving them to their idle time."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def ended_in(folder: Path) -> Iterator[None]:
    """At the end, stop every emulator whose state lies somewhere in the folder."""
    try:
        yield
    finally:
        for told in folder.rglob("server.json"):
            with suppress(ProcessLookupError, PermissionError):
                os.kill(json.loads(told.read_text(encoding="utf-8"))["pid"], signal.SIGTERM)
