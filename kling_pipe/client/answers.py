"""What may come back from Kling, as values: the submit protocol branches on them, so they are no exceptions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from kling_pipe.client.codes import Code
from kling_pipe.unsigned import unsigned


@dataclass(frozen=True, slots=True)
class TaskState:
    """A task as Kling tells it. `result` is `task_result`, `units` is `final_unit_deduction`, both verbatim.

    The message may quote a link that was signed for Kling: its signature is cut off.
    """

    task_id: str
    status: str
    message: str = ""
    external_task_id: str = ""
    result: Mapping[str, Any] = field(default_factory=dict)
    units: str = ""
    created_at: int = 0
    updated_at: int = 0

    @classmethod
    def read(cls, data: Mapping[str, Any]) -> TaskState:
        """From one `data` object. Fields that Kling leaves out, sends as null or as something else are empty.

        A task that was paid is not given up because its times or its message look strange.
        """
        info = _mapping(data.get("task_info"))
        return cls(
            task_id=str(data.get("task_id") or ""),
            status=str(data.get("task_status") or ""),
            message=unsigned(written(data.get("task_status_msg") or "")),
            external_task_id=str(info.get("external_task_id") or data.get("external_task_id") or ""),
            result=_mapping(data.get("task_result")),
            units=str(data.get("final_unit_deduction") or ""),
            created_at=_ms(data.get("created_at")),
            updated_at=_ms(data.get("updated_at")),
        )


def written(text: object) -> str:
    """A text that can be written down: who cuts one in the middle of an emoji sends half of it."""
    return str(text).encode("utf-8", "replace").decode("utf-8")


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _ms(value: Any) -> int:
    try:
        return int(value or 0)
    except (TypeError, ValueError, OverflowError):
        return 0


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

    `rows` are the tasks as Kling sent them: who looks for a few among hundreds reads those alone.
    """

    rows: tuple[Mapping[str, Any], ...]
    full: bool

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
    """No answer that can be believed. `sent` is False when surely no byte of the request reached Kling."""

    reason: str
    sent: bool = True
    retry_after: float | None = None


class Downloaded(NamedTuple):
    """A file came whole."""

    size: int


class Gone(NamedTuple):
    """The URL does not give the file any more (403, 404, 410): ask for a fresh one."""

    status: int
