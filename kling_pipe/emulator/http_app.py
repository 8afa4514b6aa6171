"""Every request to the emulated Kling: counted, delayed, struck by faults, answered. An ASGI application."""

from __future__ import annotations

import asyncio
import json
import logging
import struct
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

from kling_pipe.emulator import api_v2, odd_answers
from kling_pipe.emulator.accounts import short
from kling_pipe.emulator.answers import Answer, Refusal
from kling_pipe.emulator.api_v1 import ApiV1, Route
from kling_pipe.emulator.auth import Authenticator
from kling_pipe.emulator.downloads import Downloads
from kling_pipe.emulator.faults import CREATE, DOWNLOAD, LIST, REQUEST, Faults, Rule, Subject
from kling_pipe.emulator.http_exchange import HttpExchange, Receive, Request, Send
from kling_pipe.emulator.renderer import Renderer
from kling_pipe.emulator.state import State
from kling_pipe.emulator.task_outcome import Extra

log = logging.getLogger("kling_pipe.emulator")

GATEWAY_PAGE = b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>502 Bad Gateway</body>\r\n</html>\r\n"
Handle = Callable[[], Awaitable[Answer]]
Strike = Callable[[HttpExchange, Mapping[str, Any], Handle], Awaitable[None]]


class HttpApp:
    """One emulated Kling behind HTTP."""

    def __init__(
        self, world: State, studio: Renderer, faults: Faults, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.world = world
        self.studio = studio
        self.faults = faults
        self.clock = clock
        self.last_request = clock()
        self._api = ApiV1(world)
        self._gate = Authenticator(world.accounts)
        self._downloads = Downloads(world, studio)

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request."""
        wire = HttpExchange(scope, receive, send)
        self.last_request = self.clock()
        if self.world.options.latency:
            await asyncio.sleep(self.world.options.latency)
        try:
            request = await wire.request(self.world.options.max_body)
        except Refusal as refusal:
            await wire.respond(refusal.answer)
            return
        except ConnectionAbortedError:
            return
        if request.path.startswith("/media/"):
            await self._download(wire, request)
        else:
            await self._call(wire, request)

    async def _call(self, wire: HttpExchange, request: Request) -> None:
        route = self._route(request)
        rule = self._strike(REQUEST, request, route)
        if rule is None and route.kind == "list":
            rule = self._strike(LIST, request, route)
        era = self.world.era

        async def handle() -> Answer:
            if self.world.era != era:  # a fault held it back; a task would come out of nowhere
                raise Refusal(5000)
            plain = bool(route.form)
            account = self._gate.account(request.headers.get("authorization", ""), time.time(), plain=plain)
            answer = self._api.answer(request, route, account.name, self._extra(request, route))
            self._begin(route)
            return answer

        await self._finish(wire, request, route, rule, handle)

    def _strike(self, scope: str, request: Request, route: Route) -> Rule | None:
        return self.faults.strike(self._subject(scope, request, route)) if self.faults.rules else None

    def _route(self, request: Request) -> Route:
        """Where a request leads. One that leads nowhere is counted, and refused once the caller has shown a key."""
        try:
            return self._api.route(request.method, request.path)
        except Refusal:
            return Route("unknown", "(unknown)")

    def _extra(self, request: Request, route: Route) -> Extra:
        if self.faults.rules and route.kind == "create":
            return self.faults.changes(self._subject(CREATE, request, route), request.host)
        return Extra(host=request.host)

    def _begin(self, route: Route) -> None:
        if route.kind == "create":
            self.studio.begin(self.world.newest)

    async def _download(self, wire: HttpExchange, request: Request) -> None:
        task = self._downloads.task(request.path)
        operation, external_id, owner = (task.operation, task.external_id, task.account) if task else ("", "", "")
        route = Route("download", "/media")

        def rule_for(scope: str) -> Rule | None:
            subject = Subject(scope, request.method, request.path, operation, external_id, short(owner))
            return self.faults.strike(subject) if self.faults.rules else None

        if (rule := rule_for(DOWNLOAD)) and rule.fault == "expired_url":
            self.world.links.spoil(request.query)
            if task:
                task.cached = ("", 0, "")
            rule = None
        await self._finish(wire, request, route, rule or rule_for(REQUEST), lambda: self._downloads.answer(request))

    async def _finish(
        self, wire: HttpExchange, request: Request, route: Route, rule: Rule | None, handle: Handle
    ) -> None:
        """Answer, or do what a fault says; count what happened."""

        async def guarded() -> Answer:
            try:
                return await handle()
            except Refusal as refusal:
                return refusal.answer
            except Exception:
                log.exception("an error of the emulator itself: %s %s", request.method, request.path)
                return Refusal(5000).answer

        tally = self.world.tally
        tally.routes[f"{request.method} {route.pattern}"] += 1
        tally.kinds[route.kind] += 1
        if rule is None:
            answer = await guarded()
            tally.codes[str(answer.status)] += 1
            await wire.respond(answer)
            return
        tally.faults[rule.fault] += 1
        await STRIKES[rule.fault](wire, rule.values, guarded)

    def _subject(self, scope: str, request: Request, route: Route) -> Subject:
        external_id = route.name
        if route.kind == "create":
            try:
                body = request.json()
                external_id = api_v2.external_id(body) if route.form else str(body.get("external_task_id") or "")
            except Refusal:
                external_id = ""
        elif task := self.world.index.by_task_id.get(route.name):
            external_id = task.external_id
        operation = route.operation.name if route.operation else ""
        if route.form and route.kind == "get":
            operation, external_id = api_v2.asked_about(self.world, request)
        return Subject(scope, request.method, request.path, operation, external_id, self._caller(request))

    def _caller(self, request: Request) -> str:
        """Whose request it is, as far as it shows a key that opens something."""
        try:
            return short(self._gate.account(request.headers.get("authorization", ""), time.time()).name)
        except Refusal:
            return ""


async def _reset_before(wire: HttpExchange, _: Mapping[str, Any], __: Handle) -> None:
    await wire.drop(reset=True)


async def _answer_lost(wire: HttpExchange, _: Mapping[str, Any], handle: Handle) -> None:
    await handle()
    await wire.drop()


async def _sent_twice(wire: HttpExchange, _: Mapping[str, Any], handle: Handle) -> None:
    await handle()
    await wire.respond(await handle())


async def _reset_during(wire: HttpExchange, _: Mapping[str, Any], handle: Handle) -> None:
    await wire.respond(await handle(), share=0.5)
    await wire.drop(reset=True)


async def _timeout(wire: HttpExchange, values: Mapping[str, Any], handle: Handle) -> None:
    if values.get("created", False):
        await handle()
    try:
        await asyncio.wait_for(wire.gone(), values.get("seconds", 60))
    except TimeoutError:
        await wire.drop()


async def _delay(wire: HttpExchange, values: Mapping[str, Any], handle: Handle) -> None:
    await asyncio.sleep(values.get("seconds", 1))
    await wire.respond(await handle())


async def _error(wire: HttpExchange, values: Mapping[str, Any], handle: Handle) -> None:
    if values.get("created", False):
        await handle()
    answer = Refusal(values.get("code", 5000), values.get("message", ""), http=values.get("http", 0)).answer
    wait = (("retry-after", str(values["retry_after"])),) if "retry_after" in values else ()
    await wire.respond(Answer(answer.status, answer.body, answer.media_type, wait))


async def _bad_gateway(wire: HttpExchange, values: Mapping[str, Any], handle: Handle) -> None:
    if values.get("created", False):
        await handle()
    await wire.respond(Answer(values.get("http", 502), GATEWAY_PAGE, "text/html"))


async def _short_page(wire: HttpExchange, values: Mapping[str, Any], handle: Handle) -> None:
    answer = await handle()
    form = json.loads(answer.body)
    data = form.get("data")
    rows = data.get("result") if isinstance(data, dict) else data
    if isinstance(rows, list):
        del rows[int(len(rows) * values.get("share", 0.5)) :]
        if isinstance(data, dict):
            data.update(count=len(rows), next_cursor="", has_more=False)
        answer = Answer(answer.status, json.dumps(form).encode(), answer.media_type, answer.headers)
    await wire.respond(answer)


async def _odd_answer(wire: HttpExchange, values: Mapping[str, Any], handle: Handle) -> None:
    answer = await handle()
    value = json.loads(values["raw"]) if "raw" in values else values.get("value")
    changed = odd_answers.changed(answer.body, str(values.get("at", "")), value, out=values.get("without", False))
    await wire.respond(Answer(answer.status, changed, answer.media_type, answer.headers))


async def _encoded_anew(wire: HttpExchange, values: Mapping[str, Any], handle: Handle) -> None:
    """The same film in other bytes: with a `free` box behind it, which players skip."""
    answer = await handle()
    mark = str(values.get("mark", "again")).encode()
    box = struct.pack(">I4s", 8 + len(mark), b"free") + mark
    is_whole = answer.status == 200
    await wire.respond(Answer(answer.status, answer.body + box * is_whole, answer.media_type, answer.headers))


async def _truncated(wire: HttpExchange, values: Mapping[str, Any], handle: Handle) -> None:
    await wire.respond(await handle(), share=min(0.999, values.get("share", 0.5)))
    await wire.drop()


STRIKES: Mapping[str, Strike] = {
    "reset_before": _reset_before,
    "answer_lost": _answer_lost,
    "reset_during": _reset_during,
    "timeout": _timeout,
    "delay": _delay,
    "error": _error,
    "bad_gateway": _bad_gateway,
    "short_page": _short_page,
    "truncated": _truncated,
    "sent_twice": _sent_twice,
    "odd_answer": _odd_answer,
    "encoded_anew": _encoded_anew,
}
"""What each fault that strikes an exchange does with it."""
