"""What a request says to people: its shots, its numbered inputs, its settings. Read by the catalog's data alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any, Literal

from kling_pipe.catalog.operations import Operation
from kling_pipe.core.json_pointer import Pointer, touches, walk
from kling_pipe.model import FileRef, OutputRef
from kling_pipe.report.contact_sheet.sheet_model import Picture, Reference, Shot

Look = Callable[[OutputRef], Picture | None]
"""The picture that stands for another job's output."""


def shots(operation: Operation, request: Mapping[str, Any]) -> tuple[Shot, ...]:
    """Every prompt in order; a prompt inside of a list is a shot, as long as the `duration` beside it says."""
    found = []
    for pattern in operation.kling["prompts"]:
        for pointer, text in walk(request, pattern):
            if isinstance(text, str) and text.strip():
                beside = _at(request, pointer[:-1])
                found.append(Shot(text, _seconds(beside.get("duration")) if isinstance(beside, Mapping) else 0.0))
    return tuple(found)


def references(operation: Operation, request: Mapping[str, Any], look: Look) -> tuple[Reference, ...]:
    """Every input that is a medium or an element, numbered as the prompts number it."""
    found = []
    for medium in operation.kling["media"]:
        for place, (pointer, value) in enumerate(walk(request, medium["at"]), start=1):
            token = _token(operation, medium["kind"], pointer, place)
            role = _role(_at(request, pointer[:-1]), pointer)
            found.append(_reference(value, token, role, look))
    return tuple(found)


def facts(operation: Operation, request: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The request's plain settings: `model_name`, `mode`, `duration`. Prompts and media are shown elsewhere."""
    shown = [*operation.kling["prompts"], *(medium["at"] for medium in operation.kling["media"])]
    for name, value in request.items():
        if isinstance(value, str | int | float) and not any(touches((name,), pattern) for pattern in shown):
            yield name, str(value).lower() if isinstance(value, bool) else str(value)


def first_look(operation: Operation, request: Mapping[str, Any], look: Look) -> Picture | None:
    """The first picture that went in: what stands for an element, which has no file of its own."""
    return next((one.picture for one in references(operation, request, look) if one.picture is not None), None)


def file_picture(file: FileRef) -> Picture:
    """A local file as a picture."""
    from pathlib import Path

    kind: Literal["image", "video", "audio"] = file.kind if file.kind in ("video", "audio") else "image"
    return Picture(Path(file.path), file.sha256, kind)


def _reference(value: Any, token: str, role: str, look: Look) -> Reference:
    note = f" ({role})" if role else ""
    if isinstance(value, OutputRef):
        output = f":{value.output}" if value.output > 1 else ""
        return Reference(token, f"{value.address}{output}{note}", value.address, look(value))
    if isinstance(value, FileRef):
        return Reference(token, PurePosixPath(value.path.replace("\\", "/")).name + note, "", file_picture(value))
    text = str(getattr(value, "id", value))
    return Reference(token, (text if len(text) <= 60 else f"{text[:57]}...") + note)


def _token(operation: Operation, kind: str, pointer: Pointer, place: int) -> str:
    entry = operation.kling["inputs"].get(kind)
    where = entry and (entry.get("list") or entry.get("field"))
    inside = bool(where) and "/" + "/".join(map(str, pointer[: where.count("/")])) == where
    return f"{entry['token']} {place}" if entry and inside and entry.get("token") else ""


def _role(beside: Any, pointer: Pointer) -> str:
    """What an input is for: what its entry says beside it, else the name of the field that it stands in."""
    if isinstance(beside, Mapping):
        said = [str(value) for name, value in beside.items() if name.endswith("type") and isinstance(value, str)]
        if said or len(pointer) > 2:
            return ", ".join(said).replace("_", " ")
    return str(pointer[-1]).replace("_", " ")


def _at(value: Any, pointer: Pointer) -> Any:
    for step in pointer:
        value = value[step]
    return value


def _seconds(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return 0.0
