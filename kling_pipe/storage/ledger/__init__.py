"""What this machine remembers of tasks: a journal and a cache, never the only truth."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kling_pipe.core.lazy import on_demand

if TYPE_CHECKING:
    from kling_pipe.storage.ledger.postgres import PostgresStore
    from kling_pipe.storage.ledger.sqlite import SqliteStore
    from kling_pipe.storage.ledger.store import ANY, Claimed, Learned, RecordIndex, Store

__all__ = [
    "ANY",
    "Claimed",
    "Learned",
    "PostgresStore",
    "RecordIndex",
    "SqliteStore",
    "Store",
]
__getattr__ = on_demand(
    __name__,
    {
        "postgres": "PostgresStore",
        "sqlite": "SqliteStore",
        "store": "ANY Claimed Learned RecordIndex Store",
    },
)
