"""A PostgreSQL connection that comes back by itself: each step is tried again until the database answers."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from importlib import resources
from typing import Any, TypeVar

from kling_pipe.errors import LocalStateError
from kling_pipe.storage.effects import Effects
from kling_pipe.storage.ledger.pg_url import is_whole

SCHEMA = "kling_pipe"
PATIENCE = 60.0
"""Seconds for which a database may be away: a restart or a fail-over takes less."""

_BEGIN_DURABLE = "BEGIN; SET LOCAL synchronous_commit TO on"

T = TypeVar("T")


class PgConnection:
    """One connection. `step` runs a function of a cursor as one transaction, again if the connection was lost.

    A step must therefore be one that may happen twice: whether a lost commit took place is not known.
    """

    def __init__(self, url: str, effects: Effects, *, patience: float = PATIENCE) -> None:
        """Raises LocalStateError for what is no URL of a database. Connects when it is needed."""
        if not is_whole(url):
            raise _no_url()
        self._url = url
        self._effects = effects
        self._patience = patience
        self._connection: Any = None
        # One transaction at a time: a beat from another thread must not end, or undo, what is being written.
        self._turn = threading.Lock()
        self.backend: tuple[int, str] = (0, "")

    def rows(self, query: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        """What one reading statement finds. Raises LocalStateError."""
        found: list[tuple[Any, ...]] = self._again(lambda: self._connected().execute(query, values).fetchall())
        return found

    def write(self, query: str, values: tuple[Any, ...] = ()) -> int:
        """How many rows one writing statement changed. Nobody waits for the server's disk. Raises LocalStateError."""

        def work() -> int:
            connection = self._connected()
            changed: int = connection.execute(query, values).rowcount
            self._effects.commit(connection)
            return changed

        return self._again(work)

    def step(self, action: Callable[[Any], T], *, durable: bool = False) -> T:
        """What the action returns, committed. `durable` waits for the server's disk. Raises LocalStateError."""
        return self._again(lambda: self._once(action, durable))

    def _again(self, work: Callable[[], T]) -> T:
        import psycopg

        ends_at, wait = time.monotonic() + self._patience, 0.05
        while True:
            try:
                with self._turn:
                    return work()
            except (psycopg.OperationalError, psycopg.InterfaceError) as error:
                self.close()
                if time.monotonic() + wait > ends_at:
                    raise self._explained(error) from error
                time.sleep(wait)
                wait = min(2 * wait, 2.0)
            except psycopg.Error as error:
                raise self._explained(error) from error

    def close(self) -> None:
        """Hang up."""
        with self._turn:
            self._drop()

    def _once(self, action: Callable[[Any], T], durable: bool) -> T:
        connection = self._connected()
        with connection.cursor() as cursor:
            try:
                cursor.execute(_BEGIN_DURABLE if durable else "BEGIN")
                found = action(cursor)
            except BaseException:
                connection.rollback()
                raise
        self._effects.commit(connection)
        return found

    def _connected(self) -> Any:
        if self._connection is None:
            import psycopg

            options = f"-c search_path={SCHEMA},public -c synchronous_commit=off -c timezone=UTC"
            # Statements that only read need no transaction, and no two turns for its two ends.
            connection = psycopg.connect(
                self._url, options=options, connect_timeout=5, application_name="kling-pipe", autocommit=True
            )
            try:
                with connection.cursor() as cursor:
                    cursor.execute("BEGIN")
                    migrate(cursor)
                    cursor.execute("SELECT pid, backend_start::text FROM pg_stat_activity WHERE pid = pg_backend_pid()")
                    pid, started = cursor.fetchone() or (0, "")
                    self.backend = (int(pid), str(started))
                self._effects.commit(connection)
            except BaseException:
                connection.close()
                raise
            self._connection = connection
        return self._connection

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _explained(self, error: Exception) -> LocalStateError:
        from psycopg.conninfo import conninfo_to_dict

        try:
            told = conninfo_to_dict(self._url)
        except Exception:  # the text may hold a password: it is not shown
            return _no_url()
        where = f"{told.get('host', 'localhost')}:{told.get('port', 5432)}/{told.get('dbname', '')}"
        reason = str(error).strip().partition("\n")[0]
        return LocalStateError(
            f"the ledger in PostgreSQL at `{where}` cannot be used: {reason}",
            hint="when the database answers again, run again: nothing is paid twice",
        )


def _no_url() -> LocalStateError:
    return LocalStateError(
        "the store's URL is none",
        hint="Write postgresql://user@host/database; in a password @ is written as %40, / as %2F, ? as %3F, % as %25.",
    )


def migrate(cursor: Any) -> None:
    """Bring the database to this version's tables, one numbered file after the other. A newer one is refused."""
    cursor.execute("SELECT to_regclass(%s)", (f"{SCHEMA}.migrations",))
    files = sorted(one.name for one in _folder().iterdir() if one.name.endswith(".sql"))
    done = set()
    if cursor.fetchone()[0] is not None:
        cursor.execute("SELECT name FROM migrations")
        done = {row[0] for row in cursor.fetchall()}
    if unknown := sorted(done - set(files)):
        raise LocalStateError(
            f"the ledger in PostgreSQL is of a newer version (it has `{unknown[-1]}`)",
            hint="update kling-pipe; nothing was changed",
        )
    if done == set(files):
        return
    cursor.execute("SELECT pg_advisory_xact_lock(8101950001)")  # several machines may start at once
    cursor.execute(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
    cursor.execute("CREATE TABLE IF NOT EXISTS migrations (name text PRIMARY KEY)")
    cursor.execute("SELECT name FROM migrations")
    done = {row[0] for row in cursor.fetchall()}
    for name in files:
        if name not in done:
            cursor.execute(_folder().joinpath(name).read_text(encoding="utf-8"))
            cursor.execute("INSERT INTO migrations VALUES (%s)", (name,))


def _folder() -> Any:
    return resources.files("kling_pipe.storage.ledger").joinpath("migrations")
