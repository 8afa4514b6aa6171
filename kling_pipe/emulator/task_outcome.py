"""Settles at its creation all that will become of a task: when it ends, how, with how many results, at what cost."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kling_pipe.catalog import operations
from kling_pipe.catalog.operations import Operation
from kling_pipe.emulator import elements, request_rules, task_durations
from kling_pipe.emulator.clip_durations import clip_seconds
from kling_pipe.emulator.index import Index
from kling_pipe.emulator.options import Options
from kling_pipe.emulator.task import Task

FIRST_TASK = 880_000_000_000_000_003
FIRST_ELEMENT = 860_000_000_000_000_001
STEP = 15_838
"""Ids grow by this much: 18 digits, odd and far above 2**53, so that a float would lose them."""


@dataclass(frozen=True, slots=True)
class Extra:
    """What comes with a request beside its body: the host that it was sent to, and what faults do to its task.

    `failure` is the message to fail with, `slow` adds seconds, `invisible` hides the task for so many seconds, in which
    its external id is refused again or not (`refuses_duplicates`). `form` is the standard it came in, "" for the first.
    """

    host: str = ""
    failure: str = ""
    slow: float = 0.0
    invisible: float = 0.0
    refuses_duplicates: bool = True
    form: str = ""


PLAIN = Extra()


@dataclass(frozen=True, slots=True)
class Order:
    """An accepted request; `now` in ms."""

    seq: int
    account: str
    operation: Operation
    body: dict[str, Any]
    now: int
    extra: Extra


def settled(order: Order, options: Options, index: Index, blobs: Path) -> Task:
    """The task that an order becomes."""
    operation, body, extra = order.operation, order.body, order.extra
    task_id = str(FIRST_TASK + order.seq * STEP)
    external_id = str(body.get("external_task_id") or "")
    clip = clip_seconds(index, blobs, operation, body)
    seconds = task_durations.task_seconds(operation.kind, external_id or task_id, options, clip) + extra.slow
    if operation.kling.get("synchronous"):
        seconds = 0.0
    pack, model = operations.quota(operation, body)
    slots = request_rules.weight(operation, body) if pack else 0
    pool = f"{order.account}/{pack}/{model}" if options.slots_per_model else f"{order.account}/{pack}"
    return Task(
        seq=order.seq,
        account=order.account,
        operation=operation.name,
        task_id=task_id,
        external_id=external_id,
        body=body,
        created_at=order.now,
        started_at=order.now + int(seconds * task_durations.QUEUED * 1000),
        done_at=order.now + int(seconds * 1000),
        outputs=request_rules.outputs(operation, body),
        failure=extra.failure or elements.picture_failure(blobs, operation, body),
        units=f"{request_rules.units(operation, body, clip):g}",
        pack=pack or "",
        slot=pool if slots else "",
        weight=slots,
        seconds=clip,
        element_id=FIRST_ELEMENT + order.seq * STEP if "id" in operation.kling["result"] else 0,
        visible_at=order.now + int(extra.invisible * 1000),
        refuses_duplicates=extra.refuses_duplicates,
        host=extra.host,
        form=extra.form,
    )
