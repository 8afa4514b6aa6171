"""The emulator's state on disk: SQLite in WAL mode, and the lock that keeps a second server away.

An acknowledged create survives `kill -9` of the server: the row is handed to the operating system before the answer
goes out (synchronous=NORMAL; only a power cut could lose it, and emulated money with it).
"""

from __future__ import annotations

import json
import sqlite3
import sys
from pathlib import Path
from typing import IO, Any

from kling_pipe.emulator.task import Task
from kling_pipe.errors import LocalStateError

VERSION = 1


def lock_file(file: IO[Any]) -> bool:
    """Lock a whole file for this process without waiting; False when another process has it. Freed on close."""
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


class StateDb:
    """Tasks and a few named values of one state folder. Raises LocalStateError when another server has the folder."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = (folder / "server.lock").open("a")
        if not lock_file(self._lock):
            self._lock.close()
            raise LocalStateError(
                f"another emulator already runs on `{folder}`", hint="join it, or choose another --state"
            )
        self._db = sqlite3.connect(folder / "emulator.sqlite", isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._prepare(folder)

    def _prepare(self, folder: Path) -> None:
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        if version > VERSION:
            self.close()
            raise LocalStateError(
                f"`{folder}` was written by a newer emulator", hint="upgrade kling-pipe, or choose another --state"
            )
        self._db.execute("CREATE TABLE IF NOT EXISTS tasks (seq INTEGER PRIMARY KEY, record TEXT NOT NULL)")
        self._db.execute("CREATE TABLE IF NOT EXISTS named (name TEXT PRIMARY KEY, value TEXT NOT NULL)")
        self._db.execute(f"PRAGMA user_version={VERSION}")

    def tasks(self) -> list[Task]:
        """All tasks in the order of their creation."""
        rows = self._db.execute("SELECT record FROM tasks ORDER BY seq")
        return [Task(**json.loads(record)) for (record,) in rows]

    def put(self, task: Task) -> None:
        """Insert a task or replace what is stored of it."""
        self._db.execute("INSERT OR REPLACE INTO tasks VALUES (?, ?)", (task.seq, json.dumps(task.saved())))

    def get(self, name: str) -> Any:
        """A named value, or None."""
        row = self._db.execute("SELECT value FROM named WHERE name = ?", (name,)).fetchone()
        return json.loads(row[0]) if row else None

    def set(self, name: str, value: Any) -> None:
        """Store a named value."""
        self._db.execute("INSERT OR REPLACE INTO named VALUES (?, ?)", (name, json.dumps(value)))

    def clear(self) -> None:
        """Forget every task."""
        self._db.execute("DELETE FROM tasks")

    def close(self) -> None:
        """Close the file and free the folder for another server."""
        self._db.close()
        self._lock.close()
