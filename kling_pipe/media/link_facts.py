"""A file behind a link, by its first bytes: what it is, that it is not there, or that nobody can tell. No transport.

get the first 256 kB -> a picture's size | the header of a film -> where is the rest of it? get that -> facts
"""

from __future__ import annotations

import io
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import NamedTuple
from urllib.parse import urlsplit

from kling_pipe.media.av_facts import can_open_streams, stream_facts
from kling_pipe.media.facts import WORDS, Facts, container
from kling_pipe.media.image_facts import HEADER, picture_facts

_REST = 1 << 20
_REFUSALS = {
    401: "it wants a login",
    403: "it refuses whoever has only the link",
    404: "there is nothing",
    410: "it is gone",
}
_PAGES = ("text/", "application/json", "application/xml", "application/xhtml")


class Part(NamedTuple):
    """A part of a file as a server gave it. `total` is the whole file's size, None where it does not tell.

    `start` is where `content` stands in the file: 0 from a server that knows no ranges, which sends the whole.
    """

    status: int
    content: bytes = b""
    start: int = 0
    total: int | None = None
    media_type: str = ""


class NoPartError(Exception):
    """Nothing came, or nothing that can be used; the message says why, without the link's secrets."""


class RefusedLinkError(NoPartError):
    """A link that leads where nothing may be fetched: another scheme than http, or in a circle."""


Get = Callable[[str, int, int], Awaitable[Part]]
"""Link, first byte, how many at most -> a part. Raises NoPartError."""


class LinkReader(NamedTuple):
    """What is known of a link: `facts`; or `missing`, why Kling could not fetch it either; or `unknown`, why not."""

    facts: Facts | None = None
    missing: str = ""
    unknown: str = ""


async def remote(url: str, kind: str, get: Get, *, streams: bool | None = None) -> LinkReader:
    """Look at a link that should lead to a `kind`. Reads headers only, a part of at most 256 kB and one of 1 MB."""
    try:
        head = await get(url, 0, HEADER)
        if head.status in _REFUSALS:
            return LinkReader(missing=f"answers {head.status}: {_REFUSALS[head.status]}")
        if head.status not in (200, 206):
            return LinkReader(unknown=f"it answers {head.status}")
        return await _read(url, kind, head, get, can_open_streams() if streams is None else streams)
    except RefusedLinkError as error:
        return LinkReader(missing=str(error))
    except NoPartError as error:
        return LinkReader(unknown=str(error))


async def _read(url: str, kind: str, head: Part, get: Get, streams: bool) -> LinkReader:
    if head.total == 0 or not head.content:
        return LinkReader(Facts(kind, _suffix(url), 0, fault="the file is empty"))
    if kind == "image":
        return _picture(url, head)
    if not container(head.content[:16]):
        return _no_media(url, kind, head)
    if not streams:
        return LinkReader(Facts(kind, _suffix(url), head.total, is_seen=False))
    return await _opened(url, kind, head, get)


async def _opened(url: str, kind: str, head: Part, get: Get) -> LinkReader:
    facts, missed = _streams(url, kind, [head])
    # The header of a film may stand at its end.
    if facts.fault and missed is not None and missed < (head.total or 0):
        rest = await get(url, missed, _REST) if head.status == 206 else head
        if rest.status != 206 or rest.start != missed:
            return LinkReader(unknown="its header stands at its end, and the server gives no parts of files")
        facts, missed = _streams(url, kind, [head, rest])
    if facts.fault and missed is not None:
        return LinkReader(unknown="its header is neither in its first 256 kB nor where it should be")
    return LinkReader(facts)


def _picture(url: str, head: Part) -> LinkReader:
    whole = head.total is not None and len(head.content) >= head.total
    if found := picture_facts(io.BytesIO(head.content), head.total):
        return LinkReader(found)
    if container(head.content[:16]) or whole or _is_page(head):
        return _no_media(url, "image", head)
    if head.content[:3] == b"\xff\xd8\xff" or head.content[:4] == b"\x89PNG":
        return LinkReader(unknown="its size does not stand in its first 256 kB")
    return _no_media(url, "image", head)


def _no_media(url: str, kind: str, head: Part) -> LinkReader:
    what = f" but {head.media_type}" if _is_page(head) else ""
    return LinkReader(Facts(kind, _suffix(url), head.total, fault=f"the link leads to no {WORDS[kind]}{what}"))


def _is_page(head: Part) -> bool:
    return head.media_type.startswith(_PAGES)


def _suffix(url: str) -> str:
    name = urlsplit(url).path.rpartition("/")[2]
    return name.rpartition(".")[2].lower() if "." in name else ""


def _streams(url: str, kind: str, parts: list[Part]) -> tuple[Facts, int | None]:
    """The facts, and the first place that was looked for and is not in the parts."""
    file = _Sparse(parts)
    facts = stream_facts(file, kind, parts[0].total, _suffix(url), whole=False)
    is_partial = parts[0].total is None or any(len(one.content) < parts[0].total for one in parts)
    return replace(facts, size=parts[0].total), file.missed if is_partial else None


class _Sparse(io.RawIOBase):
    """A file of which only some parts are there; past them it seems to end. `missed` is the last place beyond them."""

    def __init__(self, parts: list[Part]) -> None:
        self._parts = parts
        self._size = parts[0].total if parts[0].total is not None else len(parts[0].content)
        self._at = 0
        self.missed: int | None = None

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def tell(self) -> int:
        """The place of the next byte."""
        return self._at

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to a place."""
        self._at = max(0, offset + (0, self._at, self._size)[whence])
        return self._at

    def read(self, size: int = -1) -> bytes:
        """Up to so many bytes, fewer where a part ends."""
        wanted = self._size - self._at if size < 0 else size
        for part in self._parts:
            offset = self._at - part.start
            if 0 <= offset < len(part.content):
                found = part.content[offset : offset + wanted]
                self._at += len(found)
                return found
        if self._at < self._size:
            self.missed = self._at
        return b""
