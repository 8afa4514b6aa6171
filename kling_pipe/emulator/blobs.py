"""Pictures and sounds that came as Base64 inside a request: kept as files by their hash, so requests stay small."""

from __future__ import annotations

import base64
import binascii
import hashlib
from pathlib import Path
from typing import Any

from kling_pipe.catalog import Operation
from kling_pipe.emulator import leaves
from kling_pipe.emulator.answers import Refusal

MARK = "blob:"
STARTS = {
    "image": ((b"\x89PNG\r\n\x1a\n", "png"), (b"\xff\xd8\xff", "jpg")),
    "audio": ((b"ID3", "mp3"), (b"\xff\xfb", "mp3"), (b"RIFF", "wav"), (b"\x00\x00\x00", "m4a"), (b"\xff\xf1", "aac")),
}
FORMATS = {"image": "jpg, jpeg and png", "audio": "mp3, wav, m4a and aac"}


def path_of(folder: Path, mark: str) -> Path:
    """The file of a mark such as `blob:<sha256>.png`."""
    return folder / mark.removeprefix(MARK)


def taken_out(folder: Path, operation: Operation, body: dict[str, Any]) -> dict[str, Any]:
    """The request with every Base64 file replaced by a mark. Raises Refusal 1201 for text that is neither."""
    inline = [entry for entry in operation.kling.get("media", ()) if entry.get("base64")]
    found = [(entry["kind"], *place) for entry in inline for place in leaves.values(body, entry["at"])]
    marks = {
        path: _kept(folder, kind, value) for kind, path, value in found if isinstance(value, str) and not is_url(value)
    }
    return leaves.replaced(body, marks.get) if marks else body


def is_url(value: str) -> bool:
    """Whether a media value names a place, rather than being the picture itself."""
    return value[:8].lower().startswith(("http://", "https://"))


def _kept(folder: Path, kind: str, text: str) -> str:
    try:
        content = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Refusal(1201, "File is not in a valid base64 format") from error
    suffix = next((suffix for start, suffix in STARTS[kind] if content.startswith(start)), None)
    if suffix is None:
        raise Refusal(1201, f"{kind.capitalize()} format is invalid, only {FORMATS[kind]} are supported")
    name = f"{hashlib.sha256(content).hexdigest()}.{suffix}"
    _write(folder, name, content)
    return MARK + name


def _write(folder: Path, name: str, content: bytes) -> None:
    path = folder / name
    if path.exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{name}.part")
    part.write_bytes(content)
    part.replace(path)


def size(folder: Path, mark: str) -> tuple[int, int] | None:
    """Width and height of a kept picture; None for bytes that are not one."""
    from PIL import Image

    try:
        with Image.open(path_of(folder, mark)) as picture:
            return picture.size
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return None
