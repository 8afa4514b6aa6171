"""What goes over the wire and what comes back, whichever library carries it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from typing import NamedTuple, Protocol

from kling_pipe.client.body import Body
from kling_pipe.core.redact import printable

CONNECT_SECONDS = 10.0
READ_SECONDS = 60.0


class RawAnswer(NamedTuple):
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


class Transport(Protocol):
    """An HTTP library as it is used here."""

    async def send(self, method: str, url: str, headers: Mapping[str, str], body: Body | None) -> RawAnswer:
        """One request, one answer; a redirect is an answer. Raises NoAnswerError."""

    def stream(self, url: str) -> AbstractAsyncContextManager[tuple[int, AsyncIterator[bytes]]]:
        """A download: status and chunks. Redirects are followed, no credentials are sent. Raises NoAnswerError."""

    async def close(self) -> None:
        """Close all connections."""


def reason(error: Exception, url: str, text: str) -> str:
    """Why there is no answer. Scheme and host only: a media URL carries its signature, a proxy's its password."""
    told = f": {printable(text)}" if text else ""
    return f"no answer from {_host(url)} ({type(error).__name__}{told})"


def _host(url: str) -> str:
    scheme, there, rest = url.partition("://")
    host = rest.partition("/")[0].partition("?")[0].rpartition("@")[2]
    return f"{scheme}://{host}" if there else f"`{url.partition('/')[0].partition('?')[0]}`"
