"""Reading a ledger that cannot be written: in somebody else's folder, on a disk that is read-only. Writes nothing."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from kling_pipe.errors import LocalStateError
from kling_pipe.storage.ledger.rows import COLUMNS, decoded
from kling_pipe.storage.ledger.store import RecordIndex


def peek(path: Path, account: str) -> tuple[RecordIndex, frozenset[str]]:
    """An account's records, and the external ids of what is made and not in the lock yet. Raises LocalStateError."""
    # What other processes wrote last is in a second file; where there is none, the first must not ask for one.
    live = path.with_name(f"{path.name}-wal").exists()
    where = f"{path.absolute().as_uri()}?mode=ro{'' if live else '&immutable=1'}"
    try:
        with closing(sqlite3.connect(where, uri=True)) as connection:
            rows = connection.execute(f"SELECT {COLUMNS} FROM records WHERE account = ?", (account,)).fetchall()
            names = connection.execute("SELECT external_task_id FROM unlocked WHERE account = ?", (account,)).fetchall()
    except sqlite3.Error as error:
        raise LocalStateError(
            f"the ledger `{path}` cannot be written, nor read without that ({error})",
            hint="make its folder writable, or copy the campaign to a place that is",
        ) from error
    return RecordIndex(rows, decoded), frozenset(row[0] for row in names)
