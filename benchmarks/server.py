"""The PostgreSQL of a workload: the tests' own server, whose disk nobody waits for; what it takes, summed up."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.process import ROOT


@dataclass
class Database:
    """A running server with an empty database at `url`. `cpu` is in seconds, also of what a restart ended."""

    server: Any
    url: str
    before: float = 0.0

    def restart(self) -> None:
        """As a crash: nothing is written down first."""
        self.before = self.cpu
        self.server.stop("immediate")
        self.server.start()

    def rows(self, query: str) -> list[Any]:
        """The answer to a statement, on a connection of its own."""
        import psycopg

        with psycopg.connect(self.url, autocommit=True, connect_timeout=5) as connection:
            return connection.execute(query).fetchall()

    @property
    def cpu(self) -> float:
        """CPU seconds of all its processes so far."""
        ticks = sum(_ticks(pid) for pid in self._processes())
        return self.before + ticks / os.sysconf("SC_CLK_TCK")

    @property
    def megabytes(self) -> float:
        """Memory of all its processes, what they share counted once."""
        return sum(map(_pss, self._processes())) / 1024

    def _processes(self) -> list[int]:
        try:
            first = int((self.server.folder / "data" / "postmaster.pid").read_text().split()[0])
            return [first, *map(int, Path(f"/proc/{first}/task/{first}/children").read_text().split())]
        except (OSError, ValueError, IndexError):
            return []


@contextmanager
def database() -> Iterator[Database]:
    """A server as long as the block lasts."""
    sys.path.append(str(ROOT / "tests" / "support"))
    with importlib.import_module("postgres").running() as server:
        yield Database(server, server.database())


def _ticks(pid: int) -> int:
    """Of a process and of those of its children that have ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    except OSError:
        return 0
    return sum(map(int, fields[11:15]))


def _pss(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)
