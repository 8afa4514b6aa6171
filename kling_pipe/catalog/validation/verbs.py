"""What a rule can say: one function per verb. The set is closed; the meta schema lists it too.

A verb takes its argument from the data and gives a function that finds the places where a body breaks the rule. Two
views of the body are at hand: `read` is what Kling works with (the vendor's defaults filled in, `reference_type` added
to elements of known kind); `written` is what the author wrote. A rule against a useless field looks at `written`, since
a default that nobody wrote is no mistake; every other verb looks at `read`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from kling_pipe.catalog.conditions import compiled, same
from kling_pipe.catalog.defaults import Body
from kling_pipe.catalog.operations import Operation, table
from kling_pipe.catalog.validation.finding import choices, quoted
from kling_pipe.catalog.validation.prompt_tokens import prompts, tokens
from kling_pipe.catalog.validation.view import View
from kling_pipe.core.json_pointer import Pointer, fixed, parts, walk
from kling_pipe.core.text import nearest

_ROUNDING = 1e-6  # the vendor's own example comes to 2.99991 of 3


class Hit(NamedTuple):
    """A place where a rule is broken, with what the rule's sentence may quote."""

    pointer: Pointer
    found: str = ""
    allowed: str = ""
    near: str = ""


class Verb(NamedTuple):
    """A verb with its argument: how it looks for hits, and the patterns of the places that it depends on."""

    hits: Callable[[View], Iterable[Hit]]
    reads: tuple[str, ...]


def _exists(body: Body, pattern: str) -> bool:
    return any(True for _ in walk(body, pattern))


def _require(fields: Sequence[str | Sequence[str]], _: Operation) -> Verb:
    """Fields that must be there; of a list of fields, one at least."""

    def hits(view: View) -> Iterator[Hit]:
        for one in fields:
            if isinstance(one, str):
                if not _exists(view.read, one):
                    yield Hit(parts(one))
            elif not any(_exists(view.read, pattern) for pattern in one):
                yield Hit(fixed(one[0]))

    return Verb(hits, tuple(pattern for one in fields for pattern in ([one] if isinstance(one, str) else one)))


def _forbid(patterns: Sequence[str], _: Operation) -> Verb:
    """Fields that must not be written."""

    def hits(view: View) -> Iterator[Hit]:
        for pattern in patterns:
            for pointer, value in walk(view.written, pattern):
                yield Hit(pointer, found=quoted(value))

    return Verb(hits, tuple(patterns))


def _only(allowed: Mapping[str, list[Any]], _: Operation) -> Verb:
    """Fields that, where they have a value, may have these values alone."""

    def hits(view: View) -> Iterator[Hit]:
        for pattern, values in allowed.items():
            for pointer, value in walk(view.read, pattern):
                if not any(same(value, one) for one in values):
                    yield Hit(pointer, quoted(value), choices(values))

    return Verb(hits, tuple(allowed))


def _at_most_one(groups: Sequence[Sequence[str]], _: Operation) -> Verb:
    """Groups of fields that exclude each other; each group beside the first that is there is a hit."""

    def hits(view: View) -> Iterator[Hit]:
        present = [one for group in groups if (one := next((p for p in group if _exists(view.read, p)), None))]
        for other in present[1:]:
            yield Hit(fixed(other), _named(other), f"`{_named(present[0])}`")

    return Verb(hits, tuple(pattern for group in groups for pattern in group))


def _named(pattern: str) -> str:
    """What a person calls the places of a pattern: the path of an object's field, the name alone in a list's items."""
    return pattern.rpartition("/*/")[2].strip("/")


def _count(limits: Mapping[str, Any], _: Operation) -> Verb:
    """How many places there are (`of`), those that meet `where` alone: from `min` to `max`."""
    where = compiled(limits.get("where", {}))
    least, most, up = limits.get("min", 0), limits.get("max"), 1 if limits.get("at_parent") else 0

    def hits(view: View) -> Iterator[Hit]:
        places = [at for pattern in limits["of"] for at, value in walk(view.read, pattern) if where(value)]
        if len(places) < least:
            yield Hit(fixed(limits["of"][0]), str(len(places)), f"at least {least}")
        elif most is not None and len(places) > most:
            yield Hit(places[most][: len(places[most]) - up], str(len(places)), str(most))

    return Verb(hits, tuple(limits["of"]))


