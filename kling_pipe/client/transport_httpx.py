"""Requests by httpx, or by its maintained fork httpx2: what is always there, and what speaks to every kind of proxy."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from kling_pipe.client.body import Body
from kling_pipe.client.transport import CONNECT_SECONDS, READ_SECONDS, NoAnswerError, RawAnswer, reason


class ByHttpx:
    """So many connections, each a client of its own: one pool of many looks at all of them for every request.

    The connection that was used last is used first. `http` is the library, `tls` gives the context for hosts that are
    not this machine.
    """

    def __init__(
        self, http: Any, tls: Callable[[], Any], transport: Any = None, read_seconds: float = READ_SECONDS
    ) -> None:
        self._http = http
        self._tls = tls
        self._transport = transport
        self._read_seconds = read_seconds
        self._idle: dict[bool, list[Any]] = {True: [], False: []}

    async def send(self, method: str, url: str, headers: Mapping[str, str], body: Body | None) -> RawAnswer:
        """One request, one answer; a redirect is an answer. Raises NoAnswerError."""
        content = (body.stream() if body.files else body.texts[0]) if body else None
        with self._connection(url) as client:
            answer = await client.request(method, url, headers=headers, content=content)
        return RawAnswer(answer.status_code, answer.headers, answer.content)

    @asynccontextmanager
    async def stream(self, url: str) -> AsyncIterator[tuple[int, AsyncIterator[bytes]]]:
        """Status and chunks, behind all redirects. Raises NoAnswerError."""
        with self._connection(url) as client:
            async with client.stream("GET", url, follow_redirects=True) as answer:
                yield answer.status_code, answer.aiter_bytes()

    async def close(self) -> None:
        """Close all connections."""
        for client in (*self._idle[True], *self._idle[False]):
            await client.aclose()

    @contextmanager
    def _connection(self, url: str) -> Iterator[Any]:
        secure = not url.startswith("http://")
        idle = self._idle[secure]
        client = idle.pop() if idle else self._client(secure)
        try:
            yield client
        except (self._http.HTTPError, self._http.InvalidURL) as error:
            raise self._no_answer(error, url) from error
        except (UnicodeError, ExceptionGroup) as error:  # a host that is no name, a port that is none
            raise NoAnswerError(reason(error, url, ""), sent=False) from error
        finally:
            idle.append(client)

    def _client(self, secure: bool) -> Any:
        # Two: a redirect to another host needs one beside that of the first.
        return self._http.AsyncClient(
            transport=self._transport,
            verify=self._tls() if secure else False,
            trust_env=secure,
            timeout=self._http.Timeout(self._read_seconds, connect=CONNECT_SECONDS, pool=None),
            limits=self._http.Limits(max_connections=2, max_keepalive_connections=2),
        )

    def _no_answer(self, error: Exception, url: str) -> NoAnswerError:
        errors = self._http
        unsent = (errors.ConnectError, errors.ConnectTimeout, errors.PoolTimeout, errors.UnsupportedProtocol)
        return NoAnswerError(reason(error, url, str(error)), sent=not isinstance(error, unsent))
