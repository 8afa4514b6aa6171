"""The words of progress: one line for a job that ended, one for where a run stands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kling_pipe.report.progress_state import Ended, ProgressState

SIGNS = {"made": "+", "reused": "=", "failed": "!", "waiting": ">"}


def ended_line(one: Ended) -> str:
    """`+ video.teaser@jp-16x9  made in 1:32, 10 video units`."""
    return f"{SIGNS[one.ending]} {one.step.job.address}  {ended_text(one)}"


def ended_text(one: Ended) -> str:
    """How a job ended, without its address."""
    if one.ending == "failed":
        return f"failed: {one.message}" if one.message else "failed"
    if one.ending == "waiting":
        return "goes on at Kling"
    took = f" in {clock_text(one.seconds)}" if one.seconds >= 1 else ""
    return f"{one.ending}{took}{f', {one.units}' if one.units else ''}"


def status_line(board: ProgressState, budget: Mapping[str, Any]) -> str:
    """`12 of 200 done (1 failed), 5 running, 40 video units, $5.60 of $20`."""
    failed = f" ({board.counts['failed']} failed)" if board.counts["failed"] else ""
    running = f", {len(board.running)} running" if board.running else ""
    return f"{board.done} of {board.total} done{failed}{running}, {spent_text(board, budget)}"


def spent_text(board: ProgressState, budget: Mapping[str, Any]) -> str:
    """Units so far by pack and their price, each against its budget where there is one."""
    parts = []
    for pack in ("video", "image"):
        if board.units[pack] or budget.get(pack) is not None:
            parts.append(f"{board.units[pack]:g}{_of(budget.get(pack))} {pack} units")
    usd = budget.get("usd")
    parts.append(f"${board.usd:.2f}" + (f" of ${float(usd):g}" if usd is not None else ""))
    return ", ".join(parts)


def _of(allowed: Any) -> str:
    return "" if allowed is None else f" of {float(allowed):g}"


def clock_text(seconds: float) -> str:
    """`0:07`, `12:30`, `1:02:03`."""
    whole = max(0, round(seconds))
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours}:{minutes:02}:{whole % 60:02}" if hours else f"{minutes}:{whole % 60:02}"