def _total(form: Mapping[str, Any], _: Operation) -> Verb:
    """The numbers of each side (also as text) added up, `plus` a number, and the sides multiplied: an area of two.

    It `equals` another field, or is `max` at most.
    """
    every = tuple(pattern for side in form["of"] for pattern in side)
    plus, target = form.get("plus", 0), form.get("equals", "")

    def hits(view: View) -> Iterator[Hit]:
        sums = (sum(_number(value) for one in side for _, value in walk(view.read, one)) for side in form["of"])
        total = math.prod(plus + one for one in sums)
        if target:
            due = next((int(value) for _, value in walk(view.read, target)), None)
            if due is not None and total != due:
                place = parts(target) if _exists(view.written, target) else fixed(form["of"][0][0])
                yield Hit(place, str(total), str(due))
        elif total > form["max"] + _ROUNDING:
            yield Hit(parts(form["of"][-1][0]), f"{total:.4g}", str(form["max"]))

    return Verb(hits, (*every, target) if target else every)


def _number(value: Any) -> Any:
    return int(value) if isinstance(value, str) else value


def _compare(form: Mapping[str, Any], _: Operation) -> Verb:
    """Values held against others: each its `position` in order, `min` above its neighbour, or `unlike` one other."""
    of, other = form["of"], form.get("above") or form.get("unlike") or ""
    test = _at_position if "position" in form else _above if "above" in form else _unlike

    def hits(view: View) -> Iterator[Hit]:
        return test([*walk(view.read, of)], [value for _, value in walk(view.read, other)] if other else [], form)

    return Verb(hits, (of, other) if other else (of,))


_Places = Sequence[tuple[Pointer, Any]]


def _at_position(places: _Places, _: Sequence[Any], __: Mapping[str, Any]) -> Iterator[Hit]:
    for due, (pointer, value) in enumerate(places, start=1):
        if value != due:
            yield Hit(pointer, quoted(value), str(due))
            return  # those behind it are off for the same reason


def _above(places: _Places, others: Sequence[Any], form: Mapping[str, Any]) -> Iterator[Hit]:
    for (pointer, high), low in zip(places, others, strict=False):
        if high - low < form["min"]:
            yield Hit(pointer, str(high - low), str(form["min"]))


def _unlike(places: _Places, others: Sequence[Any], _: Mapping[str, Any]) -> Iterator[Hit]:
    for pointer, value in places:
        if value == next(iter(others), None):
            yield Hit(pointer, quoted(value))


def _capability(fields: Sequence[str], operation: Operation) -> Verb:
    """Fields as far as the model has them, after `schemas/capabilities.json`. A model that is not listed passes."""
    models = table("capabilities")["operations"].get(operation.name, {})

    def hits(view: View) -> Iterator[Hit]:
        able = models.get(view.read.get("model_name"), {})
        for field in fields:
            allowed = able.get(field, True)
            if allowed is False and field in view.written:
                yield Hit((field,), found=quoted(view.written[field]))
            elif isinstance(allowed, list) and field in view.read and view.read[field] not in allowed:
                yield Hit((field,), quoted(view.read[field]), choices(allowed))

    return Verb(hits, ("/model_name", *(f"/{field}" for field in fields)))


def _refs_within(lists: Mapping[str, Sequence[str]], operation: Operation) -> Verb:
    """References in prompts that must have an input: `<<<image_3>>>` needs a third place in the image list."""
    where = operation.kling["prompts"]

    def hits(view: View) -> Iterator[Hit]:
        counts = {kind: sum(1 for one in patterns for _ in walk(view.read, one)) for kind, patterns in lists.items()}
        for pointer, text in prompts(view.read, where):
            for kind, number in dict.fromkeys(tokens(text)):
                if kind != "object" and not 1 <= number <= counts.get(kind, 0):
                    yield Hit(pointer, f"<<<{kind}_{number}>>>", _stock(kind, counts))

    return Verb(hits, tuple(one for patterns in lists.values() for one in patterns))


