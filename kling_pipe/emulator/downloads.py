"""Serves results and the pictures of elements by signed URL, whole or by Range."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

from kling_pipe.emulator import signed_urls
from kling_pipe.emulator.answers import Answer, Refusal
from kling_pipe.emulator.http_exchange import Request
from kling_pipe.emulator.renderer import Renderer, RenderError
from kling_pipe.emulator.state import State
from kling_pipe.emulator.task import Task

MEDIA_TYPES = {
    "mp4": "video/mp4",
    "mov": "video/quicktime",
    "png": "image/png",
    "jpg": "image/jpeg",
    "mp3": "audio/mpeg",
    "wav": "audio/wav",
    "m4a": "audio/mp4",
    "aac": "audio/aac",
}
RANGE = re.compile(r"^bytes=(\d{0,18})-(\d{0,18})$")


class Downloads:
    """Finds the bytes behind a URL."""

    def __init__(self, world: State, studio: Renderer) -> None:
        self._world = world
        self._studio = studio

    def task(self, path: str) -> Task | None:
        """The task whose result a path names."""
        found = signed_urls.parts(path)
        return self._world.index.by_task_id.get(found[0].partition("/")[0]) if found else None

    async def answer(self, request: Request) -> Answer:
        """The file, or a part of it. Raises Refusal with HTTP 403, 404 or 416."""
        found = signed_urls.parts(request.path)
        if found is None:
            raise Refusal(1203, "There is no such file", http=404)
        now = self._world.advance()
        self._world.links.check(request.path, request.query, now)
        content = await self._content(*found, now)
        return _ranged(content, MEDIA_TYPES[found[1]], request.headers.get("range", ""))

    async def _content(self, name: str, extension: str, now: int) -> bytes:
        if name.startswith("blobs/"):
            path = self._world.blobs / f"{name.removeprefix('blobs/')}.{extension}"
            return await asyncio.to_thread(_read, path)
        task_id, _, number = name.partition("/")
        task = self._world.index.by_task_id.get(task_id)
        if task is None or not task.succeeded(now) or not 1 <= int(number) <= task.outputs:
            raise Refusal(1203, "There is no such file", http=404)
        if self._world.options.media != "real":
            return await self._studio.tiny(extension, name)
        try:
            return await asyncio.to_thread(_read, await self._studio.file(task, int(number), extension))
        except RenderError as error:
            raise Refusal(5000, f"The file could not be drawn: {error}") from error


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise Refusal(1203, "There is no such file", http=404) from error


def _ranged(content: bytes, media_type: str, wanted: str) -> Answer:
    match = RANGE.match(wanted.replace(" ", ""))
    if not match or match.group(1, 2) == ("", ""):  # several ranges, other units: answered whole, as RFC 9110 allows
        return Answer(200, content, media_type, (("accept-ranges", "bytes"),))
    first, last = match.group(1, 2)
    size = len(content)
    start = int(first) if first else max(0, size - int(last))
    end = min(int(last), size - 1) if first and last else size - 1
    if start > end:
        return Answer(416, b"", media_type, (("content-range", f"bytes */{size}"),))
    place = (("accept-ranges", "bytes"), ("content-range", f"bytes {start}-{end}/{size}"))
    return Answer(206, content[start : end + 1], media_type, place)
