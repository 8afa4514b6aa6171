"""What the engine asks of a place for results, whatever it is: a local folder or a bucket."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NamedTuple, Protocol


class Stored(NamedTuple):
    """A result that is safe."""

    sha256: str
    size: int


class Incoming(Protocol):
    """A result that is being written: hashed as it comes."""

    size: int

    def write(self, chunk: bytes) -> None:
        """Add bytes."""


class OutputStore(Protocol):
    """Objects by checksum, never changed; names that point at them. Failures are LocalStateError.

    A call may take as long as a disk or a network does: a caller with an event loop uses a thread for it.
    """

    def incoming(self) -> AbstractContextManager[Incoming]:
        """A new result; gone on leaving unless `keep` took it."""

    def keep(self, incoming: Any) -> Stored:
        """Make a whole result, one of its own, an object."""

    def object_path(self, sha256: str) -> Path:
        """Where an object is on this machine; one that is elsewhere is brought here first. It need not exist."""

    def has(self, sha256: str, size: int) -> bool:
        """Whether there is an object of this checksum and size."""

    def whole(self, sha256: str) -> bool:
        """Whether there is such an object, and it is what its name says."""

    def stands(self, relative: str, size: int) -> bool:
        """Whether a file of this size stands at the name."""

    def place(self, sha256: str, relative: str) -> None:
        """Give an object a name. What stood there and differs is kept."""

    def write(self, relative: str, text: str) -> None:
        """Write a small text file as a whole (a sidecar)."""

    def inside(self, relative: str) -> Path:
        """The path of a named file on this machine."""
