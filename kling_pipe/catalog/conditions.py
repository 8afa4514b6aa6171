"""A closed subset of JSON Schema, compiled once to plain functions: `when` of rules and prices, schemas of fields.

`compiled` answers "valid?" in microseconds and needs no library; who wants to know what is wrong asks jsonschema.
A keyword that is not in the subset is an error when it is compiled, so a misspelt one cannot pass silently.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

Condition = Callable[[Any], bool]

# Keywords that say nothing about validity. `additionalProperties` is only ever true here (the meta schema sees to it).
_SILENT = frozenset({"$schema", "$comment", "title", "description", "default", "examples", "additionalProperties"})


def compiled(schema: Mapping[str, Any]) -> Condition:
    """A function that says whether a JSON value is valid. Raises ValueError for a keyword outside the subset."""
    spoken = sorted(filter(_speaks, schema), key=lambda name: name != "required")  # the cheapest test first
    tests = [_KEYWORDS[name](schema[name]) for name in spoken]
    if not tests:
        return _always
    return tests[0] if len(tests) == 1 else lambda value: all(test(value) for test in tests)


def _speaks(keyword: str) -> bool:
    if keyword in _SILENT or keyword.startswith("x-"):
        return False
    if keyword not in _KEYWORDS:
        raise ValueError(f"`{keyword}` is not one of the keywords that a condition may use")
    return True


def reads(schema: Mapping[str, Any], at: str = "") -> Iterator[str]:
    """The patterns of the places that a condition looks at: its properties, and the items of lists as `*`."""
    for name, inner in schema.get("properties", {}).items():
        yield f"{at}/{name}"
        yield from reads(inner, f"{at}/{name}")
    for name in schema.get("required", ()):
        yield f"{at}/{name}"
    for keyword in ("items", "contains"):
        if keyword in schema:
            yield from reads(schema[keyword], f"{at}/*")
    for keyword in ("anyOf", "allOf"):
        for inner in schema.get(keyword, ()):
            yield from reads(inner, at)
    if "not" in schema:
        yield from reads(schema["not"], at)


def same(one: Any, other: Any) -> bool:
    """Equality as JSON sees it: `true` is not 1, but 1.0 is 1."""
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)


def is_type(value: Any, name: str) -> bool:
    """Whether a value has a JSON Schema type; 5.0 is an integer, true is no number."""
    return _TYPES[name](value)


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_TYPES: dict[str, Condition] = {
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "number": _number,
    "integer": lambda value: _number(value) and (isinstance(value, int) or value.is_integer()),
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
    "null": lambda value: value is None,
}


def _always(_: Any) -> bool:
    return True


def _type(names: str | list[str]) -> Condition:
    if isinstance(names, str):
        return _TYPES[names]
    tests = [_TYPES[name] for name in names]
    return lambda value: any(test(value) for test in tests)


def _enum(values: list[Any]) -> Condition:
    if all(isinstance(value, str) for value in values):
        words = frozenset(values)
        return lambda value: isinstance(value, str) and value in words
    return lambda value: any(same(value, one) for one in values)


def _properties(schemas: Mapping[str, Mapping[str, Any]]) -> Condition:
    tests = [(name, compiled(schema)) for name, schema in schemas.items()]

    def check(value: Any) -> bool:
        if isinstance(value, dict):
            for name, test in tests:
                if name in value and not test(value[name]):
                    return False
        return True

    return check


def _required(names: list[str]) -> Condition:
    wanted = frozenset(names)
    return lambda value: not isinstance(value, dict) or wanted <= value.keys()


def _items(schema: Mapping[str, Any]) -> Condition:
    test = compiled(schema)
    return lambda value: not isinstance(value, list) or all(map(test, value))


def _contains(schema: Mapping[str, Any]) -> Condition:
    test = compiled(schema)
    return lambda value: not isinstance(value, list) or any(map(test, value))


def _not(schema: Mapping[str, Any]) -> Condition:
    test = compiled(schema)
    return lambda value: not test(value)


def _any_of(schemas: list[Mapping[str, Any]]) -> Condition:
    tests = [compiled(schema) for schema in schemas]
    return lambda value: any(test(value) for test in tests)


def _all_of(schemas: list[Mapping[str, Any]]) -> Condition:
    tests = [compiled(schema) for schema in schemas]
    return lambda value: all(test(value) for test in tests)


def _pattern(text: str) -> Condition:
    search = re.compile(text).search
    return lambda value: not isinstance(value, str) or search(value) is not None


_KEYWORDS: dict[str, Callable[[Any], Condition]] = {
    "type": _type,
    "const": lambda wanted: lambda value: same(value, wanted),
    "enum": _enum,
    "properties": _properties,
    "required": _required,
    "items": _items,
    "contains": _contains,
    "minItems": lambda least: lambda value: not isinstance(value, list) or len(value) >= least,
    "maxItems": lambda most: lambda value: not isinstance(value, list) or len(value) <= most,
    "minLength": lambda least: lambda value: not isinstance(value, str) or len(value) >= least,
    "maxLength": lambda most: lambda value: not isinstance(value, str) or len(value) <= most,
    "pattern": _pattern,
    "minimum": lambda least: lambda value: not _number(value) or value >= least,
    "maximum": lambda most: lambda value: not _number(value) or value <= most,
    "not": _not,
    "anyOf": _any_of,
    "allOf": _all_of,
}

KEYWORDS = frozenset(_KEYWORDS)
"""The keywords of the subset."""
