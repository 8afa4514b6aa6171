"""Small constant files for load tests: valid, and padded to an asked size inside their own formats."""

from __future__ import annotations

import struct
import zlib

SIDE = 512


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png(size: int) -> bytes:
    """A plain picture of 512 x 512, of at least `size` bytes."""
    row = b"\x00" + b"\x2e\x5a\x88" * SIDE
    image = _chunk(b"IHDR", struct.pack(">IIBBBBB", SIDE, SIDE, 8, 2, 0, 0, 0)) + _chunk(
        b"IDAT", zlib.compress(row * SIDE)
    )
    bare = len(image) + 8 + 12
    padding = _chunk(b"tEXt", b"Comment\x00" + b"." * max(0, size - bare - 12 - 8)) if size > bare + 20 else b""
    return b"\x89PNG\r\n\x1a\n" + image + padding + _chunk(b"IEND", b"")


def padded(clip: bytes, extension: str, size: int) -> bytes:
    """A clip and an empty `free` box after it, of at least `size` bytes; after a sound, zeros that players skip."""
    missing = size - len(clip)
    if extension != "mp4":
        return clip + bytes(max(0, missing))
    return clip + struct.pack(">I", missing) + b"free" + bytes(missing - 8) if missing >= 8 else clip
