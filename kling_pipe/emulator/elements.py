"""Elements and voices: results without a file that later requests name by id. Checks, wire forms, presets, deletion."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from kling_pipe.catalog import operations
from kling_pipe.catalog.operations import Operation
from kling_pipe.core import json_tree
from kling_pipe.core.json_pointer import Pointer
from kling_pipe.emulator import uploaded_media
from kling_pipe.emulator.answers import Refusal
from kling_pipe.emulator.clip_durations import own_task
from kling_pipe.emulator.index import Index
from kling_pipe.emulator.task import Task

OWNER = "kling"
PRESETS: Mapping[int, tuple[str, str, str]] = {
    850_000_000_000_000_011: ("Paper Fox", "A fox folded from orange paper", "o_103"),
    850_000_000_000_000_033: ("Old Lighthouse", "A white lighthouse on a black rock", "o_106"),
    850_000_000_000_000_055: ("Brass Kettle", "A dented kettle of brass", "o_104"),
}
"""Made up: name, description, tag. Kling's own presets are not public data."""
VOICES: Mapping[int, str] = {850_000_000_000_000_077: "Harbour", 850_000_000_000_000_099: "Orchard"}
"""Made up, too."""
_KNOWN = {"element": PRESETS, "voice": VOICES}


def _named(operation: Operation, body: Mapping[str, Any], kind: str = "element") -> Iterator[tuple[Pointer, int]]:
    """Every element (or voice) id in a request with its place; digits in a string count."""
    for entry in operation.kling.get("media", ()):
        if entry["kind"] == kind:
            for path, value in json_tree.values(body, entry["at"]):
                if str(value).isdecimal():
                    yield path, int(value)


def kinds(index: Index, account: str, operation: Operation, body: Mapping[str, Any]) -> dict[int, str]:
    """What each element of a request was made from (`image_refer`, `video_refer`), by its place in the list."""
    found = {}
    for path, number in _named(operation, body):
        task = index.by_element.get(number)
        if task and task.account == account:
            places = [step for step in path if isinstance(step, int)]
            found[places[0] if places else 0] = str(task.body.get(operations.type_key("element"), ""))
        elif number in PRESETS:
            found[next((step for step in path if isinstance(step, int)), 0)] = "image_refer"
    return found


def must_exist(index: Index, account: str, operation: Operation, body: Mapping[str, Any], now: int) -> None:
    """Raise Refusal 1201 for an element, voice, film or sound that the account does not have (yet, or any more)."""
    for kind, presets in _KNOWN.items():
        for _, number in _named(operation, body, kind):
            if number not in presets and not _alive(index.by_element.get(number), account, now):
                raise Refusal(1201, f"{kind.capitalize()} not found by id: {number}")
    for entry in operation.kling.get("media", ()):
        for _, value in json_tree.values(body, entry["at"]) if entry.get("as") == "id" else ():
            found = own_task(index, str(value))
            if found is None or found[0].account != account or not found[0].succeeded(now):
                raise Refusal(1201, f"{entry['kind'].capitalize()} not found by id: {value}")


def _alive(task: Task | None, account: str, now: int) -> bool:
    return task is not None and task.account == account and task.succeeded(now) and not task.deleted_at


def picture_failure(folder: Path, operation: Operation, body: Mapping[str, Any]) -> str:
    """The message with which a task fails that was given a picture of too few pixels, or an empty text."""
    for entry in operation.kling.get("media", ()):
        limits = operations.table("media")["limits"].get(entry.get("limits"), {})
        for _, value in json_tree.values(body, entry["at"]) if entry["kind"] == "image" else ():
            found = uploaded_media.size(folder, value) if str(value).startswith(uploaded_media.MARK) else ()
            if found is None or (found and min(found) < limits.get("min_pixels", 0)):
                return "Image pixel is invalid"
    return ""


def wire(task: Task, body: Mapping[str, Any], key: str) -> dict[str, Any]:
    """An element as Kling answers it. `body` is the request with its pictures as URLs.

    Both `reference_type` (the documents) and `element_type` (the live API) are there; the voice only if there is one.
    """
    kept = {name: body[name] for name in ("element_name", "element_description", "reference_type") if name in body}
    voice = body.get("element_voice_id")
    voices = {"element_voice_info": {"voice_id": voice, "voice_name": "", "trial_url": "", "owned_by": task.account}}
    return {
        key: task.element_id,
        **kept,
        "element_type": body.get("reference_type", ""),
        "element_image_list": body.get("element_image_list") or {},
        "element_video_list": body.get("element_video_list") or {},
        **(voices if voice else {}),
        "tag_list": [_tag(tag) for tag in body.get("tag_list") or ()],
        "owned_by": task.account,
        "status": "deleted" if task.deleted_at else "succeed",
    }


def voice_wire(task: Task, body: Mapping[str, Any], key: str) -> dict[str, Any]:
    """A voice as Kling answers it: its id is text."""
    return _voice(key, task.element_id, str(body.get("voice_name", "")), task.account, deleted=bool(task.deleted_at))


def _voice(key: str, number: int, name: str, owner: str, *, deleted: bool = False) -> dict[str, Any]:
    status = "deleted" if deleted else "succeed"
    return {key: str(number), "voice_name": name, "trial_url": "", "owned_by": owner, "status": status}


WIRES = {"element": wire, "voice": voice_wire}
"""How a result without a file looks, by manifest kind."""


def _tag(tag: Mapping[str, Any]) -> dict[str, Any]:
    return {"id": tag.get("tag_id", ""), "tag_id": tag.get("tag_id", ""), "name": "", "description": ""}


def preset_tasks(kind: str, result: Mapping[str, Any], made_at: int) -> list[dict[str, Any]]:
    """The list of presets, each as the task that might have made it."""
    listed = _preset_elements if kind == "element" else _preset_voices
    return [
        {
            "task_id": str(int(one[result["id"]]) - 10_000),
            "task_status": "succeed",
            "task_status_msg": "",
            "task_info": {},
            "created_at": made_at,
            "updated_at": made_at,
            "task_result": {result["key"]: [one]},
        }
        for one in listed(result["id"])
    ]


def _preset_voices(key: str) -> Iterator[dict[str, Any]]:
    for number, name in VOICES.items():
        yield _voice(key, number, name, OWNER)


def _preset_elements(key: str) -> Iterator[dict[str, Any]]:
    for number, (name, description, tag) in PRESETS.items():
        yield {
            key: number,
            "element_name": name,
            "element_description": description,
            "reference_type": "image_refer",
            "element_type": "image_refer",
            "element_image_list": {},
            "element_video_list": {},
            "tag_list": [_tag({"tag_id": tag})],
            "owned_by": OWNER,
            "status": "succeed",
        }


def deletable(index: Index, operation: Operation, account: str, given: Any, now: int) -> Task:
    """The task of an element or voice to delete. Raises Refusal 1201 for one that is not there or not the account's."""
    number = int(given) if str(given).isdecimal() and len(str(given)) < 20 else 0
    task = index.by_element.get(number)
    if task is None or task.operation != operation.name or not _alive(task, account, now):
        raise Refusal(1201, f"{operation.kind.capitalize()} not found by id: {given}")
    return task
