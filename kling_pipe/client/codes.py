"""Kling's error codes as rows of `schemas/errors.json`: what each means for a create, a read, a run."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, cast

from kling_pipe.catalog import table
from kling_pipe.model import Failure

Scope = Literal["request", "job", "pack", "model", "run"]
OnCreate = Literal["fail", "look_up", "back_off", "wait_for_slot", "sign_again"]


@dataclass(frozen=True, slots=True)
class Code:
    """One error code. `on_create` says what to do with a create that met it, `scope` what it stops."""

    code: int
    meaning: str
    family: str
    on_create: OnCreate
    retry_read: bool
    scope: Scope


@cache
def _rows() -> dict[int, Code]:
    return {row["code"]: _read(row) for row in table("errors")["codes"]}


def _read(row: Mapping[str, Any]) -> Code:
    return Code(row["code"], row["meaning"], row["class"], row["on_create"], row["on_read"] == "retry", row["scope"])


def code_row(code: int) -> Code:
    """The row of a code; of an unknown one a row that looks the task up rather than send again."""
    return _rows().get(code) or Code(code, "unknown code", "unknown", "look_up", False, "job")


@cache
def _failures() -> tuple[tuple[re.Pattern[str], str], ...]:
    return tuple((re.compile(row["pattern"], re.IGNORECASE), row["class"]) for row in table("errors")["task_failures"])


def task_failure(message: str) -> Failure:
    """The class of a failed task by its `task_status_msg`; `unknown` for what nobody has seen."""
    for pattern, family in _failures():
        if pattern.search(message):
            return cast(Failure, family) if family in ("moderation", "transient") else "unknown"
    return "unknown"
