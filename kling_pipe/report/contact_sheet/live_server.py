"""The contact sheet live: on loopback, for who has the token, over a running or finished campaign."""

from __future__ import annotations

import asyncio
import json
import re
import secrets
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from hmac import compare_digest
from pathlib import Path
from urllib.parse import urlsplit

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from kling_pipe.errors import KlingPipeError
from kling_pipe.media.thumbnails import Thumbnails
from kling_pipe.report.contact_sheet import Sheet
from kling_pipe.report.contact_sheet.asset_urls import FolderAssets
from kling_pipe.report.contact_sheet.folder import pictures
from kling_pipe.report.contact_sheet.page import page

_LOOK_EVERY = 0.5
_COOKIE = "kling-pipe"
_NAMES = frozenset(("127.0.0.1", "localhost", "::1"))
_LONGEST = 64 * 1024
"""Bytes of a pick: an address and a number."""
_ODD = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")


@dataclass(slots=True)
class Live:
    """What the server shows. `sheet` and `pick` do the work, in threads; `watched` are files that tell of changes.

    `also` gives something that is another after a change elsewhere: in a database.
    """

    sheet: Callable[[], Sheet]
    pick: Callable[[str, int], str]
    watched: Sequence[Path]
    posters: Thumbnails
    also: Callable[[], object] = lambda: None
    token: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    version: int = 0
    text: str = ""
    files: Mapping[str, Path] = field(default_factory=dict)
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    def draw(self) -> None:
        """Make the page anew. A manifest that is being edited may not compile: then the last page stays."""
        try:
            sheet = self.sheet()
        except KlingPipeError:
            return
        shelf = FolderAssets(self.posters.of((one.sha256, one.source) for one in pictures(sheet)))
        self.text = page(sheet, shelf, live=True)
        self.files = shelf.wanted

    async def watch(self) -> None:
        """Draw again whenever a watched file changed, and wake who listens."""
        seen = await asyncio.to_thread(self._stamps)
        while True:
            await asyncio.sleep(_LOOK_EVERY)
            now = await asyncio.to_thread(self._stamps)
            if now != seen:
                seen = now
                await asyncio.to_thread(self.draw)
                await self.tell()

    async def news(self, seen: int) -> int:
        """The version after `seen`, as soon as there is one."""
        async with self.changed:
            await self.changed.wait_for(lambda: self.version != seen)
            return self.version

    async def tell(self) -> None:
        """Wake everybody who listens."""
        async with self.changed:
            self.version += 1
            self.changed.notify_all()

    def _stamps(self) -> list[object]:
        found: list[object] = []
        with suppress(KlingPipeError):  # a database that is away for a while
            found.append(self.also())
        for path in self.watched:
            try:
                status = path.stat()
                found.append((status.st_mtime_ns, status.st_size))
            except OSError:
                found.append((0, 0))
        return found


def application(live: Live) -> Starlette:
    """The page at `/`, its files below, `/events` for changes, `/pick` for a choice."""

    @asynccontextmanager
    async def watching(_: Starlette) -> AsyncIterator[None]:
        await asyncio.to_thread(live.draw)
        task = asyncio.create_task(live.watch())
        yield
        task.cancel()

    async def home(request: Request) -> Response:
        token = request.query_params.get("token")
        if token is not None and not token.isascii():
            return _odd("a token is letters and digits")
        if token is not None and compare_digest(token, live.token):
            # The token leaves the address bar, so that it is in no screenshot and no history.
            answer: Response = RedirectResponse("/", 303)
            answer.set_cookie(_COOKIE, live.token, httponly=True, samesite="strict")
            return answer
        # A vendor's text may hold half of a surrogate pair, which no page can.
        return _refused(request, live) or HTMLResponse(live.text.encode("utf-8", "replace"), headers=_HEADERS)

    async def file(request: Request) -> Response:
        path = live.files.get(f"{request.path_params['folder']}/{request.path_params['name']}")
        if refused := _refused(request, live):
            return refused
        here = path is not None and await asyncio.to_thread(path.is_file)  # it may have gone since the page was drawn
        return FileResponse(path, headers=_HEADERS) if path and here else Response(status_code=404)

    async def events(request: Request) -> Response:
        return _refused(request, live) or StreamingResponse(_events(live), media_type="text/event-stream")

    async def pick(request: Request) -> Response:
        if refused := _refused(request, live):
            return refused
        return await _pick(request, live)

    routes = [
        Route("/", home),
        Route("/events", events),
        Route("/pick", pick, methods=["POST"]),
        Route("/{folder}/{name}", file),
    ]
    served = Starlette(routes=routes, lifespan=watching, middleware=[Middleware(_Readable)])
    served.router.redirect_slashes = False
    return served


