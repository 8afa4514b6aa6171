"""Tasks as the second standard tells of them, whichever standard they were made in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from kling_pipe.catalog.api_v2.table import table_of
from kling_pipe.emulator import task_json
from kling_pipe.emulator.state import State
from kling_pipe.emulator.task import Task


def head(world: State, task: Task, now: int) -> dict[str, Any]:
    """What every answer about a task begins with; all of a create's answer."""
    status = task_json.status(world.operations[task.operation], task, now)
    inverse = {there: here for here, there in table_of()["answer"]["states"].items()}
    return {
        "id": task.task_id,
        "status": inverse.get(status, status),
        "create_time": task.created_at,
        "update_time": task.updated_at(now),
        "external_id": task.external_id,
    }


def full(world: State, task: Task, now: int) -> dict[str, Any]:
    """A queried task; a callback says the same."""
    told = task_json.full(world, task, now)
    data = {**head(world, task, now), "message": told["task_status_msg"]}
    data["outputs"] = list(_outputs(told["task_result"]))
    data["billing"] = []
    if task.succeeded(now) and task.pack:
        data["billing"] = [{"charge_type": "unit", "amount": task.units, "package_type": task.pack}]
    return data


def _outputs(result: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for sort, form in table_of()["answer"]["outputs"].items():
        for item in result.get(form["key"], ()):
            known = {name: item[own] for name, own in form["fields"].items() if own in item}
            yield {"type": sort, **{name: str(value) if name == "id" else value for name, value in known.items()}}
