"""Kling's error codes as rows of `schemas/errors.json`: what each means for a create, a read, a run."""

from __future__ import annotations

from functools import cache
from typing import Literal, NamedTuple, cast

from kling_pipe.catalog.operations import error, failure_class
from kling_pipe.model import Failure

OnCreate = Literal["accept", "fail", "resign", "lookup", "back_off", "wait_slot"]
OnRead = Literal["accept", "fail", "resign", "retry", "not_found"]
Scope = Literal["nothing", "job", "pack", "model", "run"]


class Code(NamedTuple):
    """One error code: what to do with a create and with a read that met it, and what it stops."""

    code: int
    family: str
    create: OnCreate
    read: OnRead
    stops: Scope
    meaning: str
    hint: str = ""


@cache
def code_row(code: int) -> Code:
    """The row of a code; an unknown one has a row of its own."""
    row = error(code)
    return Code(code, row["class"], row["create"], row["read"], row["stops"], row["meaning"], row["hint"])


def task_failure(message: str) -> Failure:
    """The class of a failed task by its `task_status_msg`; `unknown` for what a new attempt would not mend."""
    family = failure_class(message)
    return cast(Failure, family) if family in ("moderation", "transient") else "unknown"
