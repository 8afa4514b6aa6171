"""Pictures that came as Base64 inside a request: kept as files by their hash, so that requests stay small in memory."""

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
SUFFIXES = ((b"\x89PNG\r\n\x1a\n", "png"), (b"\xff\xd8\xff", "jpg"))


def path_of(folder: Path, mark: str) -> Path:
    """The file of a mark such as `blob:<sha256>.png`."""
    return folder / mark.removeprefix(MARK)


def taken_out(folder: Path, operation: Operation, body: dict[str, Any]) -> dict[str, Any]:
    """The request with every Base64 picture replaced by a mark. Raises Refusal 1201 for text that is neither."""
    inline = [entry["at"] for entry in operation.kling.get("media", ()) if entry["kind"] == "image"]
    found = {path: value for at in inline for path, value in leaves.values(body, at) if isinstance(value, str)}
    marks = {path: _kept(folder, value) for path, value in found.items() if not is_url(value)}
    return leaves.replaced(body, marks.get) if marks else body


def is_url(value: str) -> bool:
    """Whether a media value names a place, rather than being the picture itself."""
    return value[:8].lower().startswith(("http://", "https://"))


def _kept(folder: Path, text: str) -> str:
    try:
        content = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Refusal(1201, "File is not in a valid base64 format") from error
    suffix = next((suffix for start, suffix in SUFFIXES if content.startswith(start)), None)
    if suffix is None:
        raise Refusal(1201, "Image format is invalid, only jpg, jpeg and png are supported")
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
