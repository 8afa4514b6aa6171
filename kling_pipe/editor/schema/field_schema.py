"""One API field -> what an editor accepts for it: the value, its lossless spellings, a template, or nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kling_pipe.catalog.operations import Operation

Schema = dict[str, Any]

FILLED_IN = {"$ref": "#/definitions/template"}
"""A text with a template in it may become anything; null stands for a field that is left out."""

FROM_VARS = {"$ref": "#/definitions/from-vars"}
"""The same beside the API's fields, where nothing can be left out."""

_IDS = ("element", "voice")
_BOUNDS = ("minimum", "maximum", "enum")


def templates() -> dict[str, Schema]:
    """The definitions that `FILLED_IN` and `FROM_VARS` name."""
    braces = r"\{[{%#]"
    left_out = "A template such as {{ matrix.ratio }}, in quotes; or null, which leaves the field out."
    from_vars = "A template such as {{ vars.count }}, in quotes."
    return {
        "template": {"description": left_out, "type": ["string", "null"], "pattern": braces},
        "from-vars": {"description": from_vars, "type": "string", "pattern": braces},
    }


class Fields:
    """The fields of one operation, by the role that each plays: media, prompt, or plain value."""

    def __init__(self, operation: Operation) -> None:
        kling = operation.kling
        self._operation = operation
        self._media = {media["at"]: media_value(media["kind"], by_id="as" in media) for media in kling["media"]}
        self._prompts = set(kling["prompts"])
        self._names: Mapping[str, Any] = kling.get("names", {})

    def all(self) -> dict[str, Schema]:
        """Every field that a manifest may write, by name."""
        return {name: self.field(f"/{name}", schema) for name, schema in self._operation.fields.items()
                if name not in self._operation.kling["owned"]}  # fmt: skip

    def field(self, at: str, schema: Mapping[str, Any]) -> Schema:
        """A field with its hover text; `at` is its pointer with `*` for the items of lists."""
        told: Schema = {"description": _description(schema)}
        if "default" in schema and at != f"/{self._operation.kling['pool']['model']}":
            # Not for the model: an editor would fill in Kling's default, and that is the oldest model.
            told["default"] = schema["default"]
        if "examples" in schema:
            told["examples"] = schema["examples"]
        return {**told, "anyOf": [*self._forms(at, schema), FILLED_IN]}

    def _forms(self, at: str, schema: Mapping[str, Any]) -> list[Schema]:
        if schema.get("type") == "array":
            return [self._list(at, schema)]
        if schema.get("type") == "object":
            return [*self._named(at), self._mapping(at, schema)]
        if at in self._media:
            return [self._media[at]]
        if at in self._prompts:
            return [{"type": "string", **_some(schema, "maxLength")}]
        return _scalars(schema)

    def _list(self, at: str, schema: Mapping[str, Any]) -> Schema:
        return {"type": "array", "items": self.field(f"{at}/*", schema["items"]), **_some(schema, "maxItems")}

    def _mapping(self, at: str, schema: Mapping[str, Any]) -> Schema:
        inner = {name: self.field(f"{at}/{name}", field) for name, field in schema["properties"].items()}
        # Outside of lists, what is missing may come from a word of the tool (`frontal:` beside `element_image_list:`).
        required = _some(schema, "required") if at.endswith("/*") else {}
        return {"type": "object", "properties": inner, "additionalProperties": False, **required}

    def _named(self, at: str) -> list[Schema]:
        if at not in self._names:
            return []
        names = self._names[at]["names"]
        return [{"type": "string", "enum": [*names, *names.values()]}]


def media_value(kind: str, *, by_id: bool = False) -> Schema:
    """A picture, film, sound, element or voice: a name, a path, a URL; an id where there are ids."""
    return {"type": ["string", "integer"] if by_id or kind in _IDS else "string"}


def _description(schema: Mapping[str, Any]) -> str:
    return str(schema.get("description") or f"One {schema.get('x-item', 'entry')} of the list.")


def _scalars(schema: Mapping[str, Any]) -> list[Schema]:
    """The type that the API wants, and what is coerced to it without loss (see `catalog.validation.coercion`)."""
    kind = schema["type"]
    if isinstance(kind, list):
        return [{"type": kind, **_some(schema, *_BOUNDS)}]
    return _SPELLINGS[kind](schema)


def _text(schema: Mapping[str, Any]) -> list[Schema]:
    if "enum" not in schema:
        return [{"type": ["string", "number"], **_some(schema, "pattern", "minLength", "maxLength")}]
    numbers = [int(word) for word in schema["enum"] if word.isdecimal()]
    return [{"type": "string", "enum": schema["enum"]}, *([{"type": "number", "enum": numbers}] if numbers else [])]


def _number(schema: Mapping[str, Any]) -> list[Schema]:
    return [
        {"type": schema["type"], **_some(schema, *_BOUNDS)},
        {"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]+)?$"},
    ]


def _boolean(_: Mapping[str, Any]) -> list[Schema]:
    return [{"type": "boolean"}, {"type": "string", "pattern": "^(true|false)$"}]


_SPELLINGS = {"string": _text, "integer": _number, "number": _number, "boolean": _boolean}


def _some(schema: Mapping[str, Any], *keywords: str) -> Schema:
    return {keyword: schema[keyword] for keyword in keywords if keyword in schema}
