"""The shape of a task's result, after the operation's data: the medium of each output, and how they are listed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from kling_pipe.catalog.operations import Operation
from kling_pipe.emulator.task import Task

Shape = Mapping[str, Any]
Url = Callable[[int, str], str]
"""The URL of an output by its number, from 1, and its extension."""


def part(operation: Operation, task: Task, number: int) -> Shape:
    """What an output is: `media` and `extension`. Those of another medium come last, one of each."""
    result: Shape = operation.kling["result"]
    also = result.get("also", ())
    return also[number - task.outputs + len(also) - 1] if number > task.outputs - len(also) else result


def listed(operation: Operation, task: Task, url: Url, *, marked: bool) -> dict[str, Any]:
    """`task_result` of a task whose outputs are files."""
    result: Shape = operation.kling["result"]
    also = result.get("also", ())
    numbers = list(range(1, task.outputs - len(also) + 1))
    found = _placed(result, task, _items(result, task, numbers, url, marked=marked))
    for number, other in enumerate(also, start=len(numbers) + 1):
        found[other["key"]] = _items(other, task, [number], url, marked=False)
    return found


def _placed(result: Shape, task: Task, items: list[dict[str, Any]]) -> dict[str, Any]:
    """Results under their key, or under another one that the request chose (`result_type: series`)."""
    for key in result.get("alternatives", ()):
        choice = key.partition("_")[0]
        if task.body.get("result_type") == choice:
            return {"result_type": choice, key: items}
        return {"result_type": task.body.get("result_type") or "single", result["key"]: items}
    return {result["key"]: items}


def _items(result: Shape, task: Task, numbers: list[int], url: Url, *, marked: bool) -> list[dict[str, Any]]:
    if "urls" in result:
        keys = result["urls"]
        starts = range(0, len(numbers), len(keys))
        return [
            {"index": at, **{key: url(numbers[start + nth], result["extension"]) for nth, key in enumerate(keys)}}
            for at, start in enumerate(starts)
        ]
    return [
        {
            **_item(result, task, number, url(number, result["extension"]), marked=marked),
            **_copies(result, task, number, url),
        }
        for number in numbers
    ]


def _copies(result: Shape, task: Task, number: int, url: Url) -> dict[str, str]:
    """The same output in other formats."""
    found = {}
    for copy in result.get("copies", ()):
        found[copy["url"]] = url(number, copy["extension"])
        if "duration" in copy:
            found[copy["duration"]] = f"{task.seconds:.3f}"
    return found


def _item(result: Shape, task: Task, number: int, url: str, *, marked: bool) -> dict[str, Any]:
    own = {result.get("url", "url"): url, **({"watermark_url": url} if marked else {})}
    if "sorts" in result:
        return {"type": result["sorts"][number - 1], "is_contain": True, **own}
    if result["media"] == "image":
        return {"index": number - 1, **own}
    length = clip_length(task.seconds) if result["media"] == "video" else f"{task.seconds:.3f}"
    return {"id": output_id(task, number), **own, result.get("duration", "duration"): length}


def output_id(task: Task, number: int) -> str:
    """The id that an output has of its own."""
    return str(int(task.task_id) + number)


def clip_length(seconds: float) -> str:
    """The length of a made clip as Kling writes it: one frame more than was asked for, cut to ms (`5.041`)."""
    from kling_pipe.emulator.media.card import FRAME_RATE

    return f"{(round(seconds * FRAME_RATE) + 1) * 1000 // FRAME_RATE / 1000:.3f}"
