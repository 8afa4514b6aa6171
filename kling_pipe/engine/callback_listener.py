"""Listens for Kling's callbacks during a run. They only hurry a look at a task: polling stays the safety net.

A callback is never believed: whoever forges one makes us ask Kling once more. A secret (Standard Webhooks, `whsec_...`)
keeps even that out.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator, Callable, Mapping
from urllib.parse import urlsplit

from kling_pipe.catalog.api_v2 import heard
from kling_pipe.engine.settings import Settings
from kling_pipe.errors import UsageError

Told = Callable[[str, str], None]
"""Called with a task's id and its status."""

_LARGEST = 1 << 20
_SECONDS = 10.0
_TOLERANCE = 300
"""Seconds by which a signed callback's time may differ from ours (Standard Webhooks)."""


@contextlib.asynccontextmanager
async def receiving(settings: Settings, told: Told) -> AsyncIterator[None]:
    """While inside, callbacks are taken at `settings.callback_listen`; does nothing without it.

    Raises UsageError when the address cannot be listened on.
    """
    if not settings.callback_listen:
        yield
        return
    host, _, port = settings.callback_listen.rpartition(":")
    receiver = Receiver(settings.callback_secret, told)
    try:
        server = await asyncio.start_server(receiver.serve, host.strip("[]") or "127.0.0.1", int(port), limit=_LARGEST)
    except (OSError, ValueError, OverflowError) as error:
        message = f"cannot listen for callbacks on `{settings.callback_listen}`: {error}"
        raise UsageError(message, hint="write --callback-listen 127.0.0.1:8787, with a free port") from error
    async with server:
        yield


def listening_at(url: str) -> str:
    """The `host:port` of a callback URL that leads to this very machine, else ""."""
    parts = urlsplit(url)
    local = parts.hostname in ("127.0.0.1", "::1", "localhost")
    return f"{parts.hostname}:{parts.port or 80}" if local else ""


class Receiver:
    """Answers POSTs of callbacks, one a connection."""

    def __init__(self, secret: str, told: Told, clock: Callable[[], float] = time.time) -> None:
        self._key = _key(secret)
        self._told = told
        self._clock = clock

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Read one request, answer it, close."""
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError):
            async with asyncio.timeout(_SECONDS):
                status = await self._answer(reader)
                writer.write(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
                await writer.drain()
        writer.close()

    async def _answer(self, reader: asyncio.StreamReader) -> str:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        lines = (line.partition(":") for line in head[1:])
        headers = {name.strip().lower(): value.strip() for name, _, value in lines}
        length = headers.get("content-length", "")
        if not head[0].startswith("POST ") or not length.isdecimal() or int(length) > _LARGEST:
            return "400 Bad Request"
        body = await reader.readexactly(int(length))
        return self.take(headers, body)

    def take(self, headers: Mapping[str, str], body: bytes) -> str:
        """Hear one callback. `headers` have lower-case names. Returns the HTTP status to answer with."""
        if self._key and not self._is_signed(headers, body):
            return "401 Unauthorized"
        try:
            form = json.loads(body)
        except (ValueError, RecursionError):
            return "400 Bad Request"
        told = heard(form) if isinstance(form, dict) else None
        if told is None:
            return "400 Bad Request"
        self._told(*told)
        return "200 OK"

    def _is_signed(self, headers: Mapping[str, str], body: bytes) -> bool:
        name, moment = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
        if not moment.isdecimal() or abs(self._clock() - int(moment)) > _TOLERANCE:
            return False
        signed = hmac.new(self._key, f"{name}.{moment}.".encode() + body, hashlib.sha256).digest()
        wanted = base64.b64encode(signed).decode()
        given = [one.partition(",")[2] for one in headers.get("webhook-signature", "").split() if one.startswith("v1,")]
        return any(hmac.compare_digest(wanted.encode(), one.encode()) for one in given)


def _key(secret: str) -> bytes:
    """The bytes of a `whsec_...` secret; none for no secret. Raises UsageError."""
    try:
        return base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError) as error:
        message = "the secret for callbacks is not of the form `whsec_` and Base64"
        raise UsageError(message, hint="it is read from KLING_CALLBACK_SECRET") from error
