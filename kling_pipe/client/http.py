"""The only place that knows the HTTP library: httpx, or its maintained fork httpx2 when it is installed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from kling_pipe.client.body import Body

CONNECTIONS = 32
"""More make one pool slower, not faster: 2.6 times at 500."""

_KEPT_ALIVE = 10
"""The pool looks at every idle connection for each request."""

_CONNECT_SECONDS = 10.0
_READ_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class RawAnswer:
    """Status, headers (lower-case names) and body."""

    status: int
    headers: Mapping[str, str]
    content: bytes


class NoAnswerError(Exception):
    """No whole answer came. `sent` is False when surely nothing reached the server."""

    def __init__(self, reason: str, *, sent: bool) -> None:
        super().__init__(reason)
        self.reason = reason
        self.sent = sent


def library() -> Any:
    """httpx2 if it is there, else httpx."""
    try:
        import httpx2
    except ImportError:
        import httpx

        return httpx
    return httpx2


class Http:
    """A pool of few connections. Callers queue here, because a queue inside the pool is slow."""

    def __init__(self, *, transport: Any = None, http: Any = None, connections: int = CONNECTIONS) -> None:
        self._http = http or library()
        self._transport = transport
        self._connections = connections
        self._turns = asyncio.Semaphore(connections)
        self._clients: dict[bool, Any] = {}
        errors = self._http
        self._unsent = (errors.ConnectError, errors.ConnectTimeout, errors.PoolTimeout, errors.UnsupportedProtocol)

    async def send(self, method: str, url: str, headers: Mapping[str, str], body: Body | None = None) -> RawAnswer:
        """One request, one answer. Raises NoAnswerError."""
        sized = {**headers, "Content-Length": str(body.length)} if body else dict(headers)
        content = (body.stream() if body.files else body.texts[0]) if body else None
        async with self._turns:
            try:
                answer = await self._client(url).request(method, url, headers=sized, content=content)
            except (self._http.HTTPError, self._http.InvalidURL) as error:
                raise self._told(error) from error
        return RawAnswer(answer.status_code, answer.headers, answer.content)

    @asynccontextmanager
    async def stream(self, url: str) -> AsyncIterator[tuple[int, AsyncIterator[bytes]]]:
        """A download: status and chunks. Redirects are followed, no credentials are sent. Raises NoAnswerError."""
        async with self._turns:
            try:
                async with self._client(url).stream("GET", url, follow_redirects=True) as answer:
                    yield answer.status_code, answer.aiter_bytes()
            except (self._http.HTTPError, self._http.InvalidURL) as error:
                raise self._told(error) from error

    async def close(self) -> None:
        """Close all connections."""
        for client in self._clients.values():
            await client.aclose()

    def _client(self, url: str) -> Any:
        # A TLS context takes 20 ms to build: not for a server on this machine.
        secure = not url.startswith("http://")
        if secure not in self._clients:
            self._clients[secure] = self._http.AsyncClient(
                transport=self._transport,
                verify=secure,
                trust_env=secure,
                timeout=self._http.Timeout(_READ_SECONDS, connect=_CONNECT_SECONDS, pool=None),
                limits=self._http.Limits(max_connections=self._connections, max_keepalive_connections=_KEPT_ALIVE),
            )
        return self._clients[secure]

    def _told(self, error: Exception) -> NoAnswerError:
        text = str(error) or type(error).__name__
        return NoAnswerError(f"{type(error).__name__}: {text}", sent=not isinstance(error, self._unsent))
