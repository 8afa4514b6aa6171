"""Media that came as Base64 inside a request, or were handed in before: kept as files by their hash."""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from kling_pipe.catalog.operations import Operation
from kling_pipe.core import json_tree
from kling_pipe.core.json_tree import map_leaves_at
from kling_pipe.emulator import signed_urls
from kling_pipe.emulator.answers import Refusal
from kling_pipe.media.mp4_header import film_facts

MARK = "blob:"
FILMS = (".mp4", ".mov")
STARTS = {
    "image": ((b"\x89PNG\r\n\x1a\n", "png"), (b"\xff\xd8\xff", "jpg")),
    "audio": ((b"ID3", "mp3"), (b"\xff\xfb", "mp3"), (b"RIFF", "wav"), (b"\x00\x00\x00", "m4a"), (b"\xff\xf1", "aac")),
}
FORMATS = {"image": "jpg, jpeg and png", "audio": "mp3, wav, m4a and aac"}


def path_of(folder: Path, mark: str) -> Path:
    """The file of a mark such as `blob:<sha256>.png`."""
    return folder / mark.removeprefix(MARK)


def taken_out(folder: Path, operation: Operation, body: dict[str, Any]) -> dict[str, Any]:
    """The request with every Base64 file, and every link to a file that is here, replaced by a mark.

    Raises Refusal 1201 for text that is neither Base64 nor a link.
    """
    marks = {}
    for entry in operation.kling.get("media", ()):
        for path, value in json_tree.values(body, entry["at"]):
            if isinstance(value, str) and is_url(value):
                marks[path] = mark_of(folder, value) or value
            elif isinstance(value, str) and entry.get("base64"):
                marks[path] = _kept(folder, entry["kind"], value)
    return map_leaves_at(body, marks.get) if marks else body


def mark_of(folder: Path, url: str) -> str:
    """The mark of a file that is here, by its link; "" for any other link."""
    name, extension = signed_urls.parts(url) or ("", "")
    file = f"{name.removeprefix('blobs/')}.{extension}"
    return MARK + file if name.startswith("blobs/") and (folder / file).is_file() else ""


async def handed_in(folder: Path, name: str, pieces: AsyncIterator[bytes]) -> bool:
    """Keep a file under its name as it comes; False for bytes that do not make the name."""
    folder.mkdir(parents=True, exist_ok=True)
    part, digest = folder / f"{name}.{secrets.token_hex(4)}.part", hashlib.sha256()
    try:
        with part.open("wb") as file:
            async for piece in pieces:
                digest.update(piece)
                file.write(piece)
        if digest.hexdigest() != name.partition(".")[0]:
            return False
        part.replace(folder / name)
        return True
    finally:
        part.unlink(missing_ok=True)


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
    """Width and height of a kept picture or film; None for bytes that are neither."""
    from PIL import Image

    path = path_of(folder, mark)
    if path.suffix in FILMS:
        facts = film_facts(path)
        return (facts.width, facts.height) if facts else None
    try:
        with Image.open(path) as picture:
            return picture.size
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return None


def seconds(folder: Path, value: Any) -> float:
    """How long a kept film is, by its mark or its link; 0 for anything else."""
    text = str(value)
    mark = text if text.startswith(MARK) else mark_of(folder, text)
    path = path_of(folder, mark)
    facts = film_facts(path) if path.suffix in FILMS and path.is_file() else None
    return facts.seconds if facts else 0.0
