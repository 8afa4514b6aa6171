"""What an operation's data says about building its requests, parsed once per operation."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple

from kling_pipe.catalog.operations import Operation
from kling_pipe.core.json_pointer import parts

Pattern = tuple[str, ...]


class Opener(NamedTuple):
    """A form of input that makes some defaults pointless, however it is written.

    For a list, `marks` tell its items from others of the list, and `defaults` are the API's own values of the marks.
    """

    place: Pattern
    drops: tuple[str, ...]
    in_list: bool
    marks: Mapping[str, Any]
    defaults: Mapping[str, Any]


class Shots(NamedTuple):
    """What the word `shots` writes: a numbered list, fields that go with it, and the sum of one of its fields."""

    list: str
    number: str
    sum: str
    sets: Mapping[str, Any]

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields that nobody may write beside `shots`."""
        return (self.list, *self.sets)


class OperationLayout(NamedTuple):
    """Where prompts, media and named ids stand (as patterns), and the sugar with its places.

    `prompt_fields` are the top-level fields with prompts, in the operation's order; `special` are all fields that
    need more than a plain value; `openers` make defaults pointless;
    `shortest_prompt` is the lowest limit on a prompt's length.
    """

    operation: Operation
    prompts: frozenset[Pattern]
    prompt_fields: tuple[str, ...]
    medias: Mapping[Pattern, Mapping[str, Any]]
    names: Mapping[Pattern, Mapping[str, Any]]
    sugar: Mapping[str, Mapping[str, Any]]
    shots: Shots | None
    special: frozenset[str]
    openers: tuple[Opener, ...]
    owned: frozenset[str]
    shortest_prompt: int


def _longest(operation: Operation, pattern: Pattern) -> int:
    """How long a prompt at a place may be; without a limit, as long as one that is checked word for word."""
    schema: Mapping[str, Any] = operation.schema
    for step in pattern:
        schema = schema["items"] if step == "*" else schema["properties"][step]
    return int(schema.get("maxLength", 500))


@cache
def layout_of(operation: Operation) -> OperationLayout:
    """The form of an operation."""
    kling = operation.kling
    prompts = frozenset(parts(pattern) for pattern in kling["prompts"])
    medias = {parts(entry["at"]): entry for entry in kling["media"]}
    names = {parts(pattern): entry for pattern, entry in kling.get("names", {}).items()}
    sugar = {word: spec for word, spec in kling.get("sugar", {}).items() if isinstance(spec, Mapping)}
    tops = {pattern[0] for pattern in prompts}
    return OperationLayout(
        operation=operation,
        prompts=prompts,
        medias=medias,
        names=names,
        sugar=sugar,
        prompt_fields=tuple(name for name in operation.fields if name in tops),
        shots=Shots(**kling["shots"]) if "shots" in kling else None,
        special=frozenset(pattern[0] for pattern in (*prompts, *medias, *names)),
        openers=tuple(_opener(operation, sugar, spec) for spec in sugar.values() if "drops_defaults" in spec),
        owned=frozenset(kling["owned"]),
        shortest_prompt=min((_longest(operation, pattern) for pattern in prompts), default=0),
    )


def _opener(operation: Operation, sugar: Mapping[str, Mapping[str, Any]], spec: Mapping[str, Any]) -> Opener:
    drops = tuple(spec["drops_defaults"])
    if "field" in spec:
        return Opener(parts(spec["field"]), drops, False, {}, {})
    others = [
        one["item"] for one in (*sugar.values(), *operation.kling["inputs"].values()) if one.get("list") == spec["list"]
    ]
    marks = {name: value for name, value in spec["item"].items() if any(other.get(name) != value for other in others)}
    fields = operation.fields[parts(spec["list"])[0]]["items"]["properties"]
    defaults = {name: fields[name].get("default") for name in marks if name in fields}
    return Opener(parts(spec["list"]), drops, True, marks, defaults)
