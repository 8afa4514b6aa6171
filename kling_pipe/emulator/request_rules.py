"""What the schemas say about a request: valid or refused, how many results, which pool, how many units."""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Any

from kling_pipe.catalog import operations, pricing, validation
from kling_pipe.catalog.operations import Operation
from kling_pipe.emulator.answers import Refusal

SERIES = 4
"""Pictures in a series whose length is left to Kling."""


LENGTHS = ("schema/maxLength",)
"""What says that a text is too long."""


def validate(
    operation: Operation,
    body: Mapping[str, Any],
    element_kinds: Mapping[int, str],
    *,
    strict: bool,
    allowed: Container[str] = (),
) -> None:
    """Raise Refusal 1201 with the first error that the API itself would find. Rules in `allowed` may be broken."""
    for finding in validation.check(operation, body, element_kinds=element_kinds, strict=strict):
        if finding.level == "error" and finding.rule not in allowed:
            raise Refusal(1201, _message(finding))


def _message(finding: validation.Finding) -> str:
    """Kling's way of saying it where that is known (`duration value '99' is invalid`), else the rule's own."""
    field = ".".join(str(step) for step in finding.pointer)
    if finding.rule == "schema/required":
        return f"{field or finding.message} can not be null" if field else finding.message
    if finding.rule.startswith("schema/") and field and finding.found:
        return f"{field} value '{finding.found.strip('`')[:80]}' is invalid"
    return finding.message


def outputs(operation: Operation, body: Mapping[str, Any]) -> int:
    """How many results the task will have."""
    count = operations.output_count(operation, body)
    return SERIES if count is None else count


def weight(operation: Operation, body: Mapping[str, Any]) -> int:
    """How many slots the task holds."""
    return operations.weight(operation, body)


def units(operation: Operation, body: Mapping[str, Any], input_seconds: float | None) -> float:
    """What the task costs on success. What has no known price costs nothing here."""
    return pricing.estimate(operation, body, input_seconds=input_seconds).units or 0.0
