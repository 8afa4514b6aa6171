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
    places = [one for part in (result, *result.get("also", ())) for one in _places(part, task.result)]
    for index, (part, form, key) in enumerate(places, start=1):
        url = str(form.get(key) or "")
        if "id" in part:
            yield of_id(operation, form[part["id"]], index)
        elif url or "sorts" not in part:
            yield Output(
                index=index,
                url=url,
                url_at=int(now * 1000) if url else 0,
                id=str(form.get("id") or ""),
                duration=str(form.get(part.get("duration", "duration")) or ""),
            )


def of_id(operation: Operation, value: Any, index: int = 1) -> Output:
    """The output that is an id alone: an element's is a whole number, a voice's is text."""
    if operation.kling["result"].get("id_type") == "string":
        return Output(index, id=str(value))
    return Output(index, element_id=int(value))


def _places(part: Mapping[str, Any], answer: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], Any, str]]:
    """Every place of an output with the key of its URL, in the order that the data gives them."""
    forms = _forms(part, answer)
    if "sorts" in part:
        by_sort = {form.get("type"): form for form in forms if form.get("is_contain", True)}
        forms = [by_sort.get(sort, {}) for sort in part["sorts"]]
    for form in forms:
        for key in part.get("urls", (part.get("url", "url"),)):
            yield part, form, key


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
