"""What this machine remembers of tasks: a journal and a cache, never the only truth."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kling_pipe.ledger.peek import peek
from kling_pipe.ledger.sqlite import SqliteStore
from kling_pipe.ledger.store import ANY, Claimed, Learned, RecordIndex, Store

if TYPE_CHECKING:
    from kling_pipe.ledger.postgres import PostgresStore

__all__ = ["ANY", "Claimed", "Learned", "PostgresStore", "RecordIndex", "SqliteStore", "Store", "peek"]


def __getattr__(name: str) -> Any:
    """The database's store is loaded when somebody asks for it: a run on one machine does not."""
    if name != "PostgresStore":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from kling_pipe.ledger.postgres import PostgresStore

    return PostgresStore
