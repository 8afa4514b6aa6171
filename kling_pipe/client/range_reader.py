"""Parts of files behind other people's links: a ranged GET without credentials, short, small, and only over http."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from kling_pipe.client.http import library
from kling_pipe.core.redact import printable
from kling_pipe.media.link_facts import LinkReader, NoPartError, Part, RefusedLinkError, remote

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

AT_ONCE = 4
"""So many links are looked at together."""
SECONDS = 15.0
"""So long one part may take, all redirects included."""
_REDIRECTS = 5
_SILENT = 3
"""A host that was silent so often is not asked again: a thousand links to it would take hours."""
_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)\Z")


async def remotes(
    wanted: Sequence[tuple[str, str]],
    *,
    transport: Any = None,
    seconds: float = SECONDS,
    streams: bool | None = None,
) -> list[LinkReader]:
    """What is known of each link (link, kind of file), in their order. Never raises for what a server does."""
    turns = asyncio.Semaphore(AT_ONCE)

    async def one(url: str, kind: str) -> LinkReader:
        async with turns:
            return await remote(url, kind, reader.part, streams=streams)

    async with _reader(transport, seconds) as reader:
        return list(await asyncio.gather(*(one(url, kind) for url, kind in wanted)))


@asynccontextmanager
async def _reader(transport: Any, seconds: float) -> AsyncIterator[_Reader]:
    http = library()
    async with http.AsyncClient(transport=transport, timeout=http.Timeout(seconds / 2), follow_redirects=False) as own:
        yield _Reader(http, own, seconds)


class _Reader:
    def __init__(self, http: Any, client: Any, seconds: float) -> None:
        self._http, self._client, self._seconds = http, client, seconds
        self._silent: Counter[str] = Counter()

    async def part(self, url: str, start: int, count: int) -> Part:
        """Bytes of a file from `start`, at most `count`, whatever the server would send."""
        host = url.partition("://")[2].partition("/")[0]
        if self._silent[host] >= _SILENT:
            raise NoPartError("its server did not answer before, and was not asked again")
        try:
            found = await self._asked(url, start, count)
        except RefusedLinkError:
            raise
        except NoPartError:
            self._silent[host] += 1
            raise
        self._silent[host] = 0
        return found

    async def _asked(self, url: str, start: int, count: int) -> Part:
        try:
            async with asyncio.timeout(self._seconds):
                return await self._followed(url, start, count)
        except TimeoutError:
            raise NoPartError(f"it takes longer than {self._seconds:g} s to answer") from None
        except (self._http.HTTPError, self._http.InvalidURL, ValueError) as error:
            # The library's own words may hold the link with its signature.
            raise NoPartError(f"no answer came ({type(error).__name__})") from None

    async def _followed(self, url: str, start: int, count: int) -> Part:
        for _ in range(_REDIRECTS + 1):
            if urlsplit(url).scheme.lower() not in ("http", "https"):
                raise RefusedLinkError("leads to what is no http link")
            headers = {"Range": f"bytes={start}-{start + count - 1}", "Accept-Encoding": "identity"}
            async with self._client.stream("GET", url, headers=headers) as answer:
                if answer.status_code not in (301, 302, 303, 307, 308) or "location" not in answer.headers:
                    return await _part(answer, count)
                url = urljoin(url, answer.headers["location"])
        raise RefusedLinkError(f"is redirected more than {_REDIRECTS} times")


async def _part(answer: Any, count: int) -> Part:
    content = bytearray()
    cut = False
    async for piece in answer.aiter_raw():
        content += piece
        if len(content) >= count:
            cut = True
            break
    ranged = _RANGE.match(answer.headers.get("content-range", "")) if answer.status_code == 206 else None
    if answer.status_code == 416:  # there is no first byte
        return Part(200, b"", total=0)
    if answer.status_code == 206 and ranged is None:
        raise NoPartError("it answers with a part and does not say which")
    total = _number(ranged[3]) if ranged else _number(answer.headers.get("content-length", ""))
    begin = int(ranged[1]) if ranged else 0
    if total is None and not cut and not ranged:
        total = len(content)
    if total is not None and total < begin + min(len(content), count):
        total = None  # it gave more than it says there is
    media_type = printable(answer.headers.get("content-type", "").partition(";")[0].strip().lower())
    return Part(answer.status_code, bytes(content[:count]), begin, total, media_type)


def _number(text: str) -> int | None:
    return int(text) if text.isdecimal() and len(text) < 19 else None


def probe(wanted: Sequence[tuple[str, str]]) -> list[LinkReader]:
    """`remotes` for whoever runs no event loop, and for whoever does: in a thread of its own."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(lambda: asyncio.run(remotes(wanted))).result()
