"""What tasks cost, reserved before they are sent, so that runs which overlap spend one budget together.

Runs that overlap, and those that overlap with them, form one series. A task counts once in a series, however many of
its runs reserve it, and whatever becomes of them; a new series begins with the first run that overlaps with none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, NamedTuple

_KEPT = 30 * 86_400.0
"""Seconds for which an ended series is remembered: a process that slept for days still knows what it has spent."""

_SKEW = 60.0
"""Seconds by which the clocks of two machines may differ."""

_MOMENT = 0.25
"""Seconds: workers of a campaign write its row one after the other, so they do it no more often than that."""


class Amounts(NamedTuple):
    """Units by pack, and USD."""

    video: float
    image: float
    usd: float


class Spent(NamedTuple):
    """What a series has reserved, with the task that is asked for: of all jobs, of its job alone; if it has others."""

    all: Amounts
    job: Amounts
    with_others: bool


@dataclass(frozen=True, slots=True)
class Reservation:
    """What a run asks for one task. `refusal` says why that is too much, or "" (None: this run has no budget)."""

    run: str
    account: str
    external_task_id: str
    project: str
    address: str
    amounts: Amounts
    refusal: Callable[[Spent], str] | None = None


class Reservations:
    """The tables `runs` and `reservations` inside one transaction, which the caller holds and ends.

    `execute` runs a statement whose places are written `mark`; `living` are the runs that are at work.
    """

    def __init__(
        self, execute: Callable[[str, Sequence[Any]], Any], mark: str, living: Callable[[], AbstractSet[str]]
    ) -> None:
        self._run_statement = execute
        self._mark = mark
        self._living = living

    def join(self, run: str, since: float, now: float) -> None:
        """Make a run one of the series that it overlaps with: of what is at work, or was after `since`."""
        rows = self._execute("SELECT token, series, until FROM runs").fetchall()
        living = self._living()
        # What ended in the future did so by a clock that was wrong.
        near = sorted(
            {one for token, one, until in rows if token in living or token == run or since <= until < now + _SKEW}
        )
        series = near[0] if near else 1 + max((one for _, one, _ in rows), default=0)
        for other in near[1:]:
            self._merge(other, series)
        self._execute("DELETE FROM runs WHERE token = ?", run)
        self._execute("INSERT INTO runs (token, series, until) VALUES (?, ?, ?)", run, series, now)
        self._sweep({one for _, one, until in rows if until < now - _KEPT} - {series}, now)

    def reserve(self, wanted: Sequence[Reservation], now: float) -> dict[str, str]:
        """Reserve what tasks cost. Returns why that is not possible, by external id; asked again, a yes stays a yes."""
        refused, sums = {}, dict[int, Amounts]()
        for one in wanted:
            series = self._series(one.run, now)
            key = (series, one.account, one.external_task_id)
            found = self._execute(f"SELECT run FROM reservations {_ONE}", *key).fetchone()
            if found is not None and found[0] == one.run:
                continue
            if one.refusal and (why_not := one.refusal(self._spent(one, series, sums, known=found is not None))):
                refused[one.external_task_id] = why_not
                continue
            # Two runs may send it: neither can give it back for both.
            again = "ON CONFLICT (series, account, external_task_id) DO UPDATE SET run = ''"
            query = f"INSERT INTO reservations ({_COLUMNS}) VALUES ({', '.join('?' * 9)}) {again}"
            self._execute(query, *key, one.run, one.project, one.address, *one.amounts)
            if series in sums and found is None:
                sums[series] = _plus(sums[series], one.amounts)
        return refused

    def _series(self, run: str, now: float) -> int:
        query = "SELECT series, until FROM runs WHERE token = ?"
        row = self._execute(query, run).fetchone()
        if row is None:
            self.join(run, now, now)
            row = self._execute(query, run).fetchone()
        if row[1] < now - _MOMENT:
            # All that is known of its end, should it be killed.
            self._execute("UPDATE runs SET until = ? WHERE token = ?", now, run)
        return int(row[0])

    def give_back(self, run: str, account: str, external_task_id: str) -> None:
        """Nothing was made of it. What another run of the series has reserved as well stays."""
        series = "(SELECT series FROM runs WHERE token = ?)"
        query = f"DELETE FROM reservations WHERE series = {series} AND account = ? AND external_task_id = ? AND run = ?"
        self._execute(query, run, account, external_task_id, run)

    def _spent(self, wanted: Reservation, series: int, sums: dict[int, Amounts], *, known: bool) -> Spent:
        if series not in sums:  # as long as nobody else writes, it is enough to add it up once
            found = self._execute(f"SELECT {_SUMS} FROM reservations WHERE series = ?", series).fetchone()
            sums[series] = Amounts(*map(float, found))
        # The sign keeps SQLite from reading the whole series, by the key, for one job.
        query = f"SELECT {_SUMS} FROM reservations WHERE address = ? AND project = ? AND +series = ?"
        job = self._execute(query, wanted.address, wanted.project, series).fetchone()
        query = "SELECT 1 FROM runs WHERE series = ? AND token <> ?"
        others = self._execute(query, series, wanted.run).fetchone() is not None
        more = Amounts(0.0, 0.0, 0.0) if known else wanted.amounts
        return Spent(_plus(sums[series], more), _plus(job, more), others)

    def _merge(self, series: int, into: int) -> None:
        """Two series turn out to be one: a task that is in both counts once."""
        twins = "SELECT 1 FROM reservations o WHERE o.series = ? AND o.account = reservations.account"
        both = f"EXISTS ({twins} AND o.external_task_id = reservations.external_task_id)"
        self._execute(f"UPDATE reservations SET run = '' WHERE series = ? AND {both}", into, series)
        self._execute(f"DELETE FROM reservations WHERE series = ? AND {both}", series, into)
        self._execute("UPDATE reservations SET series = ? WHERE series = ?", into, series)
        self._execute("UPDATE runs SET series = ? WHERE series = ?", into, series)

    def _sweep(self, old: set[int], now: float) -> None:
        for series in old:
            query = "DELETE FROM runs WHERE series = ? AND until < ?"
            self._execute(query, series, now - _KEPT)
            if self._execute("SELECT 1 FROM runs WHERE series = ?", series).fetchone() is None:
                self._execute("DELETE FROM reservations WHERE series = ?", series)

    def _execute(self, query: str, *values: Any) -> Any:
        return self._run_statement(query.replace("?", self._mark), values)


_COLUMNS = "series, account, external_task_id, run, project, address, video, image, usd"
_ONE = "WHERE series = ? AND account = ? AND external_task_id = ?"
_SUMS = "coalesce(sum(video), 0), coalesce(sum(image), 0), coalesce(sum(usd), 0)"


def _plus(sums: Sequence[float], more: Amounts) -> Amounts:
    return Amounts(*(round(float(one) + other, 6) for one, other in zip(sums, more, strict=True)))
