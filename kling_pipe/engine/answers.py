"""From Kling's tasks to records, driven by the operation's data. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, cast

from kling_pipe.catalog import Operation
from kling_pipe.client import TaskState, task_failure
from kling_pipe.engine.reasons import UnknownStatusError
from kling_pipe.model import Output, Record, State


def state_of(operation: Operation, task: TaskState) -> State:
    """The state that a task's status stands for. Raises UnknownStatusError."""
    states = operation.kling["states"]
    if task.status in states["pending"]:
        return cast(State, task.status) if task.status in ("submitted", "processing") else "processing"
    if task.status in states["success"]:
        return "succeed"
    if task.status in states["failure"]:
        return "failed"
    raise UnknownStatusError(
        f'Kling gives task {task.task_id} the status "{task.status}", which this version does not know',
        hint="the task may go on and be billed: look at it in Kling's console, or update kling-pipe",
    )


def told(record: Record, operation: Operation, task: TaskState, now: float) -> Record:
    """The record with what Kling says of its task. Saved files stay as they are; URLs are renewed."""
    state = state_of(operation, task)
    return replace(
        record,
        state=state,
        task_id=task.task_id or record.task_id,
        message=task.message if state == "failed" else "",
        failure=task_failure(task.message) if state == "failed" else "",
        outputs=_merged(record, tuple(outputs(operation, task, now))) if state == "succeed" else record.outputs,
        units=task.units or record.units,
        created_at=task.created_at or record.created_at,
        updated_at=task.updated_at or record.updated_at,
    )


def outputs(operation: Operation, task: TaskState, now: float) -> Iterator[Output]:
    """The outputs in a finished task's result. `now` (seconds) is when their URLs were handed out."""
    result = operation.kling["result"]
    for index, form in enumerate(_forms(result, task.result), start=1):
        element = form.get(result.get("id", ""))
        yield Output(
            index=index,
            url=str(form.get("url") or ""),
            url_at=int(now * 1000) if form.get("url") else 0,
            id=str(form.get("id") or ""),
            duration=str(form.get("duration") or ""),
            element_id=int(element) if element is not None else None,
        )


def _forms(result: Mapping[str, Any], answer: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    for name in (result["key"], *result.get("alternatives", ())):
        if answer.get(name):
            return list(answer[name])
    return []


def _merged(record: Record, fresh: tuple[Output, ...]) -> tuple[Output, ...]:
    saved = {output.index: output for output in record.outputs if output.sha256}
    return tuple(
        replace(saved[new.index], url=new.url, url_at=new.url_at) if new.index in saved else new for new in fresh
    )
