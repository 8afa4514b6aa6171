"""Tasks as JSON, the way Kling answers a create, a query, a list and a callback. Keeps the text of each for reuse."""

from __future__ import annotations

import json
from typing import Any

from kling_pipe.catalog.operations import Operation
from kling_pipe.core.json_pointer import Pointer
from kling_pipe.core.json_tree import map_leaves_at
from kling_pipe.emulator import elements, result_layout, uploaded_media
from kling_pipe.emulator.state import State
from kling_pipe.emulator.task import KEPT_MS, Task


def status(operation: Operation, task: Task, now: int) -> str:
    """The operation's own word for where the task stands."""
    states, phase = operation.kling["states"], task.phase(now)
    if phase == "done":
        return str(states["failure" if task.failure else "success"][0])
    return str(states["pending"][0 if phase == "submitted" else -1])


def head(operation: Operation, task: Task, now: int) -> dict[str, Any]:
    """What every answer about a task begins with; all of a create's answer."""
    return {
        "task_id": task.task_id,
        "task_status": status(operation, task, now),
        "task_info": {"external_task_id": task.external_id} if task.external_id else {},
        "created_at": task.created_at,
        "updated_at": task.updated_at(now),
    }


def text(world: State, task: Task, now: int) -> str:
    """A queried task as JSON text, made once per state and for as long as its URLs are good."""
    phase = task.phase(now)
    cached_phase, until, cached = task.cached
    if cached_phase == phase and now < until:
        return cached
    made = json.dumps(full(world, task, now))
    life = world.options.url_seconds * 500 if phase == "done" else KEPT_MS
    task.cached = (phase, now + life, made)
    return made


def full(world: State, task: Task, now: int) -> dict[str, Any]:
    """A queried task."""
    operation = world.operations[task.operation]
    done = task.phase(now) == "done"
    data = head(operation, task, now)
    data["task_status_msg"] = task.failure if done else ""
    if "watermark_info" in operation.fields:
        data["watermark_info"] = {"enabled": watermarked(task)}
    if done:
        data["final_unit_deduction"] = "0" if task.failure else task.units
    data["task_result"] = _result(world, operation, task, now) if task.succeeded(now) else {}
    return data


def watermarked(task: Task) -> bool:
    """Whether the request asked for a second copy with a watermark."""
    return bool((task.body.get("watermark_info") or {}).get("enabled"))


def _result(world: State, operation: Operation, task: Task, now: int) -> dict[str, Any]:
    result = operation.kling["result"]
    if "id" in result:
        body = _with_urls(world, task, now)
        return {result["key"]: [elements.WIRES[operation.kind](task, body, result["id"])]}

    def url(number: int, extension: str) -> str:
        return _url(world, task, f"{task.task_id}/{number}", extension, now)

    return result_layout.listed(operation, task, url, marked=watermarked(task))


def _url(world: State, task: Task, name: str, extension: str, now: int) -> str:
    expires = min(now + world.options.url_seconds * 1000, task.done_at + KEPT_MS)
    return world.links.url(world.options.public_url.rstrip("/") or task.host, name, extension, now, expires)


def _with_urls(world: State, task: Task, now: int) -> dict[str, Any]:
    def shown(_: Pointer, leaf: Any) -> Any:
        if not str(leaf).startswith(uploaded_media.MARK):
            return leaf
        name, _, extension = leaf.removeprefix(uploaded_media.MARK).partition(".")
        return _url(world, task, f"blobs/{name}", extension, now)

    body: dict[str, Any] = map_leaves_at(task.body, shown)
    return body
