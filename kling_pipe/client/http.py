"""The only place that knows the HTTP library: httpx, or its maintained fork httpx2 when it is installed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from kling_pipe.client.body import Body

CONNECTIONS = 32
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
    """So many connections, each a client of its own: one pool of many looks at all of them for every request.

    Callers queue here, and the connection that was used last is used first.
    """

    def __init__(self, *, transport: Any = None, http: Any = None, connections: int = CONNECTIONS) -> None:
        self._given = http
        self._transport = transport
        self._turns = asyncio.Semaphore(connections)
        self._idle: dict[bool, list[Any]] = {True: [], False: []}
        self._tls: Any = None

    @cached_property
    def _http(self) -> Any:
        """The library, imported for the first request: a run that sends none does not need it."""
        return self._given or library()

    async def send(self, method: str, url: str, headers: Mapping[str, str], body: Body | None = None) -> RawAnswer:
        """One request, one answer. Raises NoAnswerError."""
        sized = {**headers, "Content-Length": str(body.length)} if body else dict(headers)
        content = (body.stream() if body.files else body.texts[0]) if body else None
        async with self._turns:
            with self._connection(url) as client:
                answer = await client.request(method, url, headers=sized, content=content)
        return RawAnswer(answer.status_code, answer.headers, answer.content)

    @asynccontextmanager
    async def stream(self, url: str) -> AsyncIterator[tuple[int, AsyncIterator[bytes]]]:
        """A download: status and chunks. Redirects are followed, no credentials are sent. Raises NoAnswerError."""
        async with self._turns:
            with self._connection(url) as client:
                async with client.stream("GET", url, follow_redirects=True) as answer:
                    yield answer.status_code, answer.aiter_bytes()

    async def close(self) -> None:
        """Close all connections."""
        for client in (*self._idle[True], *self._idle[False]):
            await client.aclose()

    @contextmanager
    def _connection(self, url: str) -> Iterator[Any]:
        # A TLS context takes 20 ms to build: not for a server on this machine.
        secure = not url.startswith("http://")
        idle = self._idle[secure]
        client = idle.pop() if idle else self._client(secure)
        try:
            yield client
        except (self._http.HTTPError, self._http.InvalidURL) as error:
            raise self._told(error, url) from error
        finally:
            idle.append(client)

    def _client(self, secure: bool) -> Any:
        if secure and self._tls is None:
            self._tls = self._http.create_ssl_context()
        # Two: a redirect to another host needs one beside that of the first.
        return self._http.AsyncClient(
            transport=self._transport,
            verify=self._tls if secure else False,
            trust_env=secure,
            timeout=self._http.Timeout(_READ_SECONDS, connect=_CONNECT_SECONDS, pool=None),
            limits=self._http.Limits(max_connections=2, max_keepalive_connections=2),
        )

    def _told(self, error: Exception, url: str) -> NoAnswerError:
        errors = self._http
        unsent = (errors.ConnectError, errors.ConnectTimeout, errors.PoolTimeout, errors.UnsupportedProtocol)
        text = f": {error}" if str(error) else ""
        reason = f"no answer from {_host(url)} ({type(error).__name__}{text})"
        return NoAnswerError(reason, sent=not isinstance(error, unsent))


def _host(url: str) -> str:
    """Scheme and host: a media URL carries its signature in the rest, a proxy's its password before the @."""
    scheme, there, rest = url.partition("://")
    host = rest.partition("/")[0].partition("?")[0].rpartition("@")[2]
    return f"{scheme}://{host}" if there else f"`{url.partition('/')[0]}`"
