"""What an MP4 or MOV file is, read from its index: length, size of the picture, frames a second. No decoder needed.

A file is a row of boxes, each with its length and a name of four letters, and some of them are rows themselves:

    moov / mvhd                         the length of the whole
    moov / trak / tkhd                  the size of one track's picture, and how it is turned
    moov / trak / mdia / hdlr, mdhd     what sort of track it is, and its length
    moov / trak / mdia / minf / stbl / stts    how many frames it has
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

_MOST_INDEX = 64 << 20
_MOST_BOXES = 10_000


class FilmFacts(NamedTuple):
    """What a film is; 0 where the file does not say. `seconds` of the whole, pixels as it is shown, frames a second."""

    seconds: float
    width: int
    height: int
    fps: float


class _Box(NamedTuple):
    name: bytes
    body: bytes


def film_facts(path: Path) -> FilmFacts | None:
    """What a film is, or None for a file that is no MP4 or MOV, or has no picture. Raises OSError."""
    index = _index(path)
    if index is None:
        return None
    try:
        return _read(index)
    except (struct.error, IndexError, ZeroDivisionError):
        return None


def _index(path: Path) -> bytes | None:
    """The body of the `moov` box, wherever it stands between the outermost boxes."""
    size = path.stat().st_size
    with path.open("rb") as file:
        place = 0
        for _ in range(_MOST_BOXES):
            file.seek(place)
            head = file.read(16)
            if len(head) < 8:
                return None
            length, name = struct.unpack(">I4s", head[:8])
            start = 8
            if length == 1 and len(head) == 16:
                length, start = struct.unpack(">Q", head[8:])[0], 16
            length = size - place if length == 0 else length
            if length < start or place + length > size or not name.isascii():
                return None
            if name == b"moov":
                file.seek(place + start)
                return file.read(length - start) if length <= _MOST_INDEX else None
            place += length
    return None


def _read(index: bytes) -> FilmFacts | None:
    ticks, length = _length(_one(index, b"mvhd"))
    for track in (box.body for box in _boxes(index) if box.name == b"trak"):
        media = _one(track, b"mdia")
        if _one(media, b"hdlr")[8:12] == b"vide":
            width, height = _size(_one(track, b"tkhd"))
            own_ticks, own_length = _length(_one(media, b"mdhd"))
            frames = _frames(_one(_one(_one(media, b"minf"), b"stbl"), b"stts"))
            fps = frames * own_ticks / own_length if own_length else 0.0
            return FilmFacts(length / ticks, width, height, fps)
    return None


def _boxes(body: bytes) -> Iterator[_Box]:
    place = 0
    while place + 8 <= len(body):
        length, name = struct.unpack_from(">I4s", body, place)
        start = 8
        if length == 1:
            length, start = struct.unpack_from(">Q", body, place + 8)[0], 16
        if length < start:
            return
        yield _Box(name, body[place + start : place + length])
        place += length


def _one(body: bytes, name: bytes) -> bytes:
    """The body of the first box of a name. Raises IndexError."""
    return next((box.body for box in _boxes(body) if box.name == name), None) or _missing()


def _missing() -> bytes:
    raise IndexError


def _length(head: bytes) -> tuple[int, int]:
    """Ticks a second and ticks in all, of an `mvhd` or `mdhd`."""
    form, place = (">IQ", 20) if head[0] == 1 else (">II", 12)
    ticks, length = struct.unpack_from(form, head, place)
    return ticks, length


def _size(head: bytes) -> tuple[int, int]:
    """Width and height as they are shown: the matrix of a `tkhd` may turn the picture by a quarter."""
    place = 52 if head[0] == 1 else 40
    along, across = struct.unpack_from(">ii", head, place)
    width, height = (number >> 16 for number in struct.unpack_from(">II", head, place + 36))
    return (height, width) if along == 0 and across else (width, height)


def _frames(table: bytes) -> int:
    (rows,) = struct.unpack_from(">I", table, 4)
    return sum(struct.unpack_from(">I", table, 8 + 8 * row)[0] for row in range(min(rows, (len(table) - 8) // 8)))
