"""How long a clip is and how long the clip is that it was made from. In seconds of film."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kling_pipe.catalog.operations import Operation
from kling_pipe.catalog.output_facts import MediaFacts, made
from kling_pipe.core import json_tree
from kling_pipe.emulator import signed_urls, uploaded_media
from kling_pipe.emulator.index import Index
from kling_pipe.emulator.task import Task

UNKNOWN_INPUT = 5.0
"""The length taken for a video or sound that is not here: it is never fetched."""
_MOST_OUTPUTS = 16


def own_task(index: Index, value: Any) -> tuple[Task, int] | None:
    """The task and the number of the result that one of the emulator's own URLs, or the result's own id, names."""
    if isinstance(value, str) and value.isdecimal():
        return _by_id(index, int(value))
    found = signed_urls.parts(value) if isinstance(value, str) else None
    if found is None or found[0].startswith("blobs/"):
        return None
    task_id, _, number = found[0].partition("/")
    task = index.by_task_id.get(task_id)
    return (task, int(number)) if task and 1 <= int(number) <= task.outputs else None


def _by_id(index: Index, value: int) -> tuple[Task, int] | None:
    """A result's id is its task's id and its number, added."""
    tasks = ((index.by_task_id.get(str(value - number)), number) for number in range(1, _MOST_OUTPUTS + 1))
    return next(((task, number) for task, number in tasks if task and number <= task.outputs), None)


def is_edit(operation: Operation, body: Mapping[str, Any]) -> bool:
    """Whether the request edits its reference video, so that its length and shape follow that video."""
    sugar, inputs = operation.kling.get("sugar", {}), operation.kling.get("inputs", {})
    if "edits" not in sugar or "item" not in sugar["edits"]:
        return False
    plain = inputs.get("video", {}).get("item", {})
    telling = {key: value for key, value in sugar["edits"]["item"].items() if plain.get(key) != value}
    items = [value for _, value in json_tree.values(body, f"{sugar['edits']['list']}/*") if isinstance(value, dict)]
    return any(all((item.get(key) or value) == value for key, value in telling.items()) for item in items)


def clip_seconds(index: Index, folder: Path, operation: Operation, body: Mapping[str, Any]) -> float:
    """Length of the clip or sound that a request asks for; 0 for what has none. `folder` holds what was handed in."""
    if operation.kling["result"].get("media") not in ("video", "audio"):
        return 0.0

    def given(value: Any) -> MediaFacts:
        return MediaFacts(seconds=input_seconds(index, folder, value))

    return made(operation, body, given, guess=True).seconds or UNKNOWN_INPUT


def input_seconds(index: Index, folder: Path, value: Any) -> float:
    """Length of a clip or sound that goes in: one of the emulator's own, one that was handed in, or a guess."""
    found = own_task(index, str(value))
    return (found[0].seconds if found else uploaded_media.seconds(folder, value)) or UNKNOWN_INPUT
