"""Local files as requests carry them: hashed, and their bytes as base64."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from kling_pipe.outputs.local import file_sha256

# A multiple of three bytes: then the base64 of the pieces is the base64 of the whole.
_PIECE = 3 << 16


class HashCache(Protocol):
    """Remembers a file's SHA-256 for as long as its size and time stay the same."""

    def file_hash(self, path: str, size: int, mtime_ns: int) -> str | None:
        """The SHA-256, or None."""

    def keep_file_hash(self, path: str, size: int, mtime_ns: int, sha256: str) -> None:
        """Keep it."""


def hashed(path: Path, cache: HashCache | None = None) -> tuple[str, int]:
    """SHA-256 (hex) and size of a file; read again only when its size or time changed. Raises OSError."""
    status = path.stat()
    if cache is None:
        return file_sha256(path), status.st_size
    known = cache.file_hash(str(path), status.st_size, status.st_mtime_ns)
    if known is None:
        known = file_sha256(path)
        cache.keep_file_hash(str(path), status.st_size, status.st_mtime_ns, known)
    return known, status.st_size


def base64_pieces(path: Path) -> Iterator[bytes]:
    """A file as base64 without a `data:` prefix, piece by piece."""
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            yield b64encode(piece)


def base64_length(size: int) -> int:
    """How many characters `size` bytes take as base64."""
    return 4 * ((size + 2) // 3)
