"""What is known of each job, as a list or as JSON."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

import click

from kling_pipe.model import Job, Record
from kling_pipe.report.cell_width import cells, padded

if TYPE_CHECKING:
    from kling_pipe.planning import Snapshot

FORMAT_VERSION = "1.0"
KEPT_DAYS = 30
"""How long Kling keeps results (general information page, 2026-03)."""
_DAY_MS = 24 * 3600 * 1000
_COLOURS = {"made": "green", "running": "cyan", "failed": "red", "new": None}


def rows(jobs: Sequence[Job], snapshot: Snapshot, campaign: Sequence[Job] = ()) -> list[dict[str, Any]]:
    """One mapping a job: address, state, task, attempt, files, charged units, message, days left at Kling.

    `keep` says why those days matter: the file is not saved here, or a job of `campaign` that is not made needs it.
    """
    needed = {need for job in campaign or jobs if not _is_made(job, snapshot) for need in job.needs}
    return [_row(job, snapshot, needed) for job in jobs]


def days_left(record: Record, now: int) -> float | None:
    """For how many days Kling keeps a task's results; None when it is not known when the task was made."""
    age = (now - record.created_at) / _DAY_MS
    return max(0, round(KEPT_DAYS - age, 1)) if record.created_at else None


def _is_made(job: Job, snapshot: Snapshot) -> bool:
    record = snapshot.counts(job)
    return record is not None and record.state == "succeed"


def _keep(job: Job, record: Record, snapshot: Snapshot, needed: Collection[str]) -> str:
    """Why the copy at Kling matters; "" when it does not."""
    if record.state != "succeed":
        return ""
    files = [one for one in record.outputs if one.element_id is None]
    if not all(
        (one.path and snapshot.stands(one.path, one.size)) or snapshot.kept(one.sha256, one.size) for one in files
    ):
        return "not saved here"
    return "needed by a job that is not made" if job.address in needed and job.place else ""


def _row(job: Job, snapshot: Snapshot, needed: Collection[str]) -> dict[str, Any]:
    record = snapshot.counts(job)
    if record is None:
        return {"address": job.address, "state": "new"}
    state = {"succeed": "made", "failed": "failed"}.get(record.state, "running")
    files = [output.path for output in record.outputs if output.path]
    elements = [str(output.element_id) for output in record.outputs if output.element_id is not None]
    return {
        "address": job.address,
        "state": state,
        "task_status": record.state,
        "task_id": record.task_id,
        "attempt": record.attempt,
        "external_task_id": record.external_task_id,
        "units": record.units,
        "message": record.message,
        "files": files,
        "element_ids": elements,
        "days_left": days_left(record, snapshot.now),
        "keep": _keep(job, record, snapshot, needed),
        **_account(record, snapshot),
    }


def _account(record: Record, snapshot: Snapshot) -> dict[str, str]:
    """Where the task is, when there is a choice."""
    name = snapshot.account_name(record.account)
    return {"account": name} if name else {}


def states_json(jobs: Sequence[Job], snapshot: Snapshot, campaign: Sequence[Job] = ()) -> str:
    """`{format_version, jobs: [...]}`."""
    return json.dumps(
        {"format_version": FORMAT_VERSION, "jobs": rows(jobs, snapshot, campaign)}, ensure_ascii=False, indent=2
    )


def states_text(jobs: Sequence[Job], snapshot: Snapshot, campaign: Sequence[Job] = ()) -> str:
    """A line a job, and the counts."""
    found = rows(jobs, snapshot, campaign)
    width = min(60, max((cells(row["address"]) for row in found), default=0))
    lines = [_line(row, width) for row in found]
    counts = Counter(row["state"] for row in found)
    return "\n".join([*lines, ", ".join(f"{counts[state]} {state}" for state in _COLOURS)])


def _line(row: dict[str, Any], width: int) -> str:
    state = click.style(f"{row['state']:<8}", fg=_COLOURS[row["state"]])
    what = (
        row.get("message") if row["state"] == "failed" else ", ".join(row.get("files") or row.get("element_ids") or ())
    )
    task = row.get("task_id") or ""
    left = ""
    if row.get("keep") and row["days_left"] is not None:
        left = click.style(f"  {row['days_left']:g} days left at Kling: {row['keep']}", fg="yellow")
    where = f"  in {row['account']}" if row.get("account") else ""
    return f"{state} {padded(row['address'], width)}  {task:<18}  {what or ''}{where}{left}".rstrip()
