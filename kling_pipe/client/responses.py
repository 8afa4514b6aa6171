"""What may come back from Kling, as values: the submit protocol branches on them, so they are no exceptions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

from kling_pipe.client import json_types
from kling_pipe.client.error_codes import Code
from kling_pipe.core.redact import unsigned

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class TaskState:
    """A task as Kling tells it. `result` is `task_result` as it came, `units` is `final_unit_deduction`, verbatim.

    `odd` says what of it cannot be read, "" when nothing is amiss: then the answer says nothing of the task. `remarks`
    are what was left out because it is not what it should be, and can be done without. Texts are safe to print, and
    without the signature of a link that they may quote.
    """

    task_id: str
    status: str
    message: str = ""
    external_task_id: str = ""
    result: Any = field(default_factory=dict)
    units: str = ""
    created_at: int = 0
    updated_at: int = 0
    odd: str = ""
    remarks: tuple[str, ...] = ()

    @classmethod
    def read(cls, data: Mapping[str, Any]) -> TaskState:
        """From one `data` object, whatever stands in it.

        A task that was paid is not given up because its times, its units or its message look strange.
        """
        odd, remarks = Oddities(), Oddities()
        info = data.get("task_info")
        own = info if isinstance(info, Mapping) else {}
        return cls(
            task_id=odd.read(json_types.identifier, data, "task_id", ""),
            status=odd.read(json_types.word, data, "task_status", ""),
            message=unsigned(json_types.text(data.get("task_status_msg"))),
            external_task_id=json_types.text(own.get("external_task_id") or data.get("external_task_id")),
            result=data.get("task_result"),
            units=remarks.read(json_types.amount, data, "final_unit_deduction", ""),
            created_at=remarks.read(json_types.moment, data, "created_at", 0),
            updated_at=remarks.read(json_types.moment, data, "updated_at", 0),
            odd="; ".join(odd),
            remarks=tuple(remarks),
        )


class Oddities(list[str]):
    """What was not as it should be, each with its name."""

    def read(self, reader: Callable[[Any], T], data: Mapping[str, Any], name: str, otherwise: T) -> T:
        """What stands under a name, read; `otherwise`, and a note of it, when it cannot be."""
        try:
            return reader(data.get(name))
        except json_types.OddError as error:
            self.append(f"{name} is {error}" if name in data else f"{name} is missing")
            return otherwise


class Created(NamedTuple):
    """A create that was accepted: the task exists."""

    task: TaskState


class Found(NamedTuple):
    """A task that was asked for."""

    task: TaskState


@dataclass(frozen=True, slots=True)
class NotFound:
    """Kling answered that it knows no such task (now)."""


class Prepared(NamedTuple):
    """A call that makes no task was carried out; `data` is what it gives."""

    data: Mapping[str, Any]


class Listed(NamedTuple):
    """One page of a list. `full` when it holds as many as were asked for, so that there may be more.

    `rows` are the tasks as Kling sent them: who looks for a few among hundreds reads those alone. `odd`: there was
    something that is no task, so that one which is not here may exist all the same.
    """

    rows: tuple[Mapping[str, Any], ...]
    full: bool
    odd: bool = False

    @property
    def tasks(self) -> Iterator[TaskState]:
        """Every task, read when it is its turn."""
        return map(TaskState.read, self.rows)


class Refused(NamedTuple):
    """Kling answered with an error code: nothing was created by this call."""

    code: int
    message: str
    row: Code
    request_id: str = ""
    retry_after: float | None = None


class InDoubt(NamedTuple):
    """No answer that can be believed. `sent` is False when surely no byte of the request reached Kling.

    `odd`: there is an answer, and it is about this task or file alone: it says nothing that can be read, or no file.
    """

    reason: str
    sent: bool = True
    retry_after: float | None = None
    odd: bool = False


class Downloaded(NamedTuple):
    """A file came whole."""

    size: int


class Gone(NamedTuple):
    """The URL does not give the file (403, 404, 410): ask for a fresh one."""

    status: int
