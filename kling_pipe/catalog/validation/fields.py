"""What is wrong with single fields: jsonschema's errors in plain words, at most one for each place."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any

from kling_pipe.catalog.conditions import Condition, compiled
from kling_pipe.catalog.operations import Operation
from kling_pipe.catalog.validation.coercion import scalar
from kling_pipe.catalog.validation.finding import Finding, choices, label, quoted
from kling_pipe.core.json_pointer import Pointer
from kling_pipe.core.text import nearest

# A value of the wrong type also breaks the enum and the pattern; what comes first here is the mistake to tell.
_ORDER = (
    "required", "type", "enum", "pattern", "minLength", "maxLength", "minimum", "maximum", "minItems", "maxItems",
)  # fmt: skip


@cache
def valid(operation: Operation) -> Condition:
    """A fast yes or no for a body's single fields: the same subset of JSON Schema, compiled."""
    return compiled(operation.schema)


@cache
def _validator(operation: Operation) -> Any:
    from jsonschema import Draft202012Validator

    return Draft202012Validator(operation.schema)


def field_findings(operation: Operation, body: Mapping[str, Any]) -> list[Finding]:
    """Everything that is wrong with single fields of a body (blank fields are already dropped)."""
    if valid(operation)(body):
        return []
    errors = sorted(_validator(operation).iter_errors(body), key=lambda error: _ORDER.index(error.validator))
    first: dict[Pointer, Finding] = {}
    for error in errors:
        for pointer in _places(error):
            first.setdefault(pointer, _finding(operation, error, pointer))
    return sorted(first.values(), key=lambda finding: [str(step) for step in finding.pointer])


def _places(error: Any) -> Iterable[Pointer]:
    """Where the fault is: for `required`, where each missing field would stand."""
    at = tuple(error.absolute_path)
    if error.validator != "required":
        return [at]
    # jsonschema makes one error for each missing name; it names it in the message alone.
    return [(*at, name) for name in error.validator_value if name not in error.instance]


def _finding(operation: Operation, error: Any, pointer: Pointer) -> Finding:
    message, allowed, hint = _WORDS[error.validator](error)
    missing = error.validator == "required"
    rule = error.schema.get("x-rule", f"schema/{error.validator}")
    return Finding(
        rule=rule,
        level="error",
        pointer=pointer,
        message=f"{label(operation.schema, pointer)} {message}",
        found="" if missing else quoted(error.instance),
        allowed=allowed,
        near="" if missing else _near(error),
        hint=f"Add `{pointer[-1]}`." if missing else hint,
        source=_source(operation, rule),
    )


def _source(operation: Operation, rule: str) -> str:
    """The page of the rule that a constraint belongs to (`OV-05` also stands for `OV-05a`), or the operation's."""
    named = (one["source"] for one in operation.rules if str(one["id"]).rstrip("abcdefg") == rule)
    return str(next(named, operation.kling["source"]))


def _near(error: Any) -> str:
    if error.validator != "enum" or not isinstance(error.instance, str) or error.instance.isdecimal():
        return ""  # of numbers, none is meant by another
    return nearest(error.instance, [value for value in error.validator_value if isinstance(value, str)])


Words = tuple[str, str, str]
"""The rest of the sentence after the field's name, what is allowed, and the next step."""


def _required(_: Any) -> Words:
    return "is missing or empty", "", ""


_TYPE_WORDS = {
    "string": "text", "integer": "a whole number", "number": "a number",
    "boolean": "true or false", "array": "a list", "object": "a mapping",
}  # fmt: skip


def _type(error: Any) -> Words:
    said = f"is {_typed(error.instance)}"
    if "enum" in error.schema and scalar(error.schema, error.instance) not in error.schema["enum"]:
        allowed = choices(error.schema["enum"])
        return f"{said}; it can be {allowed}", allowed, _type_hint(error)
    wanted = error.validator_value if isinstance(error.validator_value, list) else [error.validator_value]
    allowed = choices([_TYPE_WORDS[name] for name in wanted])
    return f"{said}; it must be {allowed}", allowed, _type_hint(error)


def _typed(value: Any) -> str:
    if isinstance(value, str):
        return f'the text "{quoted(value)}"'
    return quoted(value) if isinstance(value, bool | list | Mapping) else f"the number {quoted(value)}"


def _type_hint(error: Any) -> str:
    value, words = error.instance, error.schema.get("enum", ())
    if error.validator_value == "object" and isinstance(value, str) and "properties" in error.schema:
        field = next(iter([*error.schema.get("required", ()), *error.schema["properties"]]))
        return f"write {{ {field}: {quoted(value)} }}"
    if isinstance(value, bool) and {"on", "off"} <= {*words}:
        return f"write {'on' if value else 'off'}, as text"
    meant = scalar(error.schema, value)
    if type(meant) is type(value):
        return ""
    return f'write "{meant}", in quotes' if isinstance(meant, str) else f"write {quoted(meant)}, without quotes"


def _enum(error: Any) -> Words:
    allowed = choices(error.validator_value)
    return f"is `{quoted(error.instance)}`; it can be {allowed}", allowed, ""


def _pattern(error: Any) -> Words:
    allowed = error.schema["x-expected"]
    return f"is `{quoted(error.instance)}`; it must be {allowed}", allowed, ""


def _max_length(error: Any) -> Words:
    most = error.validator_value
    return f"has {len(error.instance)} of {most} characters", f"at most {most} characters", "shorten the text"


def _min_length(error: Any) -> Words:
    return "is too short", f"at least {error.validator_value} characters", ""


def _at_least(error: Any) -> Words:
    return f"is {quoted(error.instance)}; it can be {_range(error)}", _range(error), ""


def _range(error: Any) -> str:
    least, most = error.schema.get("minimum"), error.schema.get("maximum")
    return f"{least} or more" if most is None else f"{least} to {most}"


def _size(error: Any) -> Words:
    least, most = error.schema.get("minItems", 0), error.schema["maxItems"]
    allowed = f"exactly {most}" if least == most else f"{least} to {most}" if least else f"at most {most}"
    number = len(error.instance)
    return f"has {number} {'entry' if number == 1 else 'entries'}; it can have {allowed}", allowed, ""


_WORDS: dict[str, Callable[[Any], Words]] = {
    "required": _required,
    "type": _type,
    "enum": _enum,
    "pattern": _pattern,
    "minLength": _min_length,
    "maxLength": _max_length,
    "minimum": _at_least,
    "maximum": _at_least,
    "minItems": _size,
    "maxItems": _size,
}
