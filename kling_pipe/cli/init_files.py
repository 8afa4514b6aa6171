"""What `init` writes: a template, its placeholder pictures, and the files around a campaign."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

_FOLDER = Path(__file__).with_name("init_templates")
NAMES = ("quickstart", "campaign", "batch", "library")

_AROUND = {
    "gitignore": ".gitignore",
    "workflow.yml": ".github/workflows/kling-pipe.yml",
    "editor.json": ".vscode/settings.json",
}
_PICTURES = {
    "quickstart": (),
    "campaign": ("hana-front", "hana-left", "hana-right"),
    "batch": ("cup", "kettle", "tin"),
    "library": ("hana-front", "hana-left", "hana-right", "kettle-front", "kettle-top", "logo"),
}
_SIDE = 512


def files(name: str, project: str) -> Iterator[tuple[str, bytes]]:
    """Everything of a template by its path in the new folder; the manifest first."""
    folder = _FOLDER / name
    for path in sorted(folder.iterdir(), key=lambda one: one.suffix != ".yaml"):
        yield path.name, path.read_text(encoding="utf-8").replace("PROJECT", project).encode()
    for number, picture in enumerate(_PICTURES[name]):
        yield f"assets/{picture}.png", placeholder(number)
    for source, target in _AROUND.items():
        yield target, (_FOLDER / source).read_bytes()


def placeholder(number: int) -> bytes:
    """A picture that nobody takes for the real one: a disc on a plain ground, of another colour for each number."""
    ground, disc = bytes((235, 231, 222)), bytes((70 + number * 37 % 150, 110, 190 - number * 29 % 150))
    rows = bytearray()
    for y in range(_SIDE):
        half = int(max(0, (_SIDE // 3) ** 2 - (y - _SIDE // 2) ** 2) ** 0.5)
        side = ground * (_SIDE // 2 - half)
        rows += b"\x00" + side + disc * (2 * half) + side
    header = struct.pack(">IIBBBBB", _SIDE, _SIDE, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(bytes(rows), 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*one) for one in chunks)


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
