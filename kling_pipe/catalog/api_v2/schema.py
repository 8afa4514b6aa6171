"""The body of a create in the second standard as JSON Schema, one for each endpoint: what the emulator lets in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kling_pipe.catalog.api_v2.table import Endpoint, table_of

Schema = dict[str, Any]
_TEXT: Schema = {"type": "string", "minLength": 1}


def body_schema(end: Endpoint) -> Schema:
    """Draft 2020-12. Unknown fields are refused: a name of the first standard would be ignored without a word."""
    properties: Schema = {"settings": _settings(end), "options": _options()}
    required = []
    if "prompt_at" in end.form:
        properties["prompt"] = {**_TEXT, "maxLength": end.row["prompt"]}
        required.append("prompt")
    else:
        properties["contents"] = _contents(end)
        required.append("contents")
    if "needs" in end.form:
        required.append("settings")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **_closed(properties, required)}


def _closed(properties: Mapping[str, Any], required: list[str]) -> Schema:
    return {"type": "object", "properties": dict(properties), "required": required, "additionalProperties": False}


def _settings(end: Endpoint) -> Schema:
    fields = {name: {"enum": list(values)} for name, values in end.settings.items()}
    return _closed(fields, list(end.form.get("needs", ())))


def _options() -> Schema:
    mark = _closed({"enabled": {"type": "boolean"}}, [])
    fields = {name: mark if name == "watermark_info" else {"type": "string"} for name in table_of()["options"]}
    return _closed(fields, [])


def _contents(end: Endpoint) -> Schema:
    text = {**_TEXT, "maxLength": end.row["prompt"]}
    kinds = [_closed({"type": {"const": "prompt"}, "text": text}, ["type", "text"])]
    for how in end.form["contents"]:
        for sort in _sorts(how):
            if sort in end.takes:
                kinds.append(_content(how, sort))
    return {"type": "array", "minItems": 1, "items": {"oneOf": kinds}}


def _sorts(how: Mapping[str, Any]) -> list[str]:
    return [how["type"]] if "type" in how else list(dict.fromkeys([*how["types"]["is"].values(), how["types"]["else"]]))


def _content(how: Mapping[str, Any], sort: str) -> Schema:
    fields: Schema = {"type": {"const": sort}, how["at"]: _TEXT}
    required = ["type", how["at"]]
    if "token" in how:
        fields["id"] = {"type": "string", "pattern": "^[^@\\s;]+$"}
        # A frame or a film need not be named; what has only an id to be known by, must.
        required += [] if how["at"] == "url" else ["id"]
    return _closed(fields, required)