class _Readable:
    """Refuses what no route could read: the router itself would fail at it, too."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = self._app
        if scope["type"] == "http" and not _is_readable(scope):
            app = _odd("its address holds what no address does")
        await app(scope, receive, send)


def _is_readable(scope: Scope) -> bool:
    try:
        scope["query_string"].decode()
    except UnicodeDecodeError:
        return False
    return not _ODD.search(scope["path"])


_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}


def _refused(request: Request, live: Live) -> Response | None:
    """Another site's page must not reach this one, under whatever name; nor anybody without the token."""
    host, origin = request.headers.get("host", ""), request.headers.get("origin")
    try:
        name = urlsplit(f"//{host}").hostname
        site = urlsplit(origin).netloc if origin is not None else host
    except ValueError:  # brackets that hold no address
        return _odd("the host is no host")
    if name not in _NAMES:
        return Response("this server answers to 127.0.0.1 only", 421)
    if site != host:
        return Response("another site may not ask", 403)
    cookie = request.cookies.get(_COOKIE, "")
    if not cookie.isascii():
        return _odd("a token is letters and digits")
    if not compare_digest(cookie, live.token):
        return Response("open the address that `kling-pipe report --serve` printed", 403)
    return None


def _odd(why: str) -> Response:
    return Response(f"this request cannot be read: {why}", 400)


async def _events(live: Live) -> AsyncIterator[str]:
    seen = live.version
    yield "retry: 1000\n\n"
    while True:
        try:
            seen = await asyncio.wait_for(live.news(seen), 15)
        except TimeoutError:
            yield ": still here\n\n"  # a comment: finds out when nobody listens any more
        else:
            yield f"event: changed\ndata: {seen}\n\n"


async def _pick(request: Request, live: Live) -> Response:
    try:
        asked = json.loads(await _body(request))
        address, take = asked["address"], asked["take"]
    except (ValueError, KeyError, TypeError, RecursionError, ClientDisconnect):
        return JSONResponse({"message": "a pick is an address and a take"}, 400)
    if not isinstance(address, str) or _ODD.search(address) or type(take) is not int or take.bit_length() > 63:
        return JSONResponse({"message": "a pick is an address and a take"}, 400)
    try:
        said = await asyncio.to_thread(live.pick, address, take)
    except KlingPipeError as error:
        return JSONResponse({"message": f"{error.message}. {error.hint}".strip()}, 409)
    await asyncio.to_thread(live.draw)
    await live.tell()
    return JSONResponse({"message": said})


async def _body(request: Request) -> bytes:
    """What was sent. Raises ValueError for more than a pick can be, and ClientDisconnect."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _LONGEST:
            raise ValueError("too long")
    return body


def serve(live: Live, port: int, ready: Callable[[str], None]) -> None:
    """Serve on loopback until interrupted. `ready` gets the address with the token. Raises OSError for a taken port."""
    import socket

    with socket.create_server(("127.0.0.1", port)) as listener:
        ready(f"http://127.0.0.1:{listener.getsockname()[1]}/?token={live.token}")
        config = uvicorn.Config(
            application(live), log_level="warning", access_log=False, server_header=False, timeout_graceful_shutdown=1
        )
        uvicorn.Server(config).run(sockets=[listener])
