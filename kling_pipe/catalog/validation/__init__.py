"""A request body against an operation, as Kling would see it. Pure: no I/O, no clock, nothing of where the body stands.

body -> blank fields dropped -> single fields (fields.py) -> rules between fields (rules.py, verbs.py) -> findings
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from kling_pipe.catalog.defaults import Body
from kling_pipe.catalog.operations import Operation
from kling_pipe.catalog.validation.coercion import changes, coerced, coercion_finding, scalar
from kling_pipe.catalog.validation.fields import field_findings
from kling_pipe.catalog.validation.finding import Finding
from kling_pipe.catalog.validation.rules import rules
from kling_pipe.catalog.validation.view import view_of
from kling_pipe.core.json_pointer import Pointer

__all__ = ["Finding", "check", "coerce", "scalar"]


def check(
    operation: Operation,
    body: Mapping[str, Any],
    *,
    element_kinds: Mapping[int, str] | None = None,
    strict: bool = False,
) -> list[Finding]:
    """Everything that is wrong or doubtful in a request body; no findings means that it may be sent.

    `element_kinds` says of items of the element list, by index from 0, whether they are `image_refer` or `video_refer`
    elements, where that is known. `strict` makes an error of an unknown key. One mistake gives one finding: rules keep
    quiet about fields that are wrong by themselves, and a value is reported by the first rule that it breaks.
    """
    view = view_of(operation, body, element_kinds or {})
    found = field_findings(operation, view.written)
    faults = [finding.pointer for finding in found]
    miscounted = False
    for rule in rules(operation):
        # A number that names nothing was meant for an input that now seems to go without a name.
        if (faults and rule.is_blocked(faults)) or (miscounted and "mentions" in rule.data):
            continue
        hits = list(rule.findings(operation, view, strict=strict))
        miscounted |= bool(hits) and "refs_within" in rule.data
        found.extend(hits)
    return _without_echoes(found)


def coerce(operation: Operation, body: Mapping[str, Any]) -> tuple[Body, list[Finding]]:
    """The body with values of a wrong type made right where nothing is lost by it, and one warning for each."""
    after: Body = coerced(operation.schema, body)
    rule = next(data for data in operation.rules if "coerce" in data)
    return after, [coercion_finding(operation.schema, rule, change) for change in changes(body, after)]


def _without_echoes(found: Iterable[Finding]) -> list[Finding]:
    """For one place, the findings of the first rule alone; errors come before warnings."""
    first: dict[Pointer, str] = {}
    kept = []
    for finding in sorted(found, key=lambda finding: finding.level != "error"):
        if first.setdefault(finding.pointer, finding.rule) == finding.rule:
            kept.append(finding)
    return kept
