"""What this machine remembers of tasks: a journal and a cache, never the only truth."""

from kling_pipe.ledger.postgres import PostgresStore
from kling_pipe.ledger.sqlite import SqliteStore
from kling_pipe.ledger.store import ANY, Learned, RecordIndex, Store

__all__ = ["ANY", "Learned", "PostgresStore", "RecordIndex", "SqliteStore", "Store"]
