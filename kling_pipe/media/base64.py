"""Local files as requests carry them: their bytes as base64."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

# A multiple of three bytes: then the base64 of the pieces is the base64 of the whole.
_PIECE = 3 << 16


def base64_pieces(path: Path) -> Iterator[bytes]:
    """A file as base64 without a `data:` prefix, piece by piece."""
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            yield b64encode(piece)


def base64_length(size: int) -> int:
    """How many characters `size` bytes take as base64."""
    return 4 * ((size + 2) // 3)
