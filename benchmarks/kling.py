"""The local Kling that everybody is measured against, in a process of its own."""

from __future__ import annotations

import json
import os
import signal
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.process import cpu_seconds, peak_megabytes, python, start
from kling_pipe.emulator import Options
from kling_pipe.emulator.accounts import credentials
from kling_pipe.emulator.server_info import ServerInfo

_PATIENCE = 20.0


@dataclass(frozen=True, slots=True)
class Kling:
    """A running emulator and how it was told to behave."""

    running: ServerInfo
    options: Options

    @property
    def environ(self) -> dict[str, str]:
        """What points kling-pipe at it. It passes for the real service: ledger, lock and files are the usual ones."""
        told = self.running
        return {
            "KLING_BASE_URL": told.base_url,
            "KLING_ACCESS_KEY": told.access_key,
            "KLING_SECRET_KEY": told.secret_key,
            "KLING_API_KEY": told.api_key,
        }

    def ledger(self) -> dict[str, Any]:
        """What it was asked for, counted by itself."""
        told: dict[str, Any] = self._call("GET", "ledger")
        return told

    def reset(self) -> None:
        """Forget all tasks and counts."""
        self._call("POST", "reset")

    def cpu(self) -> float:
        """CPU seconds that it used so far; 0 where the system does not tell."""
        return cpu_seconds(self.running.pid) or 0.0

    def megabytes(self) -> float:
        """The most memory that it used so far; 0 where the system does not tell."""
        return peak_megabytes(self.running.pid)

    def _call(self, method: str, name: str) -> Any:
        data = b"{}" if method == "POST" else None
        request = urllib.request.Request(f"{self.running.base_url}/_emulator/{name}", data=data, method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)


@contextmanager
def served(options: Options) -> Iterator[Kling]:
    """An emulator for the time of a workload."""
    with tempfile.TemporaryDirectory(prefix="benchmark-kling-", ignore_cleanup_errors=True) as folder:
        state = Path(folder).resolve()
        command = python("-m", "kling_pipe.emulator", "--state", str(state), "--options", options.to_json())
        process = start(command, state)
        try:
            yield Kling(_answering(state, process.pid), options)
        finally:
            os.kill(process.pid, signal.SIGTERM)
            process.wait()


def _answering(state: Path, pid: int) -> ServerInfo:
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        try:
            base_url = json.loads((state / "server.json").read_text(encoding="utf-8"))["base_url"]
            urllib.request.urlopen(f"{base_url}/_emulator/health", timeout=5).close()
        except (OSError, ValueError):
            time.sleep(0.05)
            continue
        return ServerInfo.of(base_url, credentials(state), pid)
    raise RuntimeError(f"the emulator did not come up: {(state / 'stderr.txt').read_text(encoding='utf-8')}")
