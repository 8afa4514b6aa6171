"""The ledger's tables as rows, whatever keeps them: for moving all of it from one place to another."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple, TypeVar

from kling_pipe.storage.ledger.rows import COLUMNS

Row = tuple[Any, ...]
Execute = Callable[[str, Sequence[Any]], Iterable[Row]]
T = TypeVar("T")


class Table(NamedTuple):
    """A table: its columns, and those that name a row."""

    name: str
    columns: tuple[str, ...]
    key: tuple[str, ...]


TABLES = {
    "records": Table("records", tuple(name.strip() for name in COLUMNS.split(",")), ("account", "external_task_id")),
    "unlocked": Table("unlocked", ("account", "external_task_id"), ("account", "external_task_id")),
    "durations": Table("durations", ("sort", "count", "mean", "low", "high"), ("sort",)),
    "limits": Table("limits", ("account", "pool", "slots", "at"), ("account", "pool")),
}
"""What moves. Processes, their claims and hashes of files mean something on one machine only."""


class Tables:
    """All rows of all accounts inside one transaction. `execute` runs a statement whose places are written `mark`.

    `collation` is what orders texts by their bytes, whatever language a database sorts by.
    """

    def __init__(self, execute: Execute, mark: str, collation: str = "") -> None:
        self._execute = execute
        self._mark = mark
        self._collation = collation

    def rows(self, table: Table) -> Iterator[Row]:
        """Every row, ordered by what names it."""
        order = ", ".join(f"{name}{self._collation}" for name in table.key)
        yield from self._execute(f"SELECT {', '.join(table.columns)} FROM {table.name} ORDER BY {order}", ())

    def found(self, table: Table, keys: Sequence[Row]) -> dict[Row, Row]:
        """The rows of these keys that there are."""
        at = [table.columns.index(name) for name in table.key]
        places = ", ".join([f"({', '.join([self._mark] * len(at))})"] * len(keys))
        columns = ", ".join(f"t.{name}" for name in table.columns)
        same = " AND ".join(f"t.{name} = w.{name}" for name in table.key)
        # A join finds each row by its key; with IN, SQLite would read the whole table.
        wanted = f"WITH w ({', '.join(table.key)}) AS (VALUES {places})"
        query = f"{wanted} SELECT {columns} FROM w JOIN {table.name} t ON {same}"
        rows = self._execute(query, [value for key in keys for value in key])
        return {tuple(row[place] for place in at): tuple(row) for row in rows}

    def put(self, table: Table, rows: Iterable[Row]) -> None:
        """Write rows over those of the same key."""
        others = [name for name in table.columns if name not in table.key]
        change = f"UPDATE SET {', '.join(f'{name} = EXCLUDED.{name}' for name in others)}" if others else "NOTHING"
        one = f"({', '.join([self._mark] * len(table.columns))})"
        for some in in_batches(rows, 100):
            values = ", ".join([one] * len(some))
            query = f"INSERT INTO {table.name} ({', '.join(table.columns)}) VALUES {values}"
            self._execute(
                f"{query} ON CONFLICT ({', '.join(table.key)}) DO {change}", [value for row in some for value in row]
            )


def in_batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """The items in lists of at most `size`."""
    rest = iter(items)
    while some := list(islice(rest, size)):
        yield some
