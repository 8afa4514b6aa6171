"""The manifest as a whole: draft-07, which every YAML language server reads.

Which fields an entry has depends on its `api`, and without one on `defaults`. Draft-07 cannot look up from an entry,
so the choice stands at the root: one branch for each operation that `defaults` may name.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from kling_pipe.catalog.operations import operations
from kling_pipe.editor.schema.field_schema import FROM_VARS, Schema, media_value, templates
from kling_pipe.editor.schema.recipes import fitting, layer, recipe
from kling_pipe.editor.schema.texts import text, told
from kling_pipe.manifest.keywords import BUDGET, DEFAULT_API, KINDS, PER_JOB

_NAME = "^[a-z][a-z0-9_]*$"
_AXIS = r"^[^\W\d]\w*$"
_PROFILE = r"^[^\W\d][\w-]*$"
_AMOUNT = {"type": "number", "minimum": 0}
_ANY_OF_YOURS = {"^x-": {"description": "Of your own: kling-pipe does not read it. A place for anchors."}}


def manifest_schema() -> Schema:
    """The JSON Schema of a manifest."""
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "kling-pipe manifest",
        "description": "A campaign: what is to be made, in which order and from what follows from the names.",
        "type": "object",
        "required": ["project"],
        "properties": _top_level(),
        "patternProperties": _ANY_OF_YOURS,
        "additionalProperties": False,
        "allOf": [_kind_branches(plural, kind) for plural, kind in KINDS.items()],
        "definitions": _definitions(),
    }


def schema_text() -> str:
    """The schema as the checked-in file has it."""
    return json.dumps(manifest_schema(), ensure_ascii=False, indent=1) + "\n"


def _top_level() -> dict[str, Schema]:
    layers = _named({plural: {"description": f"Fields for {plural}."} for plural in KINDS})
    shapes: dict[str, Schema] = {
        "version": {"const": 1},
        "project": {"type": "string", "pattern": "^[a-z][a-z0-9-]{0,23}$"},
        "vars": {"type": ["object", "null"]},
        "budget": _amounts(BUDGET),
        "limits": _limits(),
        "retries": {"type": "integer", "minimum": 0, "maximum": 20},
        "defaults": layers,
        "profiles": _each({"description": "One layer over `defaults`.", **layers}, _PROFILE),
        "include": _each({"description": "Path of a manifest, relative to this one.", "type": "string"}, _NAME),
        **{plural: {"type": ["object", "null"], "propertyNames": {"pattern": _NAME}} for plural in KINDS},
    }
    return {word: told("top_level", word, shape) for word, shape in shapes.items()}


def _named(properties: dict[str, Schema]) -> Schema:
    """A mapping with these keys and no others, or nothing."""
    return {"type": ["object", "null"], "properties": properties, "additionalProperties": False}


def _each(value: Schema, names: str) -> Schema:
    """A mapping from names to values of one shape, or nothing."""
    return {"type": ["object", "null"], "propertyNames": {"pattern": names}, "additionalProperties": value}


def _amounts(words: Iterable[str]) -> Schema:
    inner = {word: told("amounts", word, _amounts(PER_JOB) if word == "per_job" else _AMOUNT) for word in words}
    return _named(inner)


def _limits() -> Schema:
    slots = {"type": "integer", "minimum": 1}
    packs: dict[str, str] = {}
    for operation in operations().values():
        pool = operation.kling["pool"]
        if pool["pack"]:
            packs.setdefault(pool["pack"], f"Tasks of the {pool['pack']} packs at once.")
            for model in operation.fields[pool["model"]]["enum"] if pool["model"] else ():
                packs.setdefault(f"{pool['pack']}/{model}", f"Tasks of {model} at once.")
    known = {pack: {"description": text, **slots} for pack, text in packs.items()}
    return _named(known)


# -- kinds ---------------------------------------------------------------------------------------------------------


def _kind_branches(plural: str, kind: str) -> Schema:
    """What `defaults`, profiles and entries of a kind may say, by the operation that `defaults` names."""
    chain = _under(plural, kind, DEFAULT_API[kind])
    for name in fitting(kind):
        if name != DEFAULT_API[kind]:
            chain = {"if": _defaults_say(plural, name), "then": _under(plural, kind, name), "else": chain}
    return chain


def _defaults_say(plural: str, name: str) -> Schema:
    layer = {"type": "object", "properties": {"api": {"const": name}}, "required": ["api"]}
    defaults = {"type": "object", "properties": {plural: layer}, "required": [plural]}
    return {"properties": {"defaults": defaults}, "required": ["defaults"]}


def _under(plural: str, kind: str, name: str) -> Schema:
    """The same when `defaults` name this operation, or when it is the kind's own default."""
    profile = {"type": ["object", "null"], "properties": {plural: {"$ref": f"#/definitions/{kind}-profile-{name}"}}}
    entries = {"additionalProperties": {"$ref": f"#/definitions/{kind}-entry-{name}"}}
    layer = {"type": ["object", "null"], "properties": {plural: {"$ref": f"#/definitions/{name}-layer"}}}
    return {"properties": {plural: entries, "defaults": layer, "profiles": {"additionalProperties": profile}}}


def _definitions() -> dict[str, Schema]:
    found: dict[str, Schema] = {**templates(), "matrix": _matrix()}
    for kind in KINDS.values():
        found[f"{kind}-by-api"] = _by_api(kind, "")
        found[f"{kind}-layer-by-api"] = _by_api(kind, "-layer")
        for name in fitting(kind):
            made = _chosen(f"{kind}-by-api", name)
            found[f"{kind}-entry-{name}"] = {"if": {"type": "object"}, "then": made, "else": _existing(kind)}
            found[f"{kind}-profile-{name}"] = _chosen(f"{kind}-layer-by-api", f"{name}-layer")
    for name, operation in operations().items():
        found[name] = recipe(operation)
        found[f"{name}-layer"] = layer(operation)
    return found


def _chosen(by_api: str, otherwise: str) -> Schema:
    written = {"type": "object", "required": ["api"]}
    return {"if": written, "then": {"$ref": f"#/definitions/{by_api}"}, "else": {"$ref": f"#/definitions/{otherwise}"}}


def _by_api(kind: str, suffix: str) -> Schema:
    """The definition that a written `api` names; an unknown one is one problem, not one for each field."""
    names = fitting(kind)
    branches = [
        {"if": {"properties": {"api": {"const": name}}}, "then": {"$ref": f"#/definitions/{name}{suffix}"}}
        for name in names
    ]
    return {"properties": {"api": told("recipe", "api", {"type": "string", "enum": names})}, "allOf": branches}


def _existing(kind: str) -> Schema:
    return {"description": text("existing", kind), **media_value(kind)}


def _matrix() -> Schema:
    columns = {"type": "array", "items": {"type": "string"}}
    some = {"type": "array", "items": {"type": "object", "description": "Values by axis.", "minProperties": 1}}
    entries = {"anyOf": [some, FROM_VARS]}
    inner: dict[str, Any] = {"from": {"type": "string"}, "axes": columns, "include": entries, "exclude": entries}
    values = {"type": "array", "minItems": 1, "items": {"not": {"type": ["array", "null"]}}}
    return {
        "description": text("recipe", "matrix"),
        "type": "object",
        "minProperties": 1,
        "properties": {word: told("matrix", word, schema) for word, schema in inner.items()},
        "dependencies": {"axes": ["from"]},
        "propertyNames": {"pattern": _AXIS},
        "additionalProperties": {"description": "The values of this axis.", "anyOf": [values, FROM_VARS]},
    }
