"""The emulator's own endpoints under `/_emulator`: ledger, faults, clock, reset, health, inspector. Loopback only."""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from kling_pipe.emulator import inspector, uploaded_media
from kling_pipe.emulator.accounts import short
from kling_pipe.emulator.callback_sender import is_loopback
from kling_pipe.emulator.faults import Faults, RuleError
from kling_pipe.emulator.renderer import Renderer
from kling_pipe.emulator.state import State

POLICY = "default-src 'none'; img-src 'self'; media-src 'self'; connect-src 'self'"
MODES = ("real", "scaled", "manual")
FILE = re.compile(r"[0-9a-f]{64}\.(mp4|mov|png|jpg|jpeg|mp3|wav|m4a|aac)")
DAY_MS = 24 * 3600 * 1000


def ledger(world: State, faults: Faults) -> dict[str, Any]:
    """What was made, refused and billed since the last reset, and how it was asked for."""
    now = world.advance()
    tasks = world.index.all()
    owners: dict[str, Counter[str]] = {}
    for task in tasks:
        owners.setdefault(short(task.account), Counter())[task.external_id or task.task_id] += 1
    units: Counter[str] = Counter()
    for packs in world.billed.values():
        units.update(packs)
    counted = world.tally.saved()
    return {
        "now": now,
        "creates": dict(Counter(task.external_id or task.task_id for task in tasks)),
        "owners": {owner: dict(made) for owner, made in owners.items()},
        "failing": sorted(task.external_id or task.task_id for task in tasks if task.failure),
        "tasks": len(tasks),
        "in_flight": sum(1 for task in tasks if now < task.done_at),
        "duplicates_refused": counted.pop("duplicates"),
        "units": {pack: round(number, 6) for pack, number in units.items()},
        "billed": world.billed,
        "requests": {name: counted.pop(name) for name in ("routes", "kinds", "codes")},
        **counted,
        "slots": world.slots.report(),
        "accounts": [account.name for account in world.accounts],
        "rules": faults.report(),
    }


class AdminApi:
    """The endpoints as methods."""

    def __init__(self, world: State, studio: Renderer, faults: Faults) -> None:
        self.world = world
        self.studio = studio
        self.faults = faults

    async def page(self, _: Request) -> Response:
        """The inspector."""
        nonce, text = inspector.page(self.world)
        policy = f"{POLICY}; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'"
        return HTMLResponse(text, headers={"content-security-policy": policy, "cache-control": "no-store"})

    async def health(self, _: Request) -> Response:
        """That it runs, as which process, on which folder. `version` grows with every change."""
        version = self.world.version
        return JSONResponse({"status": "ok", "pid": os.getpid(), "state": str(self.world.state), "version": version})

    async def ledger(self, _: Request) -> Response:
        """See `ledger`."""
        return JSONResponse(ledger(self.world, self.faults))

    async def get_faults(self, _: Request) -> Response:
        """The rules with their counts."""
        return JSONResponse(self.faults.report())

    async def put_faults(self, request: Request) -> Response:
        """Replace all rules."""
        self.faults.replace(await request.json())
        return JSONResponse(self.faults.report())

    async def reset(self, _: Request) -> Response:
        """Forget tasks, counts and fault rules."""
        self.world.reset()
        self.studio.clear()
        self.faults.rules.clear()
        return JSONResponse({"status": "ok"})

    async def forget(self, request: Request) -> Response:
        """`{"external_id": "kp1-*", "free_ids": false}`: Kling drops the records of these tasks; how many."""
        asked = await request.json()
        count = self.world.forget(str(asked["external_id"]), free_ids=bool(asked.get("free_ids", False)))
        return JSONResponse({"forgotten": count})

    async def get_file(self, request: Request) -> Response:
        """Where a file that was handed in can be fetched: `{"url": ...}`, signed, for a day of the emulator's clock."""
        name, _, extension = request.path_params["name"].partition(".")
        if not FILE.fullmatch(request.path_params["name"]) or not (self.world.blobs / f"{name}.{extension}").is_file():
            return JSONResponse({"code": 404, "message": "there is no such file"}, status_code=404)
        now = self.world.advance()
        base = self.world.options.public_url.rstrip("/") or str(request.base_url).rstrip("/")
        return JSONResponse({"url": self.world.links.url(base, f"blobs/{name}", extension, now, now + DAY_MS)})

    async def put_file(self, request: Request) -> Response:
        """Take a film or a picture in, named by its checksum, for requests that take them by link alone."""
        name = request.path_params["name"]
        if not FILE.fullmatch(name):
            raise ValueError("a file's name is its SHA-256 and its suffix, such as 9f86...0a08.mp4")
        if not await uploaded_media.handed_in(self.world.blobs, name, request.stream()):
            raise ValueError(f"the checksum of `{name}` is another one")
        return await self.get_file(request)

    async def clock(self, request: Request) -> Response:
        """`{"mode": real|scaled|manual, "rate": 10, "advance": 3600}`, all optional; answers with the new time."""
        asked = await request.json()
        mode, rate, seconds = asked.get("mode"), asked.get("rate", 1.0), asked.get("advance", 0)
        if mode is not None and mode not in MODES:
            raise ValueError(f"`mode` is one of {', '.join(MODES)}")
        if not _positive(rate) or not (_positive(seconds) or seconds == 0):
            raise ValueError("`rate` and `advance` are numbers, and time never goes back")
        if mode is not None:
            self.world.clock.set(mode, rate)
        self.world.clock.advance(seconds)
        self.world.storage.set("clock", self.world.clock.saved())
        return JSONResponse({"mode": self.world.clock.mode, "now": self.world.advance()})


