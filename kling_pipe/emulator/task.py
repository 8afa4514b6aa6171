"""One remote task. Everything about its fate is settled when it is created; its state is a function of the time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

Phase = Literal["submitted", "processing", "done"]
DAY_MS = 24 * 3600 * 1000
KEPT_MS = 30 * DAY_MS
"""Results are purged this long after the task ended."""


@dataclass(slots=True)
class Task:
    """A task as it is stored. Times in ms of the emulator's clock; ids as Kling writes them.

    `failure` is the message it will fail with, or empty. `units` is what it will cost on success.
    `slot` names the pool in which it holds `weight` places, or is empty. Before `visible_at` queries do not find it.
    `body` is in the first standard's words whatever it came in; `form` is the standard, empty for the first.
    """

    seq: int
    account: str
    operation: str
    task_id: str
    external_id: str
    body: dict[str, Any]
    created_at: int
    started_at: int
    done_at: int
    outputs: int = 1
    failure: str = ""
    units: str = ""
    pack: str = ""
    slot: str = ""
    weight: int = 0
    seconds: float = 0.0
    element_id: int = 0
    deleted_at: int = 0
    visible_at: int = 0
    refuses_duplicates: bool = True
    host: str = ""
    form: str = ""
    told: int = 0
    cached: tuple[str, int, str] = field(default=("", 0, ""), compare=False, repr=False)

    def phase(self, now: int) -> Phase:
        """Where it stands at a time."""
        if now >= self.done_at:
            return "done"
        return "processing" if now >= self.started_at else "submitted"

    def succeeded(self, now: int) -> bool:
        """Whether it has ended well by then."""
        return now >= self.done_at and not self.failure

    def updated_at(self, now: int) -> int:
        """When its state last changed."""
        return {"submitted": self.created_at, "processing": self.started_at, "done": self.done_at}[self.phase(now)]

    def saved(self) -> dict[str, Any]:
        """As a JSON object, without what can be computed again."""
        return {name: getattr(self, name) for name in self.__slots__ if name != "cached"}
