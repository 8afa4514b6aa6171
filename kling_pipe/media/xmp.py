"""Where a file came from, written into the file itself: XMP, which PNG and MP4 have a place for.

The place is at the end of both, so a file is stamped while it streams in. The words follow from the task alone: whoever
fetches the same result gets the same bytes, and the same checksum.
"""

from __future__ import annotations

import hashlib
import re
import struct
import zlib
from collections.abc import Callable, Mapping
from html import escape, unescape
from pathlib import Path

from kling_pipe.model import Output, Record

FIELDS = ("external_task_id", "task_id", "operation", "key", "take", "attempt", "output")

_PNG = b"\x89PNG\r\n\x1a\n"
_IEND = b"\x00\x00\x00\x00IEND\xaeB`\x82"
_XMP_BOX = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
"""The `uuid` of an XMP box, by Adobe's specification of XMP, part 3."""

_GENERATED = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
"""IPTC's word for media that a trained model made."""

_TAIL = 16 * 1024
_FIELD = re.compile(rb'kp:([a-z_]+)="([^"]*)"')


def facts(record: Record, output: Output) -> dict[str, str]:
    """What is written for one output of a task: no name, no path, no account, no text of the request."""
    values = (
        record.external_task_id,
        record.task_id,
        record.operation,
        record.key,
        record.take,
        record.attempt,
        output.index,
    )
    return dict(zip(FIELDS, map(str, values), strict=True))


class XmpStamp:
    """Passes a file on as it comes, and puts the words in at its end: `write` every piece, then `finish` once.

    What is neither PNG nor MP4, or ends as neither should, passes unchanged; so does the file whose own SHA-256 is
    `plain`: it was recorded without words, and is fetched again as what it was.
    """

    def __init__(self, write: Callable[[bytes], object], words: Mapping[str, str], *, plain: str = "") -> None:
        self._write = write
        self._words = words
        self._plain = plain
        self._digest = hashlib.sha256()
        self._head = b""
        self._held = b""

    def write(self, chunk: bytes) -> None:
        """Pass a piece on, but for the last bytes, which may be the mark of the end."""
        if len(self._head) < _HEAD:
            self._head = (self._head + chunk)[:_HEAD]
        if self._plain:
            self._digest.update(chunk)
        self._held += chunk
        if len(self._held) > len(_IEND):
            self._write(self._held[: -len(_IEND)])
            self._held = self._held[-len(_IEND) :]

    def finish(self) -> None:
        """The file is whole."""
        packet = _packet(self._words)
        if self._plain and self._digest.hexdigest() == self._plain:
            self._write(self._held)
        elif self._head.startswith(_PNG) and self._held == _IEND:
            self._write(_png_chunk(packet))
            self._write(self._held)
        elif self._head[4:8] == b"ftyp":
            self._write(self._held)
            self._write(_mp4_box(packet))
        else:
            self._write(self._held)
        self._held = b""


_HEAD = 12


def read(path: Path) -> dict[str, str] | None:
    """The words in a file's end; None when there are none. Raises OSError."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _TAIL))
        tail = file.read()
    start = tail.rfind(b"<x:xmpmeta")
    found = {name.decode(): unescape(value.decode()) for name, value in _FIELD.findall(tail[start:])}
    return found if start >= 0 and "external_task_id" in found else None


def _packet(words: Mapping[str, str]) -> bytes:
    own = "".join(f' kp:{name}="{escape(value)}"' for name, value in words.items())
    spaces = {
        "xmp": "http://ns.adobe.com/xap/1.0/",
        "Iptc4xmpExt": "http://iptc.org/std/Iptc4xmpExt/2008-02-29/",
        "kp": "urn:kling-pipe:1",
    }
    named = "".join(f' xmlns:{name}="{uri}"' for name, uri in spaces.items())
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        f'<rdf:Description rdf:about=""{named} xmp:CreatorTool="kling-pipe"'
        f' Iptc4xmpExt:DigitalSourceType="{_GENERATED}"{own}/></rdf:RDF></x:xmpmeta><?xpacket end="r"?>'
    ).encode()


def _png_chunk(packet: bytes) -> bytes:
    """An `iTXt` chunk, not compressed, with the keyword that readers of XMP look for."""
    body = b"iTXt" + b"XML:com.adobe.xmp\x00\x00\x00\x00\x00" + packet
    return struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))


def _mp4_box(packet: bytes) -> bytes:
    """A box behind all others: no offset in the file changes, and players skip what they do not know."""
    return struct.pack(">I4s", 24 + len(packet), b"uuid") + _XMP_BOX + packet
