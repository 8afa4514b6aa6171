"""What a report needs to know of how a job ended; `engine.Outcome` has it, and reports stand below the engine."""

from __future__ import annotations

from typing import Protocol

from kling_pipe.model import Record


class Ended(Protocol):
    """One job's end. `ending` is made, reused, failed or waiting; `message` says why it failed or waits."""

    @property
    def address(self) -> str:
        """The job's address."""

    @property
    def ending(self) -> str:
        """How it ended."""

    @property
    def record(self) -> Record | None:
        """What is known of its task."""

    @property
    def message(self) -> str:
        """Why it failed or waits."""
