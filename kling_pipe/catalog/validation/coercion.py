"""Lossless coercion of one value to the type that a field wants. Part of what job keys mean, so it is frozen.

    5 -> "5"    5.0 -> "5"    0.5 -> "0.5"        where text is wanted
    "3" -> 3    3.0 -> 3                          where a whole number is wanted
    "0.5" -> 0.5                                  where a number is wanted
    "true" -> True                                where a boolean is wanted

Everything else stays as it is, for the check to report. A boolean never becomes a word: `on` written without quotes in
an old YAML dialect is not guessed at.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from kling_pipe.catalog.conditions import is_type, same
from kling_pipe.catalog.validation.finding import Finding, label, quoted
from kling_pipe.core.json_pointer import Pointer
from kling_pipe.core.json_tree import leaves

_WHOLE = re.compile(r"-?(0|[1-9][0-9]*)")
_DECIMAL = re.compile(r"-?(0|[1-9][0-9]*)\.[0-9]+")


def scalar(schema: Mapping[str, Any], value: Any) -> Any:
    """`value` as the type that a field's schema wants, when nothing is lost by it; else `value` itself.

    Where a field takes several types, the first is the one Kling's own answers use and is preferred.
    """
    wanted = schema.get("type")
    for name in [wanted] if isinstance(wanted, str) else wanted or ():
        if name in _COERCIONS:
            value = _COERCIONS[name](value)
            if is_type(value, name):
                return value
    return value


def _to_text(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            return value
        return str(int(value)) if value.is_integer() else repr(value)
    return str(int(value))


def _to_whole(value: Any) -> Any:
    if isinstance(value, str) and _WHOLE.fullmatch(value):
        return int(value)
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _to_number(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if _DECIMAL.fullmatch(value) and repr(float(value)) == value:
        return float(value)
    return _to_whole(value)


def _to_boolean(value: Any) -> Any:
    return {"true": True, "false": False}.get(value, value) if isinstance(value, str) else value


_COERCIONS: dict[str, Callable[[Any], Any]] = {
    "string": _to_text,
    "integer": _to_whole,
    "number": _to_number,
    "boolean": _to_boolean,
}


def coerced(schema: Mapping[str, Any], body: Any) -> Any:
    """The body with every value inside it coerced, at any depth; fields that the schema does not know stay."""
    if isinstance(body, Mapping) and "properties" in schema:
        known = schema["properties"]
        return {name: coerced(known.get(name, {}), value) for name, value in body.items()}
    if isinstance(body, list):
        return [coerced(schema.get("items", {}), item) for item in body]
    return body if isinstance(body, Mapping) else scalar(schema, body)


def changes(before: Any, after: Any) -> Iterator[tuple[Pointer, Any, Any]]:
    """The places where coercion changed a value, with both values."""
    for (at, old), (_, new) in zip(leaves(before), leaves(after), strict=True):
        if type(old) is not type(new) or not same(old, new):
            yield at, old, new


def coercion_finding(schema: Mapping[str, Any], rule: Mapping[str, Any], change: tuple[Pointer, Any, Any]) -> Finding:
    """The warning that tells of one coerced value."""
    pointer, before, after = change
    found, allowed = (f"{quoted(value)} ({_type_word(value)})" for value in (before, after))
    said = str(rule["say"]).replace("{found}", found).replace("{allowed}", allowed)
    message = f"{label(schema, pointer)} {said}"
    return Finding(rule["id"], rule["level"], pointer, message, found, allowed, source=rule["source"])


def _type_word(value: Any) -> str:
    if isinstance(value, str):
        return "text"
    return "boolean" if isinstance(value, bool) else "number"
