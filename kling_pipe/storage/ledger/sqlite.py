"""The ledger as one SQLite file in WAL mode, shared by all processes on this machine."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from kling_pipe.errors import LocalStateError
from kling_pipe.model import Record, State
from kling_pipe.storage.effects import Effects
from kling_pipe.storage.ledger.claims import Claims
from kling_pipe.storage.ledger.reservations import Reservation, Reservations
from kling_pipe.storage.ledger.rows import COLUMNS, decoded, encoded
from kling_pipe.storage.ledger.store import ANY, Claimed, Learned, RecordIndex, _Any
from kling_pipe.storage.ledger.tables import T, Tables

VERSION = 2
BUSY_SECONDS = 15.0
"""How long a transaction of another process is waited for."""

_WAL_PAUSE = 0.01

_SCHEMA = """
CREATE TABLE IF NOT EXISTS records (
  external_task_id TEXT NOT NULL, project TEXT NOT NULL, key TEXT NOT NULL, take INTEGER NOT NULL,
  attempt INTEGER NOT NULL, operation TEXT NOT NULL, account TEXT NOT NULL, state TEXT NOT NULL, address TEXT NOT NULL,
  task_id TEXT NOT NULL, message TEXT NOT NULL, failure TEXT NOT NULL, outputs TEXT NOT NULL, units TEXT NOT NULL,
  created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL, PRIMARY KEY (account, external_task_id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS unlocked (
  account TEXT NOT NULL, external_task_id TEXT NOT NULL, PRIMARY KEY (account, external_task_id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS processes (token TEXT PRIMARY KEY, pid INTEGER NOT NULL, host TEXT NOT NULL, seen REAL);
CREATE TABLE IF NOT EXISTS claims (
  account TEXT NOT NULL, external_task_id TEXT NOT NULL, token TEXT NOT NULL, pools TEXT NOT NULL,
  PRIMARY KEY (account, external_task_id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS durations (sort TEXT PRIMARY KEY, count INTEGER, mean REAL, low REAL, high REAL);
CREATE TABLE IF NOT EXISTS limits (account TEXT, pool TEXT, slots INTEGER, at REAL, PRIMARY KEY (account, pool));
CREATE TABLE IF NOT EXISTS files (path TEXT PRIMARY KEY, size INTEGER, mtime_ns INTEGER, sha256 TEXT);
CREATE TABLE IF NOT EXISTS runs (token TEXT PRIMARY KEY, series INTEGER NOT NULL, until REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS reservations (
  series INTEGER NOT NULL, account TEXT NOT NULL, external_task_id TEXT NOT NULL, run TEXT NOT NULL,
  project TEXT NOT NULL, address TEXT NOT NULL, video REAL NOT NULL, image REAL NOT NULL, usd REAL NOT NULL,
  PRIMARY KEY (series, account, external_task_id)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS reservations_by_job ON reservations (address, project);
"""
_PLACES = ", ".join("?" for _ in COLUMNS.split(","))


class SqliteStore:
    """A ledger file. Open one per process; `account` decides which records are seen.

    Raises LocalStateError when the file is corrupt, newer than this version, locked for too long, or cannot be
    written: never treats such a file as empty.
    """

    def __init__(
        self,
        path: Path,
        account: str,
        *,
        effects: Effects | None = None,
        clock: Callable[[], float] = time.time,
        busy_seconds: float = BUSY_SECONDS,
    ) -> None:
        self.path = path
        self.account = account
        self._effects = effects or Effects()
        self._clock = clock
        self._is_durable = True
        with self._told(), ExitStack() as refused:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = self._open(busy_seconds, refused)
            self._prepare()
            refused.pop_all()
        self._processes = Claims(account, self._connection, self._effects, clock)
        self._reservations = Reservations(self._connection.execute, "?", self._processes.living)

    def close(self) -> None:
        """Give back every claim and close the file. Claims that cannot be given back die with the process."""
        try:
            with suppress(sqlite3.Error, OSError):
                self._processes.leave()
        finally:
            self._connection.close()

    def get(self, external_task_id: str) -> Record | None:
        """One record, or None."""
        query = f"SELECT {COLUMNS} FROM records WHERE account = ? AND external_task_id = ?"
        with self._told():
            row = self._connection.execute(query, (self.account, external_task_id)).fetchone()
        return decoded(row) if row else None

    def put(self, record: Record, *, expected: State | _Any | None = ANY, unlocked: bool = False) -> bool:
        """Write if the present state is `expected` (None: there is no record). False: someone was faster.

        An intent survives a power cut, because a POST follows it. What comes after it survives the end of the process:
        an older state than the true one is looked up, and a commit that waits for the disk takes 20 times as long.
        """
        values = encoded(record)
        insert = f"INTO records ({COLUMNS}) VALUES ({_PLACES})"
        with self._transaction(durable=record.state == "intent") as connection:
            if unlocked:
                connection.execute("INSERT OR IGNORE INTO unlocked VALUES (?, ?)", (record.account, values[0]))
            if isinstance(expected, _Any):
                return connection.execute(f"INSERT OR REPLACE {insert}", values).rowcount == 1
            if expected is None:
                return connection.execute(f"INSERT OR IGNORE {insert}", values).rowcount == 1
            where = "WHERE account = ? AND external_task_id = ? AND state = ?"
            key = (record.account, record.external_task_id, expected)
            found = connection.execute(f"SELECT 1 FROM records {where}", key).fetchone()
            return bool(found) and connection.execute(f"INSERT OR REPLACE {insert}", values).rowcount == 1

    def put_all(self, records: Sequence[tuple[Record, bool]]) -> None:
        """Write these whatever the present states are, all or none; each with its `unlocked`."""
        insert = f"INSERT OR REPLACE INTO records ({COLUMNS}) VALUES ({_PLACES})"
        with self._transaction(durable=any(record.state == "intent" for record, _ in records)) as connection:
            news = [(record.account, record.external_task_id) for record, unlocked in records if unlocked]
            connection.executemany("INSERT OR IGNORE INTO unlocked VALUES (?, ?)", news)
            connection.executemany(insert, [encoded(record) for record, _ in records])

    def begin_run(self, since: float | None = None) -> str:
        """Become a run that others see as long as this store is open; the token that its reservations name.

        Runs that were at work after `since` (seconds; None: now) count as overlapping.
        """
        with self._transaction():
            self._processes.beat()
            now = self._clock()
            self._reservations.join(self._processes.token, now if since is None else since, now)
        return self._processes.token

    def intend(self, wanted: Sequence[tuple[Record, Reservation | None]]) -> dict[str, str]:
        """Write intents, durably, each with what it reserves; those that may not are left out, and told why by id."""
        insert = f"INSERT OR REPLACE INTO records ({COLUMNS}) VALUES ({_PLACES})"
        with self._transaction(durable=True) as connection:
            refused = self._reserved([one for _, one in wanted if one is not None])
            rows = [encoded(record) for record, _ in wanted if record.external_task_id not in refused]
            connection.executemany(insert, rows)
        return refused

    def reserve(self, reservation: Reservation) -> str:
        """Reserve what a task will cost before its intent. Returns why that is not possible, or ""."""
        with self._transaction():
            return self._reserved([reservation]).get(reservation.external_task_id, "")

    def give_back(self, run: str, external_task_id: str) -> None:
        """A reservation of which nothing came."""
        with self._transaction():
            self._reservations.give_back(run, self.account, external_task_id)

    def _reserved(self, wanted: Sequence[Reservation]) -> dict[str, str]:
        now = self._clock()
        if self.was_silent():  # runs that began meanwhile did not see this one
            for run in {one.run for one in wanted}:
                self._reservations.join(run, now, now)
        return self._reservations.reserve(wanted, now)

    def forget(self, external_task_id: str, *, expected: State) -> bool:
        """Remove a record that is in this state: an intent of which is known that nothing was created."""
        query = "DELETE FROM records WHERE account = ? AND external_task_id = ? AND state = ?"
        with self._transaction(durable=True) as connection:
            return connection.execute(query, (self.account, external_task_id, expected)).rowcount == 1

    def records(self, project: str | None = None) -> RecordIndex:
        """All records of this account, or those of one project, by identity."""
        query = f"SELECT {COLUMNS} FROM records WHERE account = ?"
        values: tuple[str, ...] = (self.account,)
        if project is not None:
            query, values = f"{query} AND project = ?", (self.account, project)
        with self._told():
            return RecordIndex(self._connection.execute(query, values).fetchall(), decoded)

    def unlocked(self) -> frozenset[str]:
        """External ids of what runs here made and is not yet in the lock: the last one ended in between."""
        with self._told():
            rows = self._connection.execute("SELECT external_task_id FROM unlocked WHERE account = ?", (self.account,))
            return frozenset(row[0] for row in rows)

    def locked(self, external_task_ids: Iterable[str]) -> None:
        """These are in the lock now."""
        rows = [(self.account, name) for name in external_task_ids]
        with self._transaction() as connection:
            connection.executemany("DELETE FROM unlocked WHERE account = ? AND external_task_id = ?", rows)

    def claim(self, external_task_id: str, pools: Mapping[str, int]) -> bool:
        """Become the one process that works on this task, its slots counted. False: another live process does."""
        return external_task_id in self.claim_all([(external_task_id, pools)]).names

    def claim_all(self, wanted: Sequence[tuple[str, Mapping[str, int]]]) -> Claimed:
        """Claim several tasks in one transaction: of two processes that take slots, the second sees the first's."""
        with self._transaction():
            names = frozenset(name for name, pools in wanted if self._processes.claim(name, pools))
            return Claimed(names, self._processes.slots_of_others())

    def release(self, external_task_id: str) -> None:
        """Give a claim back, at the latest with the next `beat`."""
        self._processes.release(external_task_id)

    def slots_of_others(self) -> Mapping[str, int]:
        """Slots that other live processes hold, by pool."""
        with self._told():
            return self._processes.slots_of_others()

    def beat(self) -> None:
        """Say that this process lives. Due every few seconds while it holds claims."""
        with self._transaction():
            self._processes.beat()

    def was_silent(self) -> bool:
        """Whether this process has counted as gone: stopped, or asleep with its machine. Others may have its claims."""
        return self._processes.was_silent()

    def learned(self) -> dict[str, Learned]:
        """Learned durations by sort of task."""
        with self._told():
            rows = self._connection.execute("SELECT sort, count, mean, low, high FROM durations").fetchall()
        return {row[0]: Learned(*row[1:]) for row in rows}

    def learn(self, durations: Mapping[str, Learned]) -> None:
        """Keep learned durations."""
        rows = [(sort, one.count, one.mean, one.low, one.high) for sort, one in durations.items()]
        with self._transaction() as connection:
            connection.executemany("INSERT OR REPLACE INTO durations VALUES (?, ?, ?, ?, ?)", rows)

    def limits(self) -> dict[str, tuple[int, float]]:
        """Learned slot limits by pool, with the time (seconds) when each was learned."""
        query = "SELECT pool, slots, at FROM limits WHERE account = ?"
        with self._told():
            return {row[0]: (row[1], row[2]) for row in self._connection.execute(query, (self.account,)).fetchall()}

    def keep_limit(self, pool: str, limit: int) -> None:
        """Keep a learned slot limit."""
        row = (self.account, pool, limit, self._clock())
        with self._transaction() as connection:
            connection.execute("INSERT OR REPLACE INTO limits VALUES (?, ?, ?, ?)", row)

    def whole(self, action: Callable[[Tables], T], *, change: bool) -> T:
        """What the action returns: one transaction over all accounts. What it changes survives a power cut."""
        if change:
            with self._transaction(durable=True) as connection:
                return action(Tables(connection.execute, "?"))
        with self._told():
            self._connection.execute("BEGIN")
            try:
                return action(Tables(self._connection.execute, "?"))
            finally:
                self._connection.execute("ROLLBACK")

    @contextmanager
    def alone(self) -> Iterator[None]:
        """While inside, no other process writes the ledger: guards the lock file, which has no lock of its own."""
        with self._transaction():
            yield

    def _open(self, busy_seconds: float, refused: ExitStack) -> sqlite3.Connection:
        """A connection, which `refused` closes should the ledger turn out to be unusable."""
        connection = sqlite3.connect(self.path, timeout=busy_seconds, isolation_level=None)
        refused.callback(connection.close)
        _use_wal(connection, busy_seconds)
        connection.execute("PRAGMA synchronous = FULL")
        return connection

    def _prepare(self) -> None:
        version = self._connection.execute("PRAGMA user_version").fetchone()[0]
        if version > VERSION:
            raise LocalStateError(
                f"the ledger `{self.path}` is of version {version}, this kling-pipe knows up to {VERSION}",
                hint="update kling-pipe; nothing was changed",
            )
        if version < VERSION:
            with self._transaction(durable=True) as connection:
                for statement in _SCHEMA.split(";"):
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {VERSION}")

    @contextmanager
    def _transaction(self, *, durable: bool = False) -> Iterator[sqlite3.Connection]:
        """One transaction; a durable one is on the disk when it ends, any other when the next durable one ends."""
        connection = self._connection
        with self._told():
            if durable is not self._is_durable:
                connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
                self._is_durable = durable
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                self._effects.commit(connection)
            finally:
                if connection.in_transaction:
                    connection.rollback()

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise _explained(self.path, error) from error
        except OSError as error:
            raise LocalStateError(f"the ledger `{self.path}` cannot be used: {error}") from error


def _use_wal(connection: sqlite3.Connection, patience: float) -> None:
    """Switch to WAL. Two processes that make a new ledger at once collide here, and SQLite itself does not wait."""
    deadline = time.monotonic() + patience
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(_WAL_PAUSE)
        else:
            return


_HINTS: tuple[tuple[str, str, str], ...] = (
    ("locked", "is held by another process", "wait for the other run to end, then run again"),
    ("full", "cannot be written: the disk is full", "free some space and run again; it goes on where it stopped"),
    ("readonly", "cannot be written", "make the folder writable and run again; it goes on where it stopped"),
    ("unable to open", "cannot be opened", "check that the folder exists and is writable"),
    ("disk i/o", "cannot be written: the disk reports an error", "check the disk and run again"),
)


def _explained(path: Path, error: sqlite3.Error) -> LocalStateError:
    text = str(error).lower()
    for sign, what, hint in _HINTS:
        if sign in text:
            return LocalStateError(f"the ledger `{path}` {what} ({error})", hint=hint)
    return LocalStateError(
        f"the ledger `{path}` is damaged ({error})",
        hint="move it away and run `kling-pipe sync`: lock and account know what was made, nothing is paid twice",
    )
