"""The board in the database: campaigns, their steps, and who waits for whom. Each function is one transaction.

waiting --(all that it needs is done)--> queued --> done
`--> failed, and all below it
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kling_pipe.engine.fleet.budget_reservations import cost_form
from kling_pipe.engine.fleet.serialization import files_of, job_form
from kling_pipe.engine.fleet.upload_signing import is_published
from kling_pipe.model import Plan, Step
from kling_pipe.storage.ledger.liveness import reservations
from kling_pipe.storage.ledger.pg_connection import PgConnection

_AT_ONCE = 5000
"""Steps that go into the queue with one statement."""
WORKING = ("create", "retry", "resume", "download")


def entrypoint(account: str) -> str:
    """The queue of an account, or of several together: only workers that have all their credentials take from it."""
    return f"kling-pipe/{account}"


@dataclass(frozen=True, slots=True)
class QueueAddress:
    """A step as a worker gets it, with its campaign's form and what it needs: external ids by address."""

    state: str
    form: Mapping[str, Any]
    campaign: Mapping[str, Any]
    needs: Mapping[str, str]


def install(session: PgConnection) -> None:
    """The queue's own tables, if they are not there."""
    session.step(_install)


def post(session: PgConnection, name: str, plan: Plan, account: str, form: Mapping[str, Any]) -> int:
    """Put a plan on the board, its first steps into the queue. Returns how many steps are to be done."""
    rows, edges = _rows(plan)
    working = [step for step in plan.steps if step.action in WORKING]
    found = (file for step in working for file in files_of(step.job.request) if not is_published(file))
    files = {file.sha256: file for file in found}

    def action(cursor: Any) -> int:
        if cursor.execute("SELECT 1 FROM campaigns WHERE id = %s", (name,)).fetchone():
            return len(rows)  # the first try was written, and its answer was lost
        values = (name, account, plan.project, json.dumps(dict(form)))
        cursor.execute("INSERT INTO campaigns (id, account, project, form) VALUES (%s, %s, %s, %s)", values)
        now = time.time()
        reservations(cursor, now).join(name, now, now)
        with cursor.copy(
            "COPY steps (campaign, address, form, waiting, state, external_task_id, message) FROM STDIN"
        ) as copy:
            for step, waiting, state, message in rows:
                form_text = json.dumps(_step_form(step))  # only now: all of them at once would be large
                copy.write_row((name, step.job.address, form_text, waiting, state, step.external_task_id, message))
        with cursor.copy("COPY edges (campaign, parent, child) FROM STDIN") as copy:
            for parent, child in edges:
                copy.write_row((name, parent, child))
        for file in files.values():
            _keep(cursor, file.sha256, Path(file.path).read_bytes())
        _enqueue(cursor, account, name, [step.job.address for step, _, state, _ in rows if state == "queued"])
        return sum(state in ("queued", "waiting") for _, _, state, _ in rows)

    return session.step(action, durable=True)


def place(session: PgConnection, campaign: str, address: str) -> QueueAddress | None:
    """A step and what it needs; None when the board does not have it."""
    query = (
        "SELECT s.state, s.form, c.form, (SELECT jsonb_object_agg(n.address, n.external_task_id) FROM edges e"
        " JOIN steps n ON n.campaign = e.campaign AND n.address = e.parent"
        " WHERE e.campaign = s.campaign AND e.child = s.address)"
        " FROM steps s JOIN campaigns c ON c.id = s.campaign WHERE s.campaign = %s AND s.address = %s"
    )
    rows = session.rows(query, (campaign, address))
    return QueueAddress(rows[0][0], rows[0][1], rows[0][2], rows[0][3] or {}) if rows else None


def is_queued(session: PgConnection, campaign: str, address: str) -> bool:
    """Whether a step is still to be done."""
    query = "SELECT 1 FROM steps WHERE campaign = %s AND address = %s AND state = 'queued'"
    return bool(session.rows(query, (campaign, address)))


