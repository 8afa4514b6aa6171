"""The ledger in PostgreSQL, shared by any number of machines. The same promises as the file's."""

from __future__ import annotations

import json
import secrets
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from operator import itemgetter
from typing import Any

from kling_pipe.errors import LocalStateError
from kling_pipe.model import Record, State
from kling_pipe.storage.effects import Effects
from kling_pipe.storage.ledger.claims import SILENCE
from kling_pipe.storage.ledger.liveness import LIVING, living_since, reservations
from kling_pipe.storage.ledger.pg_connection import PATIENCE, PgConnection
from kling_pipe.storage.ledger.reservations import Reservation
from kling_pipe.storage.ledger.rows import COLUMNS, decoded, encoded
from kling_pipe.storage.ledger.store import ANY, Claimed, Learned, RecordIndex, _Any
from kling_pipe.storage.ledger.tables import T, Tables

_NAMES = [name.strip() for name in COLUMNS.split(",")]
_INSERT = f"INSERT INTO records ({COLUMNS}) VALUES ({', '.join('%s' for _ in _NAMES)})"
_REPLACE = (
    f"{_INSERT} ON CONFLICT (account, external_task_id) DO UPDATE SET "
    f"{', '.join(f'{name} = EXCLUDED.{name}' for name in _NAMES)}"
)
_BYTES = ' COLLATE "C"'
_ONE = "WHERE account = %s AND external_task_id = %s"


