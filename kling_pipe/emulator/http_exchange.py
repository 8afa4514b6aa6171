"""One HTTP exchange at the level of bytes: reading a request, sending an answer whole, in part, or not at all."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any, NoReturn

from kling_pipe.emulator.answers import Answer, Refusal

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

RESET = struct.pack("ii", 1, 0)
"""SO_LINGER on, for 0 seconds: the peer gets a reset instead of an orderly end."""


@dataclass(slots=True)
class Request:
    """A request with its whole body. Header names are in lower case."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes
    host: str

    def json(self) -> dict[str, Any]:
        """The body as an object. Raises Refusal 1200, as Kling answers what it cannot read."""
        try:
            data = json.loads(self.body, parse_constant=_no_constant)
        except (ValueError, RecursionError) as error:
            raise Refusal(1200) from error
        if not isinstance(data, dict):
            raise Refusal(1200)
        return data


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


@dataclass(slots=True)
class HttpExchange:
    """The two ends of one exchange, as ASGI hands them over."""

    scope: MutableMapping[str, Any]
    receive: Receive
    send: Send

    async def request(self, max_body: int) -> Request:
        """Read the request. Raises Refusal 1200 (HTTP 413) when the body is too large."""
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in self.scope["headers"]}
        body = await self._body(max_body) if self.scope["method"] not in {"GET", "HEAD"} else b""
        return Request(
            method=self.scope["method"],
            path=self.scope["path"],
            query=self.scope["query_string"].decode("latin-1"),
            headers=headers,
            body=body,
            host=f"{self.scope['scheme']}://{headers.get('host', 'localhost')}",
        )

    async def _body(self, max_body: int) -> bytes:
        parts, size = [], 0
        while True:
            message = await self.receive()
            if message["type"] == "http.disconnect":
                raise ConnectionAbortedError
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > max_body:
                raise Refusal(1200, "The request body is too large", http=413)
            if not message.get("more_body"):
                return b"".join(parts)

    async def respond(self, answer: Answer, share: float = 1.0) -> None:
        """Send an answer; with a share below 1 only so much of its body, though the length says all."""
        await self.send({"type": "http.response.start", "status": answer.status, "headers": _headers(answer)})
        whole = share >= 1.0
        body = answer.body if whole else answer.body[: int(len(answer.body) * share)]
        if self.scope["method"] != "HEAD":
            await self.send({"type": "http.response.body", "body": body, "more_body": not whole})

    async def drop(self, *, reset: bool = False) -> None:
        """End the connection now, without a (further) answer. With `reset` the peer sees it torn down."""
        transport = getattr(getattr(self.send, "__self__", None), "transport", None)
        if transport is None:  # in-process: there is no connection, the exception is what the client sees
            raise ConnectionResetError("the emulator dropped the connection")
        if reset:
            await asyncio.sleep(0.01)  # what was sent before should arrive before the reset overtakes it
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            transport.abort()
        else:
            transport.close()
        await self.gone()

    async def gone(self) -> None:
        """Wait until the client is no longer there."""
        while (await self.receive())["type"] != "http.disconnect":
            pass


def _headers(answer: Answer) -> list[tuple[bytes, bytes]]:
    extra = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers]
    length = str(len(answer.body)).encode()
    return [(b"content-type", answer.media_type.encode()), (b"content-length", length), *extra]