def left(session: PgConnection, account: str, project: str, addresses: Iterable[str] | None = None) -> int:
    """How many steps of a project are still to be done: these addresses, or all."""
    query = (
        "SELECT count(*) FROM steps s JOIN campaigns c ON c.id = s.campaign"
        " WHERE c.account = %s AND c.project = %s AND s.state IN ('queued', 'waiting')"
        " AND (%s::text[] IS NULL OR s.address = ANY(%s))"
    )
    names = None if addresses is None else list(addresses)
    return int(session.rows(query, (account, project, names, names))[0][0])


def blob(session: PgConnection, sha256: str) -> bytes | None:
    """The bytes of a local file of the machine that planned."""
    rows = session.rows("SELECT data FROM blobs WHERE sha256 = %s", (sha256,))
    return bytes(rows[0][0]) if rows else None


def done(session: PgConnection, account: str, campaign: str, address: str, external_task_id: str) -> None:
    """A step has its files. Those that waited for it alone go into the queue, in the same transaction."""

    def action(cursor: Any) -> None:
        query = (
            "UPDATE steps SET state = 'done', external_task_id = %s"
            " WHERE campaign = %s AND address = %s AND state = 'queued'"
        )
        if not cursor.execute(query, (external_task_id, campaign, address)).rowcount:
            return
        # In one order, so that two parents that end at once cannot lock their children crosswise.
        children = "SELECT child FROM edges WHERE campaign = %s AND parent = %s"
        lock = f"SELECT address FROM steps WHERE campaign = %s AND address IN ({children}) ORDER BY address FOR UPDATE"
        if cursor.execute(lock, (campaign, campaign, address)).fetchone() is None:
            return
        query = (
            "UPDATE steps SET waiting = waiting - 1,"
            " state = CASE WHEN waiting = 1 AND state = 'waiting' THEN 'queued' ELSE state END"
            f" WHERE campaign = %s AND address IN ({children}) RETURNING address, waiting, state"
        )
        rows = cursor.execute(query, (campaign, campaign, address)).fetchall()
        _enqueue(cursor, account, campaign, [one for one, waiting, state in rows if (waiting, state) == (0, "queued")])

    # Not durable by itself: that the queue forgets the step is, and comes later in the same log. A server that loses
    # this one hands out the step again.
    session.step(action)


def failed(session: PgConnection, campaign: str, address: str, message: str) -> None:
    """A step cannot be done, nor can what needs it."""

    def action(cursor: Any) -> None:
        query = (
            "UPDATE steps SET state = 'failed', message = %s WHERE campaign = %s AND address = %s AND state = 'queued'"
        )
        if cursor.execute(query, (message, campaign, address)).rowcount:
            _fail_below(cursor, campaign, address, message)

    session.step(action, durable=True)


def cancelled(session: PgConnection, account: str, project: str, addresses: Iterable[str] | None = None) -> list[str]:
    """Take back what is not sent yet: these addresses, or all of a project, with all below them. Returns addresses.

    A step counts as sent from its intent on: Kling may know it, and knows no way to cancel.
    """

    def action(cursor: Any) -> list[str]:
        query = (
            "UPDATE steps s SET state = 'failed', message = 'cancelled' FROM campaigns c"
            " WHERE c.id = s.campaign AND c.account = %s AND c.project = %s AND s.state IN ('queued', 'waiting')"
            " AND (%s::text[] IS NULL OR s.address = ANY(%s)) AND NOT EXISTS (SELECT 1 FROM records r"
            "   WHERE r.account = ANY(string_to_array(c.account, '+'))"
            "   AND r.external_task_id = s.external_task_id AND r.failure <> 'refused')"
            " RETURNING s.campaign, s.address"
        )
        names = None if addresses is None else list(addresses)
        rows = cursor.execute(query, (account, project, names, names)).fetchall()
        for campaign, address in rows:
            _fail_below(cursor, campaign, address, "cancelled")
        return sorted({address for _, address in rows})

    return session.step(action, durable=True)


