"""The one seam that every durable write and every byte to Kling passes.

Tests hand in an `Effects` that kills the process at the n-th call; `tests/test_house.py` refuses effects elsewhere.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, Protocol


class Commits(Protocol):
    """A database connection with a transaction to end."""

    def commit(self) -> None:
        """End it durably."""


class Effects:
    """Carries out each effect between two calls of `observe(name, phase)`, phase `before` or `after`.

    Subclass and override `observe` to count, record, delay or crash. The default observes nothing.
    """

    def observe(self, name: str, phase: str) -> None:
        """Called right before and right after each effect."""

    def _do(self, name: str, action: Callable[[], Any]) -> Any:
        self.observe(name, "before")
        result = action()
        self.observe(name, "after")
        return result

    def commit(self, connection: Commits) -> None:
        """End a transaction durably."""
        self._do("commit", connection.commit)

    def fsync(self, file: IO[Any]) -> None:
        """Flush a file to the disk."""

        def flush() -> None:
            file.flush()
            os.fsync(file.fileno())

        self._do("fsync", flush)

    def replace(self, source: Path, target: Path) -> None:
        """Rename over whatever stands at the target, atomically."""
        self._do("replace", lambda: source.replace(target))

    def link(self, source: Path, target: Path) -> None:
        """Hard link; raises OSError where the file system has none or the target exists."""
        self._do("link", lambda: os.link(source, target))

    def upload(self, action: Callable[[], Any]) -> Any:
        """Write to a bucket: a put, a copy, the end of a multipart upload."""
        return self._do("upload", action)

    def sending(self, name: str) -> None:
        """Right before a request's first byte goes out."""
        self.observe(f"send {name}", "before")

    def sent(self, name: str) -> None:
        """Right after an answer, or a failure to get one, is known."""
        self.observe(f"send {name}", "after")