def _positive(number: Any) -> bool:
    return isinstance(number, (int, float)) and not isinstance(number, bool) and 0 < number < 1e12


def build_control(world: State, studio: Renderer, faults: Faults) -> ASGIApp:
    """The application that serves `/_emulator`."""
    control = AdminApi(world, studio, faults)
    routes = [
        Route("/_emulator", control.page),
        Route("/_emulator/", control.page),
        Route("/_emulator/health", control.health),
        Route("/_emulator/ledger", control.ledger),
        Route("/_emulator/faults", control.get_faults, methods=["GET"]),
        Route("/_emulator/faults", control.put_faults, methods=["PUT"]),
        Route("/_emulator/files/{name}", control.get_file, methods=["GET"]),
        Route("/_emulator/files/{name}", control.put_file, methods=["PUT"]),
        Route("/_emulator/reset", control.reset, methods=["POST"]),
        Route("/_emulator/forget", control.forget, methods=["POST"]),
        Route("/_emulator/clock", control.clock, methods=["POST"]),
    ]
    wrong: dict[Any, Any] = {404: _error(404), 405: _error(405), 500: _error(500)}
    bad_bodies = (RuleError, ValueError, KeyError, TypeError, AttributeError, json.JSONDecodeError)
    wrong |= dict.fromkeys(bad_bodies, _error(400))
    return _loopback_only(Starlette(routes=routes, exception_handlers=wrong))


def _error(status: int) -> Callable[[Request, Exception], Awaitable[Response]]:
    async def answer(_: Request, error: Exception) -> Response:
        text = str(getattr(error, "detail", error)) if status < 500 else "an error of the emulator itself"
        return JSONResponse({"code": status, "message": text}, status_code=status)

    return answer


def _loopback_only(app: ASGIApp) -> ASGIApp:
    """Refuse other machines, and pages of other sites that a browser on this machine shows (Host, Origin)."""

    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        peer = (scope.get("client") or ("", 0))[0]
        headers = dict(scope["headers"])
        host = headers.get(b"host", b"localhost").decode("latin-1").rsplit(":", 1)[0]
        origin = headers.get(b"origin", b"").decode("latin-1").rpartition("//")[2].rsplit(":", 1)[0]
        if is_loopback(peer) and is_loopback(host) and (not origin or is_loopback(origin)):
            await app(scope, receive, send)
            return
        refusal = JSONResponse({"code": 403, "message": "only from this machine"}, status_code=403)
        await refusal(scope, receive, send)

    return guarded
