"""How long a clip is and how long the clip is that it was made from. In seconds of film."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kling_pipe.catalog import Operation
from kling_pipe.emulator import leaves, links
from kling_pipe.emulator.index import Index
from kling_pipe.emulator.task import Task

UNKNOWN_INPUT = 5.0
"""The length taken for a reference video that is not the emulator's own: it is never fetched."""


def own_task(index: Index, url: Any) -> tuple[Task, int] | None:
    """The task and the number of the result that one of the emulator's own URLs names."""
    found = links.parts(url) if isinstance(url, str) else None
    if found is None or found[0].startswith("blobs/"):
        return None
    task_id, _, number = found[0].partition("/")
    task = index.by_task_id.get(task_id)
    return (task, int(number)) if task and 1 <= int(number) <= task.outputs else None


def input_seconds(index: Index, operation: Operation, body: Mapping[str, Any]) -> float | None:
    """Length of the reference video; None without one, an assumption for one from elsewhere."""
    for entry in operation.kling.get("media", ()):
        for _, url in leaves.values(body, entry["at"]) if entry["kind"] == "video" else ():
            found = own_task(index, url)
            return (found[0].seconds if found else 0.0) or UNKNOWN_INPUT
    return None


def is_edit(operation: Operation, body: Mapping[str, Any]) -> bool:
    """Whether the request edits its reference video, so that its length and shape follow that video."""
    sugar, inputs = operation.kling.get("sugar", {}), operation.kling.get("inputs", {})
    if "edits" not in sugar or "item" not in sugar["edits"]:
        return False
    plain = inputs.get("video", {}).get("item", {})
    telling = {key: value for key, value in sugar["edits"]["item"].items() if plain.get(key) != value}
    items = [value for _, value in leaves.values(body, f"{sugar['edits']['list']}/*") if isinstance(value, dict)]
    return any(all((item.get(key) or value) == value for key, value in telling.items()) for item in items)


def clip_seconds(operation: Operation, body: Mapping[str, Any], given: float | None) -> float:
    """Length of the clip that a request asks for; 0 for what is not a clip."""
    if operation.kling["result"].get("media") != "video":
        return 0.0
    if given is not None and is_edit(operation, body):
        return given
    return float(body.get("duration") or operation.fields.get("duration", {}).get("default") or UNKNOWN_INPUT)
