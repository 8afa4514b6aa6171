"""What the operations say about one of the API's rules: cross-field rules, and the constraints of single fields."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from kling_pipe.catalog.operations import operations, table

_RANGES = (("", "minimum", "maximum"), (" characters", "minLength", "maxLength"), (" entries", "minItems", "maxItems"))
_TYPES = {"string": "text", "integer": "a whole number", "array": "a list", "object": "a mapping"}


@dataclass(slots=True)
class RuleExplanation:
    """One rule of the API by its id, and the operations that have it. `says` are sentences, without repeats."""

    id: str
    level: str
    says: list[str]
    hint: str
    source: str
    operations: list[str]

    @property
    def example(self) -> Example | None:
        """Why it is there, and what it refuses beside what it takes; None for a rule that nobody explained yet."""
        return example(self.id)


@dataclass(frozen=True, slots=True)
class Example:
    """What `schemas/explanations.json` says of a rule.

    `refused` and `mended` hold the same fields, None for one that is left out; of a rule about files they are facts
    about the file in the field `file`.
    """

    why: str
    next: str
    operation: str
    refused: Mapping[str, Any]
    mended: Mapping[str, Any]
    file: str = ""


@cache
def example(id: str) -> Example | None:
    """The example of one rule, or None where there is none."""
    table_ = table("explanations")
    told = table_["rules"].get(id)
    if told is None:
        return None
    refused, mended = told["refused"], told["mended"]
    if "file" not in told:
        base = table_["bases"][told["operation"]]
        names = [*refused, *(name for name in mended if name not in refused)]
        refused, mended = ({name: {**base, **own}.get(name) for name in names} for own in (refused, mended))
    return Example(told["why"], told["next"], told["operation"], refused, mended, told.get("file", ""))


@cache
def api_rules() -> Mapping[str, RuleExplanation]:
    """All rules by id: those between fields, then those of single fields (`x-rule`), in the operations' order."""
    found: dict[str, RuleExplanation] = {}
    for name, operation in operations().items():
        for rule in operation.rules:
            _add(found, name, rule["id"], rule["level"], _sentence(rule["say"]), rule.get("hint", ""), rule["source"])
        for id, text in _field_rules(operation.schema, ""):
            _add(found, name, id, "error", text, "", operation.kling["source"])
    return found


def _add(
    found: dict[str, RuleExplanation], operation: str, id: str, level: str, says: str, hint: str, source: str
) -> None:
    rule = found.setdefault(id, RuleExplanation(id, level, [], hint, source, []))
    if says not in rule.says:
        rule.says.append(says)
    if operation not in rule.operations:
        rule.operations.append(operation)


def _sentence(say: str) -> str:
    """A rule's message with its blanks as words: `{found}` becomes (found)."""
    text = re.sub(r"`?\{(\w+)\}`?", r"(\1)", say).rstrip(".") + "."
    # A model's name stays as it is: `kling-v1`.
    return text[0].upper() + text[1:] if text.split()[0].isalpha() else text


def _field_rules(schema: Mapping[str, Any], at: str) -> Iterator[tuple[str, str]]:
    """The single-field constraints that carry a rule's id, in words."""
    for name, field in schema.get("properties", {}).items():
        place = f"{at}.{name}".lstrip(".")
        if "x-rule" in field:
            yield field["x-rule"], f"`{place}`: {_constraints(field)}."
        yield from _field_rules(field, place)
    if "items" in schema:
        items = schema["items"]
        if "x-rule" in items:
            yield items["x-rule"], f"`{at}`, each {schema.get('x-item', 'entry')}: {_constraints(items)}."
        yield from _field_rules(items, at)


def _constraints(field: Mapping[str, Any]) -> str:
    words = [*_single(field)]
    for unit, least, most in _RANGES:
        if least in field or most in field:
            amount = _range(field.get(least), field.get(most))
            words.append(f"{amount} entry" if amount + unit == "1 entries" else amount + unit)
    return "; ".join(words) or _TYPES.get(str(field["type"]), str(field["type"]))


def _single(field: Mapping[str, Any]) -> Iterator[str]:
    if "enum" in field:
        yield f"one of {', '.join(map(str, field['enum']))}"
    if "pattern" in field:
        yield str(field["x-expected"])
    if "required" in field:
        yield f"needs {', '.join(f'`{name}`' for name in field['required'])}"


def _range(least: Any, most: Any) -> str:
    if least is None or most is None:
        return f"at most {most}" if least is None else f"at least {least}"
    return str(least) if least == most else f"{least} to {most}"
