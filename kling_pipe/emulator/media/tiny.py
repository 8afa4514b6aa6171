"""Small files for load tests: valid, padded to an asked size, the name of the result in the padding."""

from __future__ import annotations

import struct
import zlib
from functools import cache

SIDE = 512


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


@cache
def _picture() -> bytes:
    row = b"\x00" + b"\x2e\x5a\x88" * SIDE
    head = _chunk(b"IHDR", struct.pack(">IIBBBBB", SIDE, SIDE, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + _chunk(b"IDAT", zlib.compress(row * SIDE))


def png(size: int, name: str = "") -> bytes:
    """A plain picture of 512 x 512, of at least `size` bytes."""
    missing = size - len(_picture()) - len(_chunk(b"tEXt", b"Comment\0")) - len(_chunk(b"IEND", b""))
    padding = _chunk(b"tEXt", b"Comment\0" + _filled(name, missing, b".")) if missing > 0 else b""
    return _picture() + padding + _chunk(b"IEND", b"")


def padded(clip: bytes, extension: str, size: int, name: str = "") -> bytes:
    """A clip and a `free` box after it, of at least `size` bytes; after a sound, bytes that players skip."""
    missing = size - len(clip)
    if extension != "mp4":
        return clip + _filled(name, max(0, missing), b"\0")
    return clip + struct.pack(">I", missing) + b"free" + _filled(name, missing - 8, b"\0") if missing >= 8 else clip


def _filled(name: str, size: int, filler: bytes) -> bytes:
    return name.encode("ascii")[:size].ljust(size, filler)
