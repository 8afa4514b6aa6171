"""What happens in a run, one value at a time: for progress displays, JSON lines and logs. No secrets in here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

EventType = Literal[
    "planned",
    "submitted",
    "adopted",
    "processing",
    "succeeded",
    "failed",
    "saved",
    "reused",
    "cooldown",
    "retrying",
    "noted",
    "waiting",
]
"""`noted` changes nothing: a person should know the `reason`."""


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened to the job at `address` ("" for the whole run) at `at`, in seconds since 1970."""

    type: EventType
    address: str
    at: float
    data: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The event as JSON."""
        return {"type": self.type, "address": self.address, "at": round(self.at, 3), **self.data}


OnEvent = Callable[[Event], None]


def ignore(_: Any) -> None:
    """For callers that do not listen."""


T = TypeVar("T")


def both(first: Callable[[T], None], second: Callable[[T], None]) -> Callable[[T], None]:
    """Tells two listeners."""

    def told(value: T) -> None:
        first(value)
        second(value)

    return told
