"""Built requests against the operations' rules, findings placed in the manifest."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from kling_pipe.check import Finding, check
from kling_pipe.manifest.jobs import Draft
from kling_pipe.manifest.trouble import Path_
from kling_pipe.model import FileRef, Json, OutputRef

_TOKEN = re.compile(r"<<<[a-z]+_[0-9]+>>>")


def stand_ins(value: Json, kind_ids: int = 1) -> Json:
    """A request with what is not known yet replaced by something of its type, distinct per thing."""
    if isinstance(value, OutputRef):
        return kind_ids if value.kind == "element" else f"kling-pipe:{value.address}:{value.output}"
    if isinstance(value, FileRef):
        return f"kling-pipe:{value.sha256}"
    if isinstance(value, Mapping):
        return {name: stand_ins(item) for name, item in value.items()}
    if isinstance(value, list):
        return [stand_ins(item) for item in value]
    return value


def verify(draft: Draft, by_address: Mapping[str, Draft]) -> None:
    """Report all that the API would refuse, or that is probably a mistake, at the place where it is written."""
    built = draft.built
    body = stand_ins(built.request)
    for finding in check(draft.recipe.operation, body, element_kinds=_element_kinds(built.request, by_address)):
        _place(draft, finding)
    _note_tokens(draft)


def _element_kinds(request: Mapping[str, Any], by_address: Mapping[str, Draft]) -> dict[int, str]:
    """The kind of each element in the request, where this manifest makes it."""
    kinds = {}
    items = request.get("element_list")
    for index, item in enumerate(items if isinstance(items, list) else ()):
        ref = item.get("element_id") if isinstance(item, Mapping) else None
        target = by_address.get(ref.address) if isinstance(ref, OutputRef) else None
        kind = target.built.request.get("reference_type") if target else None
        if isinstance(kind, str):
            kinds[index] = kind
    return kinds


def _place(draft: Draft, finding: Finding) -> None:
    path, exact = origin(draft, finding.pointer)
    shot = _shot(finding.pointer)
    draft.builder.refuse(finding.rule, path, f"{shot}{finding.message}", level=finding.level, found=finding.found,
                         allowed=finding.allowed, near=finding.near, hint=finding.hint, rule=finding.rule,
                         source=finding.source, key=not exact and len(path) == 2)  # fmt: skip


def _shot(pointer: tuple[str | int, ...]) -> str:
    if len(pointer) > 1 and pointer[0] == "multi_prompt" and isinstance(pointer[1], int):
        return f"shot {pointer[1] + 1}: "
    return ""


def origin(draft: Draft, pointer: tuple[str | int, ...]) -> tuple[Path_, bool]:
    """Where in the manifest a part of the request was written; its nearest part, or the recipe's name."""
    for length in range(len(pointer), 0, -1):
        if (path := draft.built.origins.get(tuple(pointer[:length]))) is not None:
            return path, length == len(pointer)
    return draft.recipe.path, False


def _note_tokens(draft: Draft) -> None:
    """Hand-written `<<<image_2>>>` is fine, and worth a note: names survive when a list changes."""
    for word, value in draft.recipe.fields.items():
        path = draft.recipe.origins[word]
        texts = [((*path,), value)] if isinstance(value, str) else _shot_texts(path, value)
        for where, text in texts:
            if found := _TOKEN.search(text):
                draft.builder.refuse("KP320", where, f"`{found.group()}` is written by hand", level="note", needle=found.group(),
                                     hint="A name (`{{ image.logo }}`) keeps its number right by itself.")  # fmt: skip


def _shot_texts(path: Path_, value: Any) -> list[tuple[Path_, str]]:
    shots = value if isinstance(value, list) else ()
    return [((*path, index, "prompt"), shot["prompt"]) for index, shot in enumerate(shots)
            if isinstance(shot, Mapping) and isinstance(shot.get("prompt"), str)]  # fmt: skip
