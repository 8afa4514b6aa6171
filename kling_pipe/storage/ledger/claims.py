"""Which process works on which task: claims that die with their process."""

from __future__ import annotations

import json
import os
import sqlite3
from collections import Counter
from collections.abc import Callable, Mapping

from kling_pipe.storage.effects import Effects
from kling_pipe.storage.temp_files import lives, place

SILENCE = 20.0
"""Seconds after which a process that says nothing counts as gone."""

BEAT = 4.0
"""Seconds between two signs of life."""

_open: set[str] = set()
"""Who of this very process is at work: one that could not sign off, as on a full disk, is not waited for."""


class Claims:
    """One process among those that share a ledger. The caller holds the transaction."""

    def __init__(
        self, account: str, connection: sqlite3.Connection, effects: Effects, clock: Callable[[], float]
    ) -> None:
        self._account = account
        self._connection = connection
        self._effects = effects
        self._clock = clock
        self.token = os.urandom(8).hex()
        self._host = place()
        _open.add(self.token)
        self._known = False
        self._seen = float("inf")
        self._silent = False
        self._given_back: list[str] = []

    def claim(self, external_task_id: str, pools: Mapping[str, int]) -> bool:
        """Take the claim unless a live process has it."""
        self._give_back()
        where = (self._account, external_task_id)
        query = "SELECT token FROM claims WHERE account = ? AND external_task_id = ?"
        row = self._connection.execute(query, where).fetchone()
        if row and row[0] != self.token and self._lives(row[0]):
            return False
        if not self._known:
            self.beat()
        values = (*where, self.token, json.dumps(dict(pools)))
        self._connection.execute("INSERT OR REPLACE INTO claims VALUES (?, ?, ?, ?)", values)
        return True

    def release(self, external_task_id: str) -> None:
        """Drop a claim with the next transaction: nobody waits for it as long as the record says that all is done."""
        self._given_back.append(external_task_id)

    def slots_of_others(self) -> Counter[str]:
        """Slots that other live processes hold, by pool."""
        query = "SELECT token, pools FROM claims WHERE account = ? AND token <> ?"
        found: Counter[str] = Counter()
        living: dict[str, bool] = {}
        for token, pools in self._connection.execute(query, (self._account, self.token)).fetchall():
            if living.setdefault(token, self._lives(token)):
                found.update(json.loads(pools))
        return found

    def was_silent(self) -> bool:
        """Whether others may have taken this process for gone. It is not forgotten: what they took, they keep."""
        self._silent = self._silent or self._seen < self._clock() - SILENCE
        return self._silent

    def beat(self) -> None:
        """Write a sign of life, and sweep out processes that are long gone."""
        self._give_back()
        self.was_silent()
        self._seen = now = self._clock()
        row = (self.token, os.getpid(), self._host, now)
        self._connection.execute("INSERT OR REPLACE INTO processes VALUES (?, ?, ?, ?)", row)
        self._connection.execute("DELETE FROM processes WHERE seen < ?", (now - 100 * SILENCE,))
        self._known = True

    def living(self) -> set[str]:
        """The tokens of all processes that live."""
        return {
            one for (one,) in self._connection.execute("SELECT token FROM processes").fetchall() if self._lives(one)
        }

    def leave(self) -> None:
        """Drop everything of this process."""
        _open.discard(self.token)
        if self._known:
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.execute("UPDATE runs SET until = ? WHERE token = ?", (self._clock(), self.token))
            self._connection.execute("DELETE FROM claims WHERE token = ?", (self.token,))
            self._connection.execute("DELETE FROM processes WHERE token = ?", (self.token,))
            self._effects.commit(self._connection)

    def _give_back(self) -> None:
        if self._given_back:
            query = "DELETE FROM claims WHERE account = ? AND external_task_id = ? AND token = ?"
            rows = [(self._account, name, self.token) for name in self._given_back]
            self._connection.executemany(query, rows)
            self._given_back.clear()

    def _lives(self, token: str) -> bool:
        row = self._connection.execute("SELECT pid, host, seen FROM processes WHERE token = ?", (token,)).fetchone()
        if row is None or row[2] < self._clock() - SILENCE:
            return False
        if row[1] != self._host:
            return True
        return token in _open if row[0] == os.getpid() else lives(row[0])