def _stock(kind: str, counts: Mapping[str, int]) -> str:
    if kind not in counts:
        return f"this operation takes no {kind}"
    number = counts[kind]
    if not number:
        return f"there is no {kind}"
    return f"there {'is' if number == 1 else 'are'} only {number} {kind}{'' if number == 1 else 's'}"


def _mentions(lists: Mapping[str, Mapping[str, Any]], operation: Operation) -> Verb:
    """Inputs that some prompt should name by their number; those that meet `where` alone."""
    conditions = {kind: compiled(form.get("where", {})) for kind, form in lists.items()}
    where = operation.kling["prompts"]

    def hits(view: View) -> Iterator[Hit]:
        named = {token for _, text in prompts(view.read, where) for token in tokens(text)}
        for kind, form in lists.items():
            for number, (pointer, value) in enumerate(walk(view.read, form["of"]), start=1):
                if (kind, number) not in named and conditions[kind](value):
                    yield Hit(pointer, f"{kind} {number} (<<<{kind}_{number}>>>)")

    return Verb(hits, tuple(form["of"] for form in lists.values()))


def _avoid(form: Mapping[str, Any], operation: Operation) -> Verb:
    """Text that must not match: in all `prompts`, or in every field that may hold `base64`."""
    base64 = [one["at"] for one in operation.kling["media"] if one.get("base64")]
    patterns = operation.kling["prompts"] if form["in"] == "prompts" else base64
    text = str(form["pattern"])
    # A base64 field holds megabytes: an anchored pattern must look at its start alone.
    search = re.compile(text.removeprefix("^")).match if text.startswith("^") else re.compile(text).search

    def hits(view: View) -> Iterator[Hit]:
        for pointer, value in prompts(view.read, patterns):
            found = search(value)
            if found:
                yield Hit(pointer, quoted(found[0]))

    return Verb(hits, ())


def _known(form: Mapping[str, Any], operation: Operation) -> Verb:
    """Keys that the operation's schema lists, at any depth; with `renamed`, no old name of a field alone."""
    if "renamed" in form:
        return Verb(lambda view: _old_names(form["renamed"], operation, view), ())
    old = renamed(operation)

    def hits(view: View) -> Iterator[Hit]:
        for hit in _unknown(operation.schema, view.written, ()):
            yield hit._replace(near=old[hit.found]) if len(hit.pointer) == 1 and hit.found in old else hit

    return Verb(hits, ())


def renamed(operation: Operation) -> Mapping[str, str]:
    """Return the old names of an operation's fields, with the new ones."""
    rules = (rule["known"] for rule in operation.rules if "known" in rule)
    return {old: new for form in rules for old, new in form.get("renamed", {}).items()}


def _old_names(names: Mapping[str, str], operation: Operation, view: View) -> Iterator[Hit]:
    for old, new in names.items():
        if new in operation.fields and old in view.written and new not in view.written:
            yield Hit((old,), quoted(view.written[old]), new, near=new)


def _unknown(schema: Mapping[str, Any], value: Any, at: Pointer) -> Iterator[Hit]:
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from _unknown(schema.get("items", {}), item, (*at, index))
    elif isinstance(value, Mapping) and "properties" in schema:
        known = schema["properties"]
        for name, inner in value.items():
            if name not in known:
                yield Hit((*at, name), str(name), near=nearest(str(name), known))
            elif isinstance(inner, list | Mapping):
                yield from _unknown(known[name], inner, (*at, name))


VERBS: Mapping[str, Callable[[Any, Operation], Verb]] = {
    "require": _require,
    "forbid": _forbid,
    "only": _only,
    "at_most_one": _at_most_one,
    "count": _count,
    "total": _total,
    "compare": _compare,
    "capability": _capability,
    "refs_within": _refs_within,
    "mentions": _mentions,
    "avoid": _avoid,
    "known": _known,
}

ELSEWHERE = ("coerce", "media")
"""What stands in a verb's place and is no matter of a check: said when a body is coerced, or a local file looked at."""


def verb_of(rule: Mapping[str, Any]) -> str:
    """Return the verb of a rule's data, or what stands in its place."""
    return next(name for name in rule if name in VERBS or name in ELSEWHERE)