class PostgresStore:
    """A ledger at a `postgresql://` URL; `account` decides which records are seen.

    Every step waits up to `patience` seconds for a database that is away. Raises LocalStateError when it stays away,
    when it is of a newer version, or refuses.
    """

    def __init__(
        self,
        url: str,
        account: str,
        *,
        effects: Effects | None = None,
        clock: Callable[[], float] = time.time,
        patience: float = PATIENCE,
    ) -> None:
        self.url = url
        self.account = account
        self._clock = clock
        self._session = PgConnection(url, effects or Effects(), patience=patience)
        self._token = secrets.token_hex(8)
        self._known: tuple[int, str] | None = None
        self._given_back: list[str] = []
        self._held: set[str] = set()
        self._tidied: tuple[int, str] | None = None
        self._seen = float("inf")
        self._silent = False
        self._session.step(lambda _: None)

    def close(self) -> None:
        """Give back every claim and hang up. What cannot be given back ends with the session."""
        if self._known:
            with suppress(LocalStateError):
                self._session.step(self._leave)
        self._session.close()

    def get(self, external_task_id: str) -> Record | None:
        """One record, or None."""
        rows = self._rows(f"SELECT {COLUMNS} FROM records {_ONE}", (self.account, external_task_id))
        return decoded(rows[0]) if rows else None

    def put(self, record: Record, *, expected: State | _Any | None = ANY, unlocked: bool = False) -> bool:
        """Write if the present state is `expected` (None: there is no record). False: someone was faster.

        An intent is on the server's disk before this returns; what comes after it survives the end of the process.
        """
        values = encoded(record)
        if isinstance(expected, _Any) and record.state != "intent" and not unlocked:
            return bool(self._session.write(_REPLACE, values))
        tries = 0

        def action(cursor: Any) -> bool:
            nonlocal tries
            tries += 1
            if unlocked:
                cursor.execute(
                    "INSERT INTO unlocked VALUES (%s, %s) ON CONFLICT DO NOTHING", (record.account, values[0])
                )
            return _written(cursor, record, values, expected) or (tries > 1 and _stands(cursor, record, values))

        return self._session.step(action, durable=record.state == "intent")

    def put_all(self, records: Sequence[tuple[Record, bool]]) -> None:
        """Write these whatever the present states are, all or none; each with its `unlocked`."""
        news = [(record.account, record.external_task_id) for record, unlocked in records if unlocked]
        rows = sorted((encoded(record) for record, _ in records), key=itemgetter(0))  # one order: no deadlock

        def action(cursor: Any) -> None:
            if news:
                cursor.executemany("INSERT INTO unlocked VALUES (%s, %s) ON CONFLICT DO NOTHING", news)
            cursor.executemany(_REPLACE, rows)

        self._session.step(action, durable=any(record.state == "intent" for record, _ in records))

    def begin_run(self, since: float | None = None) -> str:
        """Become a run that others see as long as this store is open; the token that its reservations name.

        Runs that were at work after `since` (seconds; None: now) count as overlapping.
        """

        def action(cursor: Any) -> str:
            self._sign(cursor)
            now = self._clock()
            reservations(cursor, now).join(self._token, now if since is None else since, now)
            return self._token

        return self._session.step(action, durable=True)

    def intend(self, wanted: Sequence[tuple[Record, Reservation | None]]) -> dict[str, str]:
        """Write intents, durably, each with what it reserves; those that may not are left out, and told why by id."""

        def action(cursor: Any) -> dict[str, str]:
            refused = self._reserved(cursor, [one for _, one in wanted if one is not None])
            rows = [encoded(record) for record, _ in wanted if record.external_task_id not in refused]
            if rows:
                cursor.executemany(_REPLACE, sorted(rows, key=itemgetter(0)))
            return refused

        return self._session.step(action, durable=True)

    def reserve(self, reservation: Reservation) -> str:
        """Reserve what a task will cost before its intent. Returns why that is not possible, or ""."""
        refused = self._session.step(lambda cursor: self._reserved(cursor, [reservation]), durable=True)
        return refused.get(reservation.external_task_id, "")

    def give_back(self, run: str, external_task_id: str) -> None:
        """A reservation of which nothing came."""

        def action(cursor: Any) -> None:
            reservations(cursor, self._clock(), alone=False).give_back(run, self.account, external_task_id)

        self._session.step(action)

    def _reserved(self, cursor: Any, wanted: Sequence[Reservation]) -> dict[str, str]:
        now, query = self._clock(), "SELECT 1 FROM campaigns WHERE id = %s"
        # Without a budget nobody's sums are looked at: then nobody has to stand in a queue.
        found = reservations(cursor, now, alone=any(one.refusal for one in wanted))
        if self.was_silent():  # runs that began meanwhile did not see this one; campaigns are seen without a process
            for run in {one.run for one in wanted if not cursor.execute(query, (one.run,)).fetchone()}:
                reservations(cursor, now).join(run, now, now)
        # Those that write at once do so in one order: no deadlock.
        return found.reserve(sorted(wanted, key=lambda one: "" if one.refusal else one.external_task_id), now)

    def forget(self, external_task_id: str, *, expected: State) -> bool:
        """Remove a record that is in this state: an intent of which is known that nothing was created."""
        query, values = f"DELETE FROM records {_ONE} AND state = %s", (self.account, external_task_id, expected)
        return self._session.step(lambda cursor: bool(cursor.execute(query, values).rowcount), durable=True)

    def records(self, project: str | None = None) -> RecordIndex:
        """All records of this account, or those of one project, by identity."""
        query, values = f"SELECT {COLUMNS} FROM records WHERE account = %s", (self.account,)
        if project is not None:
            return RecordIndex(self._rows(f"{query} AND project = %s", (*values, project)), decoded)
        return RecordIndex(self._rows(query, values), decoded)

    def stamp(self) -> tuple[Any, ...]:
        """Something that is another one after a record of any account was written."""
        return self._rows("SELECT count(*), max(updated_at), sum(length(state) + length(outputs)) FROM records", ())[0]

    def unlocked(self) -> frozenset[str]:
        """External ids of what is saved and not yet in the lock."""
        rows = self._rows("SELECT external_task_id FROM unlocked WHERE account = %s", (self.account,))
        return frozenset(row[0] for row in rows)

    def locked(self, external_task_ids: Iterable[str]) -> None:
        """These are in the lock now."""
        names = list(external_task_ids)
        query = "DELETE FROM unlocked WHERE account = %s AND external_task_id = ANY(%s)"
        self._session.step(lambda cursor: cursor.execute(query, (self.account, names)))

    def claim(self, external_task_id: str, pools: Mapping[str, int]) -> bool:
        """Become the one process that works on this task, its slots counted. False: another live process does."""
        return external_task_id in self.claim_all([(external_task_id, pools)]).names

    def claim_all(self, wanted: Sequence[tuple[str, Mapping[str, int]]]) -> Claimed:
        """Claim several tasks in one transaction.

        Others' slots are not looked at: their transactions may run beside this one, and there may be thousands.
        """

        def action(cursor: Any) -> Claimed:
            self._sign(cursor)
            # In one order everywhere: two workers that claim the same tasks must not wait for each other.
            ordered = sorted(wanted, key=itemgetter(0))
            return Claimed(frozenset(name for name, pools in ordered if self._claimed(cursor, name, pools)))

        asked = {name for name, _ in wanted}
        self._held |= asked  # before, for a beat in another thread must not take what is just claimed for given back
        claimed = self._session.step(action, durable=True)
        self._held -= asked - claimed.names
        return claimed

    def _claimed(self, cursor: Any, external_task_id: str, pools: Mapping[str, int]) -> bool:
        cursor.execute(
            f"INSERT INTO claims VALUES (%s, %s, %s, %s) ON CONFLICT (account, external_task_id) DO UPDATE SET"
            f" token = EXCLUDED.token, pools = EXCLUDED.pools"
            f" WHERE claims.token = EXCLUDED.token OR claims.token NOT IN ({LIVING})",
            (self.account, external_task_id, self._token, json.dumps(dict(pools)), *living_since(self._clock())),
        )
        return bool(cursor.rowcount)

    def release(self, external_task_id: str) -> None:
        """Give a claim back, at the latest with the next `beat`."""
        self._held.discard(external_task_id)
        self._given_back.append(external_task_id)

    def slots_of_others(self) -> Mapping[str, int]:
        """Slots that other live processes hold, by pool."""
        query = f"SELECT pools FROM claims WHERE account = %s AND token <> %s AND token IN ({LIVING})"
        found: Counter[str] = Counter()
        for (pools,) in self._rows(query, (self.account, self._token, *living_since(self._clock()))):
            found.update(pools)
        return found

    def beat(self) -> None:
        """Say that this process lives. Due every few seconds while it holds claims."""

        def action(cursor: Any) -> None:
            self._known = None
            self._sign(cursor)
            cursor.execute("DELETE FROM processes WHERE seen < %s", (self._clock() - 100 * SILENCE,))

        self._session.step(action)

    def was_silent(self) -> bool:
        """Whether this process has counted as gone: stopped, asleep, or cut off. Others may have its claims."""
        self._silent = self._silent or self._seen < self._clock() - SILENCE
        return self._silent

    def learned(self) -> dict[str, Learned]:
        """Learned durations by sort of task."""
        rows = self._rows("SELECT sort, count, mean, low, high FROM durations", ())
        return {row[0]: Learned(*row[1:]) for row in rows}

    def learn(self, durations: Mapping[str, Learned]) -> None:
        """Keep learned durations."""
        rows = [(sort, one.count, one.mean, one.low, one.high) for sort, one in sorted(durations.items())]
        query = (
            "INSERT INTO durations VALUES (%s, %s, %s, %s, %s) ON CONFLICT (sort) DO UPDATE SET"
            " count = EXCLUDED.count, mean = EXCLUDED.mean, low = EXCLUDED.low, high = EXCLUDED.high"
        )
        self._session.step(lambda cursor: cursor.executemany(query, rows))

    def limits(self) -> dict[str, tuple[int, float]]:
        """Learned slot limits by pool, with the time (seconds) when each was learned."""
        rows = self._rows("SELECT pool, slots, at FROM limits WHERE account = %s", (self.account,))
        return {row[0]: (row[1], row[2]) for row in rows}

    def keep_limit(self, pool: str, limit: int) -> None:
        """Keep a learned slot limit."""
        query = (
            "INSERT INTO limits VALUES (%s, %s, %s, %s) ON CONFLICT (account, pool) DO UPDATE SET"
            " slots = EXCLUDED.slots, at = EXCLUDED.at"
        )
        self._session.step(lambda cursor: cursor.execute(query, (self.account, pool, limit, self._clock())))

    def whole(self, action: Callable[[Tables], T], *, change: bool) -> T:
        """What the action returns: one transaction over all accounts, which may run twice."""

        def step(cursor: Any) -> T:
            if change:
                cursor.execute("LOCK TABLE records, unlocked, durations, limits IN SHARE ROW EXCLUSIVE MODE")
                return action(Tables(cursor.execute, "%s", _BYTES))
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            return action(Tables(lambda query, _: _streamed(cursor.connection, query), "%s", _BYTES))

        return self._session.step(step, durable=change)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep the others out of what is not in the database: the lock file, which lies on one machine.

        A session of its own holds an advisory lock, so that this store goes on working meanwhile.
        """
        keeper = PgConnection(self.url, Effects())
        try:
            keeper.step(lambda cursor: cursor.execute("SELECT pg_advisory_lock(8101950002)"))
            yield
        finally:
            keeper.close()

    def _rows(self, query: str, values: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        return self._session.rows(query, values)

    def _sign(self, cursor: Any) -> None:
        """Give back what is due, and be known under the present session."""
        if given := tuple(self._given_back):
            query = f"DELETE FROM claims {_ONE} AND token = %s"
            cursor.executemany(query, [(self.account, name, self._token) for name in given])
            del self._given_back[: len(given)]  # a beat in another thread must not forget what came meanwhile
        if self._tidied != self._session.backend:
            # A server that fell has forgotten what it was told last: what was given back would be held for ever.
            query = "DELETE FROM claims WHERE account = %s AND token = %s AND NOT external_task_id = ANY(%s)"
            cursor.execute(query, (self.account, self._token, list(self._held)))
            self._silent = self._silent or self._tidied is not None  # who is cut off counts as gone at once
            self._tidied = self._session.backend
        if self._known != self._session.backend:
            self.was_silent()
            self._seen = self._clock()
            cursor.execute(
                "INSERT INTO processes VALUES (%s, %s, %s, %s) ON CONFLICT (token) DO UPDATE SET"
                " backend = EXCLUDED.backend, started = EXCLUDED.started, seen = EXCLUDED.seen",
                (self._token, *self._session.backend, self._clock()),
            )
            self._known = self._session.backend

    def _leave(self, cursor: Any) -> None:
        cursor.execute("UPDATE runs SET until = %s WHERE token = %s", (self._clock(), self._token))
        cursor.execute("DELETE FROM claims WHERE token = %s", (self._token,))
        cursor.execute("DELETE FROM processes WHERE token = %s", (self._token,))


def _streamed(connection: Any, query: str) -> Iterator[tuple[Any, ...]]:
    """Rows as the server sends them, not all at once."""
    with connection.cursor("rows") as cursor:
        cursor.itersize = 2000
        yield from cursor.execute(query)


def _written(cursor: Any, record: Record, values: tuple[Any, ...], expected: State | _Any | None) -> bool:
    if isinstance(expected, _Any):
        return bool(cursor.execute(_REPLACE, values).rowcount)
    if expected is None:
        return bool(cursor.execute(f"{_INSERT} ON CONFLICT DO NOTHING", values).rowcount)
    changes = ", ".join(f"{name} = %s" for name in _NAMES)
    query = f"UPDATE records SET {changes} {_ONE} AND state = %s"
    return bool(cursor.execute(query, (*values, record.account, record.external_task_id, expected)).rowcount)


def _stands(cursor: Any, record: Record, values: tuple[Any, ...]) -> bool:
    """Whether an earlier try, whose end the connection did not live to tell, wrote just this."""
    cursor.execute(f"SELECT {COLUMNS} FROM records {_ONE}", (record.account, record.external_task_id))
    return bool(cursor.fetchone() == values)
