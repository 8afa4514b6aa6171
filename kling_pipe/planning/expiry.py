"""Sources that are too old for Kling, or soon will be, told before anything is sent: results and signed links. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

from kling_pipe.catalog.operations import load_operation, table
from kling_pipe.core.json_pointer import Pointer, walk
from kling_pipe.core.redact import shown
from kling_pipe.model import Job, OutputRef, Problem, Record

KEPT_DAYS = 30
"""How long Kling keeps results (general information page, 2026-03)."""
_SOON_DAYS = 3.0
_DAY_MS = 24 * 3600 * 1000
_LIBRARY = ("element", "voice")
"""Kinds of things that Kling keeps until somebody deletes them."""
_STAMP = re.compile(r"\d{8}T\d{6}Z")
_EPOCH = re.compile(r"\d{10}(\d{3})?")


class ExpiringSource(NamedTuple):
    """A result or link that a job takes in, and until when (ms) Kling takes it. `days` is 0 for a link."""

    text: str
    field: str
    until: int
    days: int = 0
    record: Record | None = None


def sources(job: Job, made: Callable[[str], Record | None], *, publishes: bool = False) -> Iterator[ExpiringSource]:
    """What a job takes in that grows old.

    `made` gives the record of the result at an address, or with an id that Kling gave it, if it stands already.

    With `publishes` a saved film goes out by a link of our own, so that Kling's copy may be gone.
    """
    for entry in load_operation(job.operation).kling["media"]:
        for pointer, value in walk(job.request, entry["at"]) if entry["kind"] not in _LIBRARY else ():
            if isinstance(value, OutputRef):
                yield from _result(value.address, pointer, entry, made(value.address), publishes=publishes)
            elif isinstance(value, str) and "as" in entry:
                yield from _result(value, pointer, entry, made(value), publishes=publishes)
            elif isinstance(value, str) and (until := expiry(value)):
                yield ExpiringSource(shown(value), _field(pointer), until)


def _result(
    name: str, pointer: Pointer, entry: Mapping[str, Any], record: Record | None, *, publishes: bool
) -> Iterator[ExpiringSource]:
    if record is None or record.state != "succeed" or not record.created_at:
        return
    by_id = "as" in entry
    days = table("media")["limits"].get(entry.get("limits"), {}).get("max_days") if by_id else KEPT_DAYS
    if days and (by_id or not (entry.get("base64") or publishes)):
        yield ExpiringSource(name, _field(pointer), record.created_at + days * _DAY_MS, days, record)


def _field(pointer: Pointer) -> str:
    return next(step for step in reversed(pointer) if isinstance(step, str))


def expired(job: Job, found: Iterator[ExpiringSource], jobs: Mapping[str, Job], now: int) -> str:
    """Why a job cannot be made with one of its sources; "" when all are young enough."""
    return next((_told(job, one, jobs, now) for one in found if now and one.until < now), "")


def _told(job: Job, source: ExpiringSource, jobs: Mapping[str, Job], now: int) -> str:
    if source.record is None:
        where = f"`{source.field}`{_place(job)}"
        return f"the link in {where}, `{source.text}`, ran out on {_date(source.until)}: write a fresh one"
    old = (now - source.record.created_at) // _DAY_MS
    address = source.text if source.text in jobs else source.record.address
    return (
        f"`{source.text}`{_place(jobs.get(address))} was made on {_date(source.record.created_at)}, {old} days ago,"
        f" and `{source.field}`{_place(job)} takes what is at most {source.days} days old:"
        f" --replace {address} remakes it"
    )


def soon(job: Job, found: Iterator[ExpiringSource], jobs: Mapping[str, Job], now: int) -> Iterator[Problem]:
    """A word about each source that Kling will soon not take any more."""
    for one in found:
        left = (one.until - now) / _DAY_MS
        if not 0 <= left < (_SOON_DAYS if one.record else 1):
            continue
        time = f"{left:.1f} days" if left >= 1 else f"{left * 24:.0f} hours"
        maker = _place(jobs.get(one.text)) if one.record else ""
        what = f"`{one.text}`{maker}" if one.record else f"the link `{one.text}`"
        yield Problem(
            "KP406",
            "warn",
            f"`{one.field}` takes {what} for {time} more, until {_date(one.until)}",
            position=job.position,
            address=job.address,
            hint="Run it before then; later it must be remade." if one.record else "Run it before then.",
        )


def _place(job: Job | None) -> str:
    return f" ({job.position})" if job and job.position else ""


def _date(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d")


def expiry(link: str) -> int | None:
    """When a signed link runs out (ms), as its query says: S3, Google, CloudFront, OSS, Azure. None where none does."""
    if "?" not in link or not link[:8].lower().startswith(("http://", "https://")):
        return None
    try:
        given = {name.lower(): value for name, value in parse_qsl(urlsplit(link).query)}
    except ValueError:
        return None
    for name in ("x-amz", "x-goog"):
        stamp, life = given.get(f"{name}-date", ""), given.get(f"{name}-expires", "")
        if _STAMP.fullmatch(stamp) and life.isdecimal() and len(life) < 9:
            return _ms(stamp, "%Y%m%dT%H%M%SZ", int(life))
    if "sig" in given and "se" in given:
        return _ms(given["se"], "%Y-%m-%dT%H:%M:%SZ", 0)
    if _EPOCH.fullmatch(moment := given.get("expires", "")):
        return int(moment) * (1 if len(moment) == 13 else 1000)
    return None


def _ms(text: str, form: str, life: int) -> int | None:
    try:
        return round((datetime.strptime(text, form).replace(tzinfo=UTC) + timedelta(seconds=life)).timestamp() * 1000)
    except (ValueError, OverflowError):
        return None
