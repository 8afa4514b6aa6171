"""From a stored request to the card that its result shows, with its reference pictures found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kling_pipe.catalog.operations import Operation
from kling_pipe.catalog.output_facts import MediaFacts, made
from kling_pipe.core import json_tree
from kling_pipe.core.json_pointer import Pointer
from kling_pipe.emulator import uploaded_media
from kling_pipe.emulator.clip_durations import is_edit, own_task
from kling_pipe.emulator.media.card import Card, Reference, Shot
from kling_pipe.emulator.result_layout import part
from kling_pipe.emulator.state import State
from kling_pipe.emulator.task import Task

SHORT_SIDE = {"std": 720, "pro": 1080, "4k": 2160}
"""Pixels of a clip's shorter side by `mode`."""
SQUARE_SIDE = {"1k": 1024, "2k": 2048, "4k": 4096}
"""A picture has as many pixels as a square of this side, by `resolution`."""
MODEST = 40
_RATIOS = (16 / 9, 9 / 16, 1.0, 4 / 3, 3 / 4, 3 / 2, 2 / 3, 21 / 9)
_OFF = 0.02
LABELLED = ("mode", "resolution", "aspect_ratio", "sound")


@dataclass(slots=True)
class FrameContents:
    """Makes cards; remembers them, since later results show earlier ones."""

    world: State
    folder: Path
    _made: dict[tuple[str, int], Card] = field(default_factory=dict)

    def card(self, task: Task, number: int) -> Card:
        """The card of a task's result, counted from 1."""
        key = (task.task_id, number)
        if key not in self._made:
            self._made[key] = self._make(task, number)
        return self._made[key]

    def file(self, task: Task, number: int, extension: str = "") -> Path:
        """Where a result's file stands or will stand: in its own format, or a copy in another one."""
        own = part(self.world.operations[task.operation], task, number)["extension"]
        return self.folder / f"{task.task_id}-{number}.{extension or own}"

    def sources(self, task: Task) -> list[tuple[Task, int]]:
        """The emulator's own results that a task's cards show: they must be drawn first."""
        return [found for _, value in self._shown(task) if (found := own_task(self.world.index, value))]

    def clear(self) -> None:
        """Forget all cards."""
        self._made.clear()

    def _make(self, task: Task, number: int) -> Card:
        operation, body = self.world.operations[task.operation], task.body
        references = tuple(self._reference(label, value) for label, value in self._shown(task))
        width, height = self._size(operation, task)
        model = str(body.get("model_name") or operation.fields.get("model_name", {}).get("default", ""))
        labelled = [str(body[name]) for name in LABELLED if body.get(name) and name != "sound"]
        length = [f"{task.seconds:g} s"] if task.seconds else []
        sound = self._sounds(operation, body)
        return Card(
            title=" · ".join(filter(None, (operation.name, model))),
            detail=" · ".join(labelled + length + (["sound"] if sound else [])),
            width=width,
            height=height,
            shots=tuple(_shots(operation, body, task.seconds, self._spoken(operation, body))),
            references=references,
            seconds=task.seconds,
            sound=sound,
            index=number,
            count=task.outputs,
            seed=f"{operation.name}{model}{body.get('prompt') or body.get('text', '')}",
        )

    def _spoken(self, operation: Operation, body: Mapping[str, Any]) -> str:
        """What the sounds say that a request takes in, as far as they were made here from a text."""
        values = [value for entry in operation.kling["media"] if entry["kind"] == "audio"
                  for _, value in json_tree.values(body, entry["at"])]  # fmt: skip
        found = [own for value in values if (own := own_task(self.world.index, value))]
        return " ".join(str(task.body.get("text") or task.body.get("prompt") or "") for task, _ in found)

    def _sounds(self, operation: Operation, body: Mapping[str, Any]) -> bool:
        """Whether a clip has sound: because it was asked for, or because the film that it is made from has."""

        def given(value: Any) -> MediaFacts | None:
            found = own_task(self.world.index, value)
            return MediaFacts(sound=self.card(*found).sound) if found else None

        return bool(made(operation, body, given).sound)

    def _shown(self, task: Task) -> Iterator[tuple[str, Any]]:
        """Labels and values of every picture that a request names, elements as their first picture."""
        operation = self.world.operations[task.operation]
        tokens = _tokens(operation)
        for entry in operation.kling.get("media", ()):
            for path, value in json_tree.values(task.body, entry["at"]):
                label = _label(tokens, path)
                if entry["kind"] == "element":
                    yield label, self._face(value)
                elif entry["kind"] in {"image", "video"}:
                    yield label, value

    def _face(self, element_id: Any) -> Any:
        """What an element looks like: the first picture or clip that it was made from."""
        made = self.world.index.by_element.get(int(element_id)) if str(element_id).isdecimal() else None
        return next((value for _, value in self._shown(made)), str(element_id)) if made else str(element_id)

    def _reference(self, label: str, value: Any) -> Reference:
        text = str(value)
        if text.startswith(uploaded_media.MARK):
            return Reference(label, text, str(uploaded_media.path_of(self.world.blobs, text)))
        if found := own_task(self.world.index, text):
            return Reference(label, self.card(*found).digest, str(self.file(*found)))
        return Reference(label, text)

    def _size(self, operation: Operation, task: Task) -> tuple[int, int]:
        body = task.body
        if grown := self._grown(operation, body):
            return grown
        ratio = self._ratio(operation, task)
        if operation.kling["result"]["media"] != "image":
            return _frame(SHORT_SIDE.get(_value(operation, body, "mode"), 720), ratio)
        side = SQUARE_SIDE.get(_value(operation, body, "resolution"), 1024)
        return _rounded(side * ratio**0.5, 16), _rounded(side / ratio**0.5, 16)

    def _grown(self, operation: Operation, body: Mapping[str, Any]) -> tuple[int, int] | None:
        """Pixels of a picture that is another one made larger; one that is not here is taken for a square."""
        if "grown" not in operation.kling.get("makes", {}):
            return None

        def given(value: Any) -> MediaFacts:
            width, height = self._size_of(value) or (SQUARE_SIDE["1k"], SQUARE_SIDE["1k"])
            return MediaFacts(short_side=min(width, height), ratio=width / height)

        sides = made(operation, body, given)
        short, long = sides.sides or (MODEST, MODEST)
        size = max(MODEST, round(short)), max(MODEST, round(long))
        return size if (sides.ratio or 1) < 1 else (size[1], size[0])

    def _ratio(self, operation: Operation, task: Task) -> float:
        """Width by height: of the first frame or the edited video, else as asked, else of the first picture."""
        shape = self._frame_shape(operation, task)
        if shape:
            return _standard(shape[0] / shape[1])
        width, _, height = _value(operation, task.body, "aspect_ratio").partition(":")
        if width.isdecimal() and height.isdecimal() and int(height):
            return int(width) / int(height)
        size = next((size for _, value in self._shown(task) if (size := self._size_of(value))), None)
        return size[0] / size[1] if size else (1.0 if operation.kling["result"]["media"] == "image" else 16 / 9)

    def _frame_shape(self, operation: Operation, task: Task) -> tuple[int, int] | None:
        sugar = operation.kling.get("sugar", {})
        for value in _first_frames(sugar.get("first_frame", {}), task.body):
            if size := self._size_of(value):
                return size
        if is_edit(operation, task.body):
            videos = [entry["at"] for entry in operation.kling["media"] if entry["kind"] == "video"]
            values = (value for at in videos for _, value in json_tree.values(task.body, at))
            return next((size for value in values if (size := self._size_of(value))), None)
        return None

    def _size_of(self, value: Any) -> tuple[int, int] | None:
        text = str(value)
        if found := own_task(self.world.index, text):
            card = self.card(*found)
            return card.width, card.height
        if text.startswith(uploaded_media.MARK):
            return uploaded_media.size(self.world.blobs, text)
        return None


