"""Requests by aiohttp: half the work of httpx for each request. Used where it is installed (the extra `fast`)."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from yarl import URL

from kling_pipe.client.body import Body
from kling_pipe.client.transport import CONNECT_SECONDS, READ_SECONDS, NoAnswerError, RawAnswer, reason

_UNSENT = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.InvalidURL)
_TOLD = (aiohttp.ClientOSError, aiohttp.ServerConnectionError, aiohttp.ClientPayloadError)
"""Errors whose text names no URL: a media URL carries its signature."""
_CONTEXT = re.compile(r" ssl:(?:<[^>]*>|\w+)")
"""What they tell of our TLS settings: an object and its address."""

_LONGEST_LINE = 64 * 1024
"""Bytes of a header: a redirect to signed media is longer than the library's own limit."""


class ByAiohttp:
    """One session for all connections. `tls` gives the context for hosts that are not this machine."""

    def __init__(self, tls: Callable[[], Any], read_seconds: float = READ_SECONDS) -> None:
        self._tls = tls
        self._read_seconds = read_seconds
        self._kept: aiohttp.ClientSession | None = None

    async def send(self, method: str, url: str, headers: Mapping[str, str], body: Body | None) -> RawAnswer:
        """One request, one answer; a redirect is an answer. Raises NoAnswerError."""
        told = _Reading(body) if body else None
        data = None if told is None or body is None else told.stream() if body.files else body.texts[0]
        try:
            async with self._session.request(
                method, _quoted(url), headers=headers, data=data, ssl=self._secure(url), allow_redirects=False
            ) as answer:
                content = await answer.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            if told is not None and told.failure is not None:
                raise told.failure from error
            raise _no_answer(error, url) from error
        return RawAnswer(answer.status, {name.lower(): value for name, value in answer.headers.items()}, content)

    @asynccontextmanager
    async def stream(self, url: str) -> AsyncIterator[tuple[int, AsyncIterator[bytes]]]:
        """Status and chunks, behind all redirects. Raises NoAnswerError."""
        try:
            async with self._session.get(_quoted(url), ssl=self._secure(url)) as answer:
                yield answer.status, answer.content.iter_any()
        except (aiohttp.ClientError, TimeoutError, UnicodeError) as error:  # the last for a host that is no name
            raise _no_answer(error, url) from error

    async def close(self) -> None:
        """Close all connections."""
        if self._kept is not None:
            await self._kept.close()

    @property
    def _session(self) -> aiohttp.ClientSession:
        if self._kept is None:
            self._kept = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0),  # callers queue before they come here
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=self._read_seconds),
                max_line_size=_LONGEST_LINE,
                max_field_size=_LONGEST_LINE,
            )
        return self._kept

    def _secure(self, url: str) -> Any:
        return True if url.startswith("http://") else self._tls()


class _Reading:
    """A body on its way from files. The library wraps what goes wrong while reading: `failure` is what it was."""

    def __init__(self, body: Body) -> None:
        self._body = body
        self.failure: Exception | None = None

    async def stream(self) -> AsyncIterator[bytes]:
        try:
            for piece in self._body.pieces():
                yield piece
        except Exception as error:
            self.failure = error
            raise


def _quoted(url: str) -> URL:
    """As it was signed: nothing is quoted again, unless it has what no URL has. Raises NoAnswerError for no URL."""
    try:
        return URL(url, encoded=url.isascii() and " " not in url)
    except ValueError as error:
        raise NoAnswerError(reason(error, url, ""), sent=False) from error


def _no_answer(error: Exception, url: str) -> NoAnswerError:
    text = _CONTEXT.sub("", str(error)) if isinstance(error, _TOLD) else ""
    return NoAnswerError(reason(error, url, text), sent=not isinstance(error, _UNSENT))
