"""Rules between fields, compiled from the data: condition, verb, sentence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

from kling_pipe.catalog.conditions import Condition, compiled, reads
from kling_pipe.catalog.operations import Operation, table
from kling_pipe.catalog.validation.finding import Finding
from kling_pipe.catalog.validation.verbs import ELSEWHERE, VERBS, Hit, Verb, verb_of
from kling_pipe.catalog.validation.view import View
from kling_pipe.core.json_pointer import Pointer, touches


class Rule(NamedTuple):
    """One rule of an operation, ready to run. `reads` are the patterns of all places that it depends on."""

    data: Mapping[str, Any]
    when: Condition
    verb: Verb
    reads: tuple[str, ...]

    def is_blocked(self, faults: Sequence[Pointer]) -> bool:
        """Whether a field that it depends on is already reported, so that it would only echo that."""
        return any(touches(pointer, pattern) for pointer in faults for pattern in self.reads)

    def findings(self, operation: Operation, view: View, *, strict: bool) -> Iterator[Finding]:
        """What the rule has to say about a body."""
        if self.when(view.read):
            for hit in self.verb.hits(view):
                yield self._finding(operation, view, hit, strict=strict)

    def _finding(self, operation: Operation, view: View, hit: Hit, *, strict: bool) -> Finding:
        data = self.data
        words = {
            "found": hit.found,
            "allowed": hit.allowed,
            "field": str(hit.pointer[-1]),
            "model": str(view.read.get("model_name", "this model")),
            "operation": operation.name,
        }
        message = str(data["say"])
        for name, word in words.items():
            message = message.replace(f"{{{name}}}", word)
        level = data.get("strict", data["level"]) if strict else data["level"]
        hint = data.get("hint") or _step(data, hit) or ("" if hit.near else _advice(data["id"]))
        # Bare counts say something in a sentence alone.
        found, allowed = ("", "") if "count" in data else (hit.found, hit.allowed)
        return Finding(data["id"], level, hit.pointer, message, found, allowed, hit.near, hint, data["source"])


def _step(data: Mapping[str, Any], hit: Hit) -> str:
    """The next step, where the verb alone tells it."""
    field = hit.pointer[-1] if hit.pointer else ""
    if "require" in data:
        return f"Add `{field}`."
    if "capability" in data and not hit.allowed:
        return f"Leave `{field}` out, or name a model that has it."
    return f"Leave `{field}` out." if "forbid" in data and isinstance(field, str) else ""


def _advice(id: str) -> str:
    """Return the next step of the rule's explanation, or "" for a rule that nobody explained yet.

    Of single fields it does not hold whatever is wrong with them.
    """
    return str(table("explanations")["rules"].get(id, {}).get("next", ""))


@cache
def rules(operation: Operation) -> tuple[Rule, ...]:
    """The rules of an operation that a check can decide, in the order of its file."""
    return tuple(_rule(data, operation) for data in operation.rules if verb_of(data) not in ELSEWHERE)


def _rule(data: Mapping[str, Any], operation: Operation) -> Rule:
    when = data.get("when", {})
    name = verb_of(data)
    verb = VERBS[name](data[name], operation)
    return Rule(data, compiled(when), verb, tuple(dict.fromkeys((*reads(when), *verb.reads))))