def _value(operation: Operation, body: Mapping[str, Any], name: str) -> str:
    return str(body.get(name) or operation.fields.get(name, {}).get("default") or "")


def _standard(ratio: float) -> float:
    """The ratio that a frame was meant to have: pictures come in multiples of 16 pixels, so theirs is a little off."""
    nearest = min(_RATIOS, key=lambda one: abs(one / ratio - 1))
    return nearest if abs(nearest / ratio - 1) < _OFF else ratio


def _rounded(pixels: float, step: int) -> int:
    return max(MODEST, round(pixels / step) * step)


def _frame(short: int, ratio: float) -> tuple[int, int]:
    ratio = min(4.0, max(0.25, ratio))
    return (_rounded(short * ratio, 2), short) if ratio >= 1 else (short, _rounded(short / ratio, 2))


def _first_frames(sugar: Mapping[str, Any], body: Mapping[str, Any]) -> Iterator[Any]:
    """The values that stand where the schemas put a first frame."""
    if "field" in sugar:
        yield from (value for _, value in json_tree.values(body, sugar["field"]))
    elif "list" in sugar:
        fixed = {key: value for key, value in sugar["item"].items() if value != "$"}
        place = next(key for key, value in sugar["item"].items() if value == "$")
        for _, item in json_tree.values(body, f"{sugar['list']}/*"):
            if isinstance(item, dict) and all(item.get(key) == value for key, value in fixed.items()):
                yield item.get(place)


def _tokens(operation: Operation) -> dict[str, str]:
    """The name under which a prompt speaks of the items of a list: `image_list` -> `image`."""
    inputs = operation.kling.get("inputs", {}).values()
    return {entry["list"].strip("/"): entry["token"] for entry in inputs if "list" in entry}


def _label(tokens: Mapping[str, str], path: Pointer) -> str:
    """`image_2` for the second of `image_list`, else the field's own name, numbered in a list."""
    numbers = [step + 1 for step in path if isinstance(step, int)]
    name = tokens.get(str(path[0]), str(next(step for step in reversed(path) if isinstance(step, str))))
    return f"{name}_{numbers[0]}" if numbers else name


def _shots(operation: Operation, body: Mapping[str, Any], seconds: float, spoken: str) -> Iterator[Shot]:
    """The shots of a multi-shot request with their own texts; one shot for everything else."""
    lists = (
        [at.rpartition("/*/") for at in operation.kling.get("prompts", ()) if "/*/" in at]
        if body.get("multi_shot")
        else []
    )
    shots = [
        Shot(str(item.get(name, "")), float(item.get("duration") or 0))
        for where, _, name in lists
        for _, item in json_tree.values(body, f"{where}/*")
        if isinstance(item, dict)
    ]
    texts = [text for at in operation.kling["prompts"] if "*" not in at for _, text in json_tree.values(body, at)]
    yield from shots or [Shot(" ".join(map(str, [*texts, *filter(None, [body.get("text"), spoken])])), seconds)]
