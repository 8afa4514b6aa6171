"""What things are called in traces and metrics, and what may stand in them. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from kling_pipe.catalog.operations import load_operation, quota
from kling_pipe.core.redact import shown
from kling_pipe.model import Job, Record

_KEY_LETTERS = 20
"""As many of a key as the external id shows."""

_ATTEMPT = re.compile(r"-a\d+$")
_ID = re.compile(r"/(\d{6,}|kp1-[^/]*)$")


def first_attempt(external_task_id: str) -> str:
    """The external id without its attempt: what all attempts at a job have in common."""
    return _ATTEMPT.sub("", external_task_id)


def pack_of(job: Job) -> str:
    """The pack whose units a job costs, or ""."""
    return quota(load_operation(job.operation), job.request)[0] or ""


def job_facts(job: Job) -> dict[str, Any]:
    """What is known of a job before anything happens to it."""
    pack, model = quota(load_operation(job.operation), job.request)
    facts = {
        "kling_pipe.job.address": job.address,
        "kling_pipe.job.key": job.key[:_KEY_LETTERS],
        "kling_pipe.job.project": job.project,
        "kling_pipe.operation": job.operation,
        "kling_pipe.model": model,
        "kling_pipe.pool": pack,
    }
    return {name: value for name, value in facts.items() if value}


def record_facts(record: Record) -> dict[str, Any]:
    """What is known of a job's task."""
    facts: dict[str, Any] = {
        "kling_pipe.external_task_id": record.external_task_id,
        "kling_pipe.task_id": record.task_id,
        "kling_pipe.account": record.account,
        "kling_pipe.attempt": record.attempt,
        "kling_pipe.units": record.charged if record.units else None,
    }
    return {name: value for name, value in facts.items() if value not in (None, "")}


def template(note: Mapping[str, Any]) -> str:
    """The path of a request without what differs from task to task; "" for a file, whose path is anybody's."""
    if note["kind"] == "download":
        return ""
    return _ID.sub("/{id}", str(note["path"]).partition("?")[0])


def request_facts(note: Mapping[str, Any]) -> dict[str, Any]:
    """A request and its answer, by the names of the semantic conventions where they have one."""
    host, _, port = str(note["host"]).partition(":")
    facts = {
        "http.request.method": note["method"],
        "http.response.status_code": note["status"],
        "server.address": host,
        "server.port": int(port) if port.isdigit() else None,
        "url.template": template(note),
        "error.type": error_type(note),
        "kling_pipe.request.kind": note["kind"],
        "kling_pipe.request.again": shown(note["again"]),
        "kling_pipe.code": note["code"],
        "kling_pipe.external_task_id": note["external_task_id"],
    }
    return {name: value for name, value in facts.items() if value not in (None, "")}


def error_type(note: Mapping[str, Any]) -> str:
    """Kling's code, the HTTP status or `no_answer` where a request did not go well; "" where it did."""
    if note["code"] == 0:
        return ""
    return str(note["code"] or note["status"] or "no_answer")
