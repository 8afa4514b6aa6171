"""Who is at work on a ledger in PostgreSQL: processes, and campaigns of a fleet."""

from __future__ import annotations

from typing import Any

from kling_pipe.storage.ledger.claims import BEAT, SILENCE
from kling_pipe.storage.ledger.reservations import Reservations

# A process lives as long as it gives signs of life and its session stands. Only a server that has just started says
# nothing by a session's absence: it has thrown everybody out, and they need a moment to come back.
LIVING = """
SELECT token FROM processes p WHERE seen >= %s AND (
  EXISTS (SELECT 1 FROM pg_stat_activity a WHERE a.pid = p.backend AND a.backend_start = p.started)
  OR extract(epoch FROM pg_postmaster_start_time()) > greatest(p.seen, %s))"""
_COMES_BACK = 2 * BEAT + 2.0
"""Seconds after which a process that lives has called a server again that has started anew."""

_CAMPAIGNS = """
SELECT token FROM runs r
WHERE EXISTS (SELECT 1 FROM steps s WHERE s.campaign = r.token AND s.state IN ('queued', 'waiting'))"""


def living_since(now: float) -> tuple[float, float]:
    """The values of `LIVING`."""
    return now - SILENCE, now - _COMES_BACK


def reservations(cursor: Any, now: float, *, alone: bool = True) -> Reservations:
    """What runs have reserved, in a cursor's transaction; with `alone` nobody else looks at the sums meanwhile.

    A run is a process, or a campaign as long as it has steps to be done.
    """
    if alone:
        cursor.execute("SELECT pg_advisory_xact_lock(8101950004)")

    def living() -> set[str]:
        return {row[0] for row in cursor.execute(f"{LIVING} UNION {_CAMPAIGNS}", living_since(now)).fetchall()}

    return Reservations(cursor.execute, "%s", living)
