"""Tasks as JSON, the way Kling answers a create, a query, a list and a callback. Keeps the text of each for reuse."""

from __future__ import annotations

import json
from typing import Any

from kling_pipe.catalog import Operation
from kling_pipe.emulator import blobs, elements, leaves
from kling_pipe.emulator.media.card import FRAME_RATE
from kling_pipe.emulator.task import KEPT_MS, Task
from kling_pipe.emulator.world import World
from kling_pipe.pointers import Pointer


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


def text(world: World, task: Task, now: int) -> str:
    """A queried task as JSON text, made once per state and for as long as its URLs are good."""
    phase = task.phase(now)
    cached_phase, until, cached = task.cached
    if cached_phase == phase and now < until:
        return cached
    made = json.dumps(full(world, task, now))
    life = world.options.url_seconds * 500 if phase == "done" else KEPT_MS
    task.cached = (phase, now + life, made)
    return made


def full(world: World, task: Task, now: int) -> dict[str, Any]:
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


def _result(world: World, operation: Operation, task: Task, now: int) -> dict[str, Any]:
    shape = operation.kling["result"]
    if "id" in shape:
        return {shape["key"]: [elements.wire(task, _with_urls(world, task, now), shape["id"])]}
    items = [_item(world, shape, task, number, now) for number in range(1, task.outputs + 1)]
    return _placed(shape, task, items)


def _placed(shape: dict[str, Any], task: Task, items: list[dict[str, Any]]) -> dict[str, Any]:
    """Results under their key, or under another one that the request chose (`result_type: series`)."""
    for key in shape.get("alternatives", ()):
        choice = key.partition("_")[0]
        if task.body.get("result_type") == choice:
            return {"result_type": choice, key: items}
        return {"result_type": task.body.get("result_type") or "single", shape["key"]: items}
    return {shape["key"]: items}


def _item(world: World, shape: dict[str, Any], task: Task, number: int, now: int) -> dict[str, Any]:
    url = _url(world, task, f"{task.task_id}/{number}", shape["extension"], now)
    mark = {"watermark_url": url} if watermarked(task) else {}
    if shape["media"] == "video":
        return {"id": str(int(task.task_id) + number), "url": url, **mark, "duration": duration(task.seconds)}
    return {"index": number - 1, "url": url, **mark}


def duration(seconds: float) -> str:
    """The length of a made clip as Kling writes it: one frame more than was asked for, cut to ms (`5.041`)."""
    return f"{(round(seconds * FRAME_RATE) + 1) * 1000 // FRAME_RATE / 1000:.3f}"


def _url(world: World, task: Task, name: str, extension: str, now: int) -> str:
    expires = min(now + world.options.url_seconds * 1000, task.done_at + KEPT_MS)
    return world.links.url(world.options.public_url.rstrip("/") or task.host, name, extension, now, expires)


def _with_urls(world: World, task: Task, now: int) -> dict[str, Any]:
    def shown(_: Pointer, leaf: Any) -> Any:
        if not str(leaf).startswith(blobs.MARK):
            return leaf
        name, _, extension = leaf.removeprefix(blobs.MARK).partition(".")
        return _url(world, task, f"blobs/{name}", extension, now)

    body: dict[str, Any] = leaves.replaced(task.body, shown)
    return body
