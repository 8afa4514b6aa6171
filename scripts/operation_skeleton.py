"""What a new operation starts from: its own files under `schemas/`, `tests/cases/` and `pipelines/`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scripts.json_layout import layout
from scripts.operation_options import USUAL, Wanted, default_per

_PROMPT = "rain on a tin roof"
_PICTURE = (
    "The picture: a public URL, or the file's bytes as base64 without a prefix. "
    "jpg or png, at most 10 MB, at least 300 px, 1:2.5 to 2.5:1."
)


def files(wanted: Wanted) -> dict[str, str]:
    """The text of each file that is the operation's own, by its path in the checkout."""
    cases = f"tests/cases/{wanted.name}/{wanted.rule.lower()}"
    return {
        f"schemas/operations/{wanted.name}.json": layout(operation_data(wanted)) + "\n",
        f"{cases}-prompt.json": layout(_case(wanted, "A prompt alone.", base(wanted), [])) + "\n",
        f"{cases}-neither.json": layout(_refused_case(wanted)) + "\n",
        f"pipelines/operations/{wanted.name}.yaml": _manifest(wanted),
    }


def base(wanted: Wanted) -> dict[str, Any]:
    """A small request that passes."""
    return {**({"model_name": wanted.models[0]} if wanted.models else {}), "prompt": _PROMPT}


def explanation(wanted: Wanted) -> dict[str, Any]:
    """Why the rule is there, an example that it refuses, and the same mended."""
    return {
        "operation": wanted.name,
        "why": wanted.todo("why Kling refuses a request without both"),
        "next": f"Write `prompt`, or `{wanted.source_field}`.",
        "refused": {"prompt": None},
        "mended": {"prompt": _PROMPT},
    }


def price_row(wanted: Wanted) -> dict[str, Any]:
    """The price of every request, where `units` are known."""
    return {
        "operations": [wanted.name],
        "pack": wanted.pack,
        "per": wanted.per or default_per(wanted.kind),
        "units": wanted.units,
    }


def operation_data(wanted: Wanted) -> dict[str, Any]:
    """The operation file."""
    return {
        "$schema": "../meta.schema.json",
        "title": wanted.name.replace("-", " ").capitalize(),
        "description": wanted.todo("what it makes from what"),
        "type": "object",
        "additionalProperties": True,
        "examples": [base(wanted)],
        "properties": _fields(wanted),
        "x-kling": _kling(wanted),
    }


def _fields(wanted: Wanted) -> dict[str, Any]:
    shared = ["callback_url", "external_task_id"]
    return {
        **({"model_name": _model(wanted)} if wanted.models else {}),
        "prompt": _shared("prompt"),
        wanted.source_field: _source(wanted.kind),
        **_own_fields(wanted.kind),
        **{name: _shared(name) for name in (shared if wanted.kind == "audio" else ["watermark_info", *shared])},
    }


def _model(wanted: Wanted) -> dict[str, Any]:
    says = wanted.todo("which model is what, and which one Kling takes when none is written")
    return {"type": "string", "enum": [*wanted.models], "default": wanted.models[0], "description": says}


def _shared(name: str, **own: Any) -> dict[str, Any]:
    return {"$ref": f"../fields.json#/{name}", **own}


def _source(kind: str) -> dict[str, Any]:
    if kind == "audio":
        says = "The video: a public URL. mp4 or mov, at most 100 MB, 3 to 20 s."
        return {"type": "string", "examples": ["https://example.com/beach.mp4"], "description": says}
    return {"type": "string", "examples": ["https://example.com/dog.png"], "description": _PICTURE}


def _own_fields(kind: str) -> dict[str, Any]:
    """One field for each usual thing that only this kind has."""
    seconds = {"type": "integer", "minimum": 3, "maximum": 10, "default": 5, "description": "Whole seconds, 3 to 10."}
    return {
        "image": {"aspect_ratio": _shared("image_ratio", default="16:9"), "n": _shared("image_count")},
        "video": {"aspect_ratio": _shared("video_ratio", default="16:9"), "duration": _shared("long_duration")},
        "audio": {"duration": seconds},
    }[kind]


def _kling(wanted: Wanted) -> dict[str, Any]:
    usual, kind = USUAL[wanted.kind], wanted.kind
    many: Any = {"field": "n", "default": 1} if kind == "image" else 1
    sound = kind == "audio"
    media = {"kind": "video", "limits": "silent_video"} if sound else {"kind": "image", "limits": "image"}
    return {
        "kind": kind,
        "method": "POST",
        "path": wanted.path,
        "lookup": "path",
        "list": {"pageSize": {"max": 500, "default": 30}, "pageNum": {"max": 1000}},
        "result": {"key": f"{kind}s", "media": kind, "extension": usual["extension"]},
        "outputs": {"count": many},
        "states": {"pending": ["submitted", "processing"], "success": ["succeed"], "failure": ["failed"]},
        "pool": {"pack": wanted.pack, "weight": many, "model": "model_name" if wanted.models else None},
        "expected_seconds": usual["seconds"],
        "owned": ["external_task_id", "callback_url"],
        "prompts": ["/prompt"],
        "media": [{"at": f"/{wanted.source_field}", **media, "base64": not sound}],
        "inputs": {},
        "sugar": {},
        "makes": _makes(kind),
        "rules": [_rule(wanted)],
        "source": wanted.todo("the page and the month of what stands here"),
        "updated": wanted.today,
    }


def _makes(kind: str) -> dict[str, Any]:
    ratio = {} if kind == "audio" else {"ratio": [{"field": "/aspect_ratio"}]}
    seconds = {} if kind == "image" else {"seconds": {"field": "/duration"}, "sound": kind == "audio"}
    return {**seconds, **ratio}


def _rule(wanted: Wanted) -> dict[str, Any]:
    return {
        "id": wanted.rule,
        "level": "error",
        "require": [["/prompt", f"/{wanted.source_field}"]],
        "say": f"needs `prompt` or `{wanted.source_field}`",
        "source": wanted.todo("where this rule was seen, with the month"),
    }


def _case(wanted: Wanted, description: str, body: Mapping[str, Any], expect: list[Any]) -> dict[str, Any]:
    return {"description": description, "operation": wanted.name, "body": body, "expect": expect}


def _refused_case(wanted: Wanted) -> dict[str, Any]:
    body = {name: value for name, value in base(wanted).items() if name != "prompt"}
    expect = [{"rule": wanted.rule, "level": "error", "pointer": ["prompt"]}]
    return _case(wanted, "Nothing to start from.", body, expect)


def _manifest(wanted: Wanted) -> str:
    fields = {"api": wanted.name, **base(wanted)}
    head = "# yaml-language-server: $schema=../../schemas/manifest.schema.json\n"
    head += f"# {wanted.todo('what is to be seen here')}\nversion: 1\nproject: {wanted.name}\n\n"
    return f"{head}{wanted.kind}s:\n  first:\n" + "".join(f"    {name}: {value}\n" for name, value in fields.items())