def _rows(plan: Plan) -> tuple[list[tuple[Step, int, str, str]], list[tuple[str, str]]]:
    """Steps with how many they wait for, state and message, and edges.

    Only what works is waited for; what can never be done fails what is below it.
    """
    working = {step.job.address for step in plan.steps if step.action in WORKING}
    broken: dict[str, str] = {}
    rows: list[tuple[Step, int, str, str]] = []
    edges: list[tuple[str, str]] = []
    for step in (*plan.others, *plan.steps):
        address, needs = step.job.address, step.needs
        edges += [(need, address) for need in needs]
        if address not in working:
            state = "done" if step.record is not None and step.record.state == "succeed" else "failed"
            message = "" if state == "done" else "; ".join(step.reasons)
        elif bad := next((need for need in needs if need in broken), ""):
            state, message = "failed", f"it needs `{bad}`: {broken[bad]}"
        else:
            state, message = ("waiting" if any(need in working for need in needs) else "queued"), ""
        if state == "failed":
            broken[address] = message
        waiting = sum(need in working for need in needs)
        rows.append((step, waiting, state, message))
    known = {step.job.address for step, *_ in rows}
    return rows, [(parent, child) for parent, child in edges if parent in known]


def _step_form(step: Step) -> dict[str, Any]:
    cost, last = cost_form(step), step.last_attempt
    form = {"job": job_form(step.job), "attempt": step.attempt, "last": last, "cost": cost, "pays": step.pays}
    where = {"account": step.account, "follows": step.follows, "asked": step.asked, "refused_at": step.refused_at}
    return {**form, **{name: value for name, value in where.items() if value}}


def _fail_below(cursor: Any, campaign: str, address: str, message: str) -> None:
    query = (
        "WITH RECURSIVE below(address) AS (SELECT child FROM edges WHERE campaign = %s AND parent = %s"
        " UNION SELECT e.child FROM edges e JOIN below b ON e.parent = b.address WHERE e.campaign = %s)"
        " UPDATE steps SET state = 'failed', message = %s"
        " WHERE campaign = %s AND state = 'waiting' AND address IN (SELECT address FROM below)"
    )
    cursor.execute(query, (campaign, address, campaign, f"it needs `{address}`: {message}", campaign))


def _keep(cursor: Any, sha256: str, data: bytes) -> None:
    cursor.execute("INSERT INTO blobs VALUES (%s, %s) ON CONFLICT DO NOTHING", (sha256, data))


def _enqueue(cursor: Any, account: str, campaign: str, addresses: Iterable[str]) -> None:
    from pgqueuer.adapters.persistence.queries import SyncQueries

    names = list(addresses)
    for first in range(0, len(names), _AT_ONCE):
        some = names[first : first + _AT_ONCE]
        payloads: list[bytes | None] = [json.dumps([campaign, name]).encode() for name in some]
        queries = SyncQueries(_Here(cursor.connection))
        queries.enqueue([entrypoint(account)] * len(some), payloads, [0] * len(some))


class _Here:
    """The queue's driver on the transaction that is under way: a step and its place in the queue are one commit."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def fetch(self, query: str, *args: object) -> list[dict[str, object]]:
        """Run a statement with `$1` placeholders."""
        from psycopg import RawCursor
        from psycopg.rows import dict_row

        cursor = RawCursor(self._connection, row_factory=dict_row)
        cursor.execute(query, args or None)
        found: list[dict[str, object]] = cursor.fetchall()
        return found


def _install(cursor: Any) -> None:
    from pgqueuer.adapters.persistence.qb import QueryBuilderEnvironment

    cursor.execute("SELECT pg_advisory_xact_lock(8101950003)")
    if cursor.execute("SELECT to_regclass('pgqueuer')").fetchone()[0] is None:
        cursor.execute(QueryBuilderEnvironment().build_install_query())
