"""Recipes and layers of defaults, one definition for each operation."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from kling_pipe.catalog.operations import Operation, operations
from kling_pipe.editor.schema.field_schema import FILLED_IN, FROM_VARS, Fields, Schema, media_value
from kling_pipe.editor.schema.texts import told
from kling_pipe.manifest.keywords import DEFAULTS, SHOT

_COUNT = {"anyOf": [{"type": "integer", "minimum": 1, "maximum": 999}, FROM_VARS]}
_WORDS = {"type": ["string", "array"], "items": {"type": "string"}}
_TOOL: dict[str, Schema] = {
    "raw": {"type": "object"},
    "matrix": {"$ref": "#/definitions/matrix"},
    "takes": _COUNT,
    "pick": {"anyOf": [*_COUNT["anyOf"], {"type": "object", "additionalProperties": _COUNT}]},
    "frozen": {"anyOf": [{"type": "boolean"}, FROM_VARS]},
    "tags": _WORDS,
    "needs": _WORDS,
    "save_as": {"type": "string"},
    "retries": {"anyOf": [{"type": "integer", "minimum": 0, "maximum": 20}, FROM_VARS]},
    "account": {"anyOf": [{"type": "string", "pattern": "^[a-z][a-z0-9_-]{0,31}$"}, FROM_VARS]},
}
_ITEMS = {"type": ["string", "integer"]}


def fitting(kind: str) -> list[str]:
    """The names of the operations that make a kind."""
    return [name for name, operation in operations().items() if operation.kind == kind]


def recipe(operation: Operation) -> Schema:
    """Everything that a recipe of an operation may say: API fields, sugar, and the tool's words."""
    words = {"api": _api(operation.kind), **Fields(operation).all(), **_sugar(operation), **_tool(operation)}
    return {
        "title": f"{operation.schema['title']} ({operation.name})",
        "description": operation.schema["description"],
        "type": "object",
        "properties": words,
        "additionalProperties": False,
    }


def layer(operation: Operation) -> Schema:
    """Defaults (or a profile's) for an operation: its fields as in the recipe, and a few of the tool's words."""
    at = f"#/definitions/{operation.name}/properties"
    words = {name: {"$ref": f"{at}/{name}"} for name in (*Fields(operation).all(), *DEFAULTS)}
    return {
        "description": f"Defaults for {operation.name}.",
        "type": ["object", "null"],
        "properties": words,
        "additionalProperties": False,
    }


def _api(kind: str) -> Schema:
    return told("recipe", "api", {"type": "string", "enum": fitting(kind)})


def _tool(operation: Operation) -> dict[str, Schema]:
    """The tool's words that mean something for this operation."""
    found = {word: told("recipe", word, schema) for word, schema in _TOOL.items()}
    if "extension" not in operation.kling["result"]:
        del found["save_as"]
    if operation.kling["inputs"]:
        found["references"] = told("recipe", "references", {"type": [*_ITEMS["type"], "array"], "items": _ITEMS})
    if "shots" in operation.kling:
        found["shots"] = told("recipe", "shots", _shots(operation, operation.kling["shots"]["list"]))
    return found


def _shots(operation: Operation, name: str) -> Schema:
    shots = operation.fields[name]
    fields, known = Fields(operation), shots["items"]["properties"]
    shot = {
        "title": "shot",
        "description": "One shot: how long it lasts and what it shows.",
        "type": "object",
        "properties": {word: fields.field(f"/{name}/*/{word}", known[word]) for word in SHOT},
        "required": list(SHOT),
        "additionalProperties": False,
    }
    some = {"type": "array", "items": shot, "minItems": shots["minItems"], "maxItems": shots["maxItems"]}
    return {"anyOf": [some, FILLED_IN]}


def _sugar(operation: Operation) -> dict[str, Schema]:
    """Words that stand for list items or nested fields; `shots` is none of them."""
    sugar = {word: spec for word, spec in operation.kling.get("sugar", {}).items() if isinstance(spec, Mapping)}
    return {word: _sugar_word(operation, word, spec, sugar.values()) for word, spec in sugar.items()}


def _sugar_word(operation: Operation, word: str, spec: Mapping[str, Any], all_specs: Collection[Any]) -> Schema:
    kind = spec["kind"]
    forms: list[Schema] = [media_value(kind)]
    if spec.get("many"):
        forms.append({"type": "array", "items": media_value(kind)})
    if free := _free_fields(operation, spec, all_specs):
        own = {"description": f"The {kind}: a name or a URL.", **media_value(kind)}
        inner = {"properties": {kind: own, **free}, "required": [kind], "additionalProperties": False}
        forms.append({"type": "object", **inner})
    return told("sugar", word, {"anyOf": [*forms, FILLED_IN]})


def _free_fields(operation: Operation, spec: Mapping[str, Any], all_specs: Collection[Any]) -> dict[str, Schema]:
    """The list item's fields that may be set beside the sugar: those that tell it from no other word for the list."""
    item = {name: value for name, value in spec.get("item", {}).items() if value != "$"}
    alike = [other["item"] for other in all_specs if "item" in other and other["list"] == spec.get("list")]
    free = [name for name, value in item.items() if all(other.get(name) == value for other in alike)]
    name = str(spec.get("list", "")).strip("/")
    known = operation.fields[name]["items"]["properties"] if free else {}
    return {field: Fields(operation).field(f"/{name}/*/{field}", known[field]) for field in free}
