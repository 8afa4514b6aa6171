"""From Kling's tasks to records, driven by the operation's data. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, cast

from kling_pipe.catalog.operations import Operation
from kling_pipe.client import Oddities, TaskState, json_types, task_failure
from kling_pipe.engine.job_errors import UnknownStatusError, UnreadableError
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


def merge_task(record: Record, operation: Operation, task: TaskState, now: float) -> Record:
    """The record with what Kling says of its task. Saved files stay as they are; URLs are renewed.

    Raises UnreadableError, UnknownStatusError.
    """
    if odd := _oddity(record, task):
        raise UnreadableError(f"what Kling answers about task {record.task_id or task.task_id} cannot be read: {odd}")
    state = state_of(operation, task)
    if record.state == "succeed" and state in ("submitted", "processing"):
        return record  # an older answer than the one that is known
    fresh = tuple(outputs(operation, task, now)) if state == "succeed" else ()
    return replace(
        record,
        state=state,
        task_id=task.task_id or record.task_id,
        message=task.message if state == "failed" else "",
        failure=task_failure(task.message) if state == "failed" else "",
        outputs=_merged(record, fresh) if state == "succeed" else record.outputs,
        units=task.units or record.units,
        created_at=task.created_at or record.created_at,
        updated_at=task.updated_at or record.updated_at,
    )


def merge_found_task(blank: Record, operation: Operation, task: TaskState, now: float) -> Record:
    """The record of a task that exists; what its answer does not say, waiting for it will tell.

    Without an id of the task it is an intent: what may be at Kling is looked up, and not sent again on suspicion.
    """
    try:
        return merge_task(blank, operation, task, now)
    except (UnknownStatusError, UnreadableError):
        task_id = blank.task_id or task.task_id
        if not task_id:
            return replace(blank, state="intent", updated_at=int(now * 1000))
        return replace(blank, state="processing", task_id=task_id, created_at=task.created_at or blank.created_at)


def _oddity(record: Record, task: TaskState) -> str:
    """What keeps an answer from being read as one about a record's task, ""."""
    if record.task_id and task.task_id and record.task_id != task.task_id:
        return f"it names task {task.task_id}"
    return task.odd


def check(operation: Operation, task: TaskState) -> tuple[str, ...]:
    """What of a task can be done without, each with its name. Raises UnreadableError where it cannot."""
    if task.odd:
        raise _unreadable(task, task.odd)
    remarks = Oddities(task.remarks)
    if task.status in operation.kling["states"]["success"]:
        tuple(outputs(operation, task, 0.0, remarks))
    elif task.status in operation.kling["states"]["pending"]:
        return ()
    return tuple(remarks)


def outputs(operation: Operation, task: TaskState, now: float, remarks: Oddities | None = None) -> Iterator[Output]:
    """The outputs in a finished task's result. `now` (seconds) is when their URLs were handed out.

    Raises UnreadableError; `remarks` takes what could be left out.
    """
    result = operation.kling["result"]
    left_out = Oddities() if remarks is None else remarks
    try:
        places = [one for part in (result, *result.get("also", ())) for one in _places(part, task.result)]
        for index, (part, form, key) in enumerate(places, start=1):
            if "id" in part:
                yield of_id(operation, form.get(part["id"]), index)
                continue
            url = json_types.link(form.get(key))
            if url or "sorts" not in part:
                yield Output(
                    index=index,
                    url=url,
                    url_at=int(now * 1000) if url else 0,
                    id=left_out.read(json_types.identifier, form, "id", ""),
                    duration=left_out.read(json_types.amount, form, part.get("duration", "duration"), ""),
                    sole=bool(url) and operation.kling["lookup"] == "none",
                )
    except json_types.OddError as error:
        raise _unreadable(task, f"in task_result, or for it, there is {error}") from None


def of_id(operation: Operation, value: Any, index: int = 1) -> Output:
    """The output that is an id alone: an element's is a whole number, a voice's is text. Raises OddError."""
    if operation.kling["result"].get("id_type") == "string":
        if not (told := json_types.identifier(value)):
            raise json_types.OddError("no id")
        return Output(index, id=told)
    return Output(index, element_id=json_types.number_id(value))


def forms(operation: Operation, task: TaskState) -> list[Mapping[str, Any]]:
    """What a task's result lists, as Kling sent it; nothing where that cannot be read."""
    try:
        return _forms(operation.kling["result"], task.result)
    except json_types.OddError:
        return []


def _unreadable(task: TaskState, odd: str) -> UnreadableError:
    return UnreadableError(f"what Kling answers about task {task.task_id} cannot be read: {odd}")


def _places(part: Mapping[str, Any], answer: Any) -> Iterator[tuple[Mapping[str, Any], Any, str]]:
    """Every place of an output with the key of its URL, in the order that the data gives them."""
    listed = _forms(part, answer)
    if "sorts" in part:
        by_sort = {json_types.text(form.get("type")): form for form in listed if form.get("is_contain", True)}
        listed = [by_sort.get(sort, {}) for sort in part["sorts"]]
    for form in listed:
        for key in part.get("urls", (part.get("url", "url"),)):
            yield part, form, key


def _forms(result: Mapping[str, Any], told: Any) -> list[Mapping[str, Any]]:
    answer = json_types.mapping(told)
    for name in (result["key"], *result.get("alternatives", ())):
        if found := json_types.mappings(answer.get(name)):
            return found
    return []


def _merged(record: Record, fresh: tuple[Output, ...]) -> tuple[Output, ...]:
    saved = {output.index: output for output in record.outputs if output.sha256}
    return tuple(
        replace(saved[new.index], url=new.url, url_at=new.url_at) if new.index in saved else new for new in fresh
    )
