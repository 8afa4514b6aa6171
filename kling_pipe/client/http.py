"""The only place that chooses the HTTP library: aiohttp where it is installed, else httpx2, else httpx."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import cached_property
from typing import Any

from kling_pipe.client.body import Body
from kling_pipe.client.transport import READ_SECONDS, NoAnswerError, RawAnswer, Transport
from kling_pipe.client.transport_httpx import ByHttpx

__all__ = ["CONNECTIONS", "READ_SECONDS", "Http", "NoAnswerError", "RawAnswer", "library"]

CONNECTIONS = 32
Ready = Callable[[], bool]


def always() -> bool:
    """Nothing holds a request back."""
    return True


def library() -> Any:
    """httpx2 if it is there, else httpx."""
    try:
        import httpx2
    except ImportError:
        import httpx

        return httpx
    return httpx2


class Http:
    """So many requests at once; the others queue here.

    `http` and `transport` are an httpx to use and its transport. `read_seconds`: how long the next byte is waited for.
    """

    def __init__(
        self,
        *,
        transport: Any = None,
        http: Any = None,
        connections: int = CONNECTIONS,
        read_seconds: float = READ_SECONDS,
    ) -> None:
        self._given = http
        self._transport = transport
        self._read_seconds = read_seconds
        self._turns = asyncio.Semaphore(connections)

    async def send(
        self, method: str, url: str, headers: Mapping[str, str], body: Body | None = None, ready: Ready = always
    ) -> RawAnswer:
        """One request, one answer. `ready` is asked when its turn has come. Raises NoAnswerError."""
        sized = {**headers, "Content-Length": str(body.length)} if body else headers
        async with self._turns:
            if not ready():
                raise NoAnswerError("it was held back before its first byte", sent=False)
            return await self._carrier.send(method, url, sized, body)

    @asynccontextmanager
    async def stream(self, url: str) -> AsyncIterator[tuple[int, AsyncIterator[bytes]]]:
        """A download: status and chunks. Redirects are followed, no credentials are sent. Raises NoAnswerError."""
        async with self._turns, self._carrier.stream(url) as answer:
            yield answer

    async def close(self) -> None:
        """Close all connections."""
        if "_carrier" in self.__dict__:  # a run without requests has none
            await self._carrier.close()

    @cached_property
    def _carrier(self) -> Transport:
        """The library, imported for the first request: a run that sends none does not need it."""
        from urllib.request import getproxies

        # A proxy is for httpx: it knows SOCKS, NO_PROXY by network, and passwords in their names.
        if self._given is None and self._transport is None and not getproxies():
            try:
                from kling_pipe.client.transport_aiohttp import ByAiohttp
            except ImportError:  # the extra `fast` is not installed
                pass
            else:
                return ByAiohttp(self._tls, self._read_seconds)
        return ByHttpx(self._given or library(), self._tls, self._transport, self._read_seconds)

    def _tls(self) -> Any:
        """The context for other hosts, made once: it takes 20 ms, which a server on this machine does not need."""
        return self._context

    @cached_property
    def _context(self) -> Any:
        return (self._given or library()).create_ssl_context()
