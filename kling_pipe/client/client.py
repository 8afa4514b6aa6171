"""The calls to Kling. Creates are sent once, whatever happens; reads may be repeated and are."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlencode, urlsplit

from kling_pipe.catalog.api_v2 import FIRST, form, row, speaks
from kling_pipe.catalog.operations import Operation
from kling_pipe.client import json_types
from kling_pipe.client.api_versions import ApiV1, ApiV2, ApiVersion, Call, Page, first_page, no_key
from kling_pipe.client.body import Body, body_of
from kling_pipe.client.credentials import Credentials, Signer
from kling_pipe.client.error_codes import code_row
from kling_pipe.client.http import READ_SECONDS, Http, NoAnswerError, RawAnswer, Ready, always
from kling_pipe.client.responses import (
    Created,
    Downloaded,
    Found,
    Gone,
    InDoubt,
    Listed,
    NotFound,
    Prepared,
    Refused,
    TaskState,
)
from kling_pipe.core.redact import unsigned
from kling_pipe.model import Json
from kling_pipe.storage.effects import Effects

Sleep = Callable[[float], Awaitable[None]]
Note = Callable[[Mapping[str, Any]], None]
_GONE = (403, 404, 410)
_READ_TRIES = 4
_FIRST_WAIT = 0.5


class _Envelope(NamedTuple):
    data: Any


class _Asked(NamedTuple):
    """What a request is for, as the log says it. `again`: why it is sent once more."""

    kind: str
    external_task_id: str = ""
    again: str = ""
    host: str = ""
    uses_api_key: bool = False


class Client:
    """One account at one base URL.

    `transport` and `http` replace the network and the HTTP library. `note` is told of every request: kind, method,
    host, path, external_task_id, status (HTTP's, None without an answer), code (None when there was no answer to
    believe), seconds, reason, and `again`, why it was sent once more; never headers, bodies or what a URL is signed
    with. `standard` is the form in which requests go out where there is a choice.
    `read_seconds` is how long the next byte of an answer is waited for.
    """

    def __init__(
        self,
        base_url: str,
        credentials: Credentials,
        *,
        transport: Any = None,
        http: Any = None,
        clock: Callable[[], float] = time.time,
        sleep: Sleep = asyncio.sleep,
        effects: Effects | None = None,
        note: Note | None = None,
        standard: str = FIRST,
        read_seconds: float = READ_SECONDS,
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self._host = _host(base_url)
        self._signer = Signer(credentials, clock)
        seams = {"transport": transport, "http": http, "read_seconds": read_seconds}
        self._http = Http(**seams)
        self._files = Http(**seams, connections=8)
        self._lists = Http(**seams, connections=4)
        self._clock = clock
        self._sleep = sleep
        self._effects = effects or Effects()
        self._note = note or (lambda _: None)
        self._standard = standard
        self._first, self._second = ApiV1(), ApiV2()

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections."""
        await self._http.close()
        await self._files.close()
        await self._lists.close()

    async def create(
        self,
        operation: Operation,
        request: Mapping[str, Json],
        external_task_id: str,
        *,
        again: str = "",
        ready: Ready = always,
    ) -> Created | Refused | InDoubt:
        """Create a task. Sent once; once more only when Kling refused the token's time.

        `ready` is asked once more when all that is left is to send: if it says no, nothing is.
        """
        own = {"external_task_id": external_task_id} if "external_task_id" in operation.fields else {}
        wanted = self._form(operation, request)
        call = (
            no_key()
            if wanted.uses_api_key and not self._signer.has_key
            else wanted.create(operation, {**request, **own})
        )
        if isinstance(call, Refused):
            return call
        asked = _Asked("create", external_task_id, again, uses_api_key=wanted.uses_api_key)
        answer = await self._signed(asked, call.method, call.path, body_of(call.fields or {}), ready)
        if not isinstance(answer, _Envelope):
            return answer
        if not isinstance(answer.data, Mapping):
            return InDoubt("Kling accepted the request and named no task")
        told = wanted.created(answer.data)
        if operation.kling.get("synchronous"):
            return Created(TaskState.read({"task_status": operation.kling["states"]["success"][0], **told}))
        task = TaskState.read(told)
        return Created(task) if task.task_id else InDoubt(f"Kling accepted the request and named no task{_odd(task)}")

    def _form(self, operation: Operation, request: Mapping[str, Json]) -> ApiVersion:
        model = str(request.get(operation.kling["pool"]["model"] or "", ""))
        return self._second if speaks(self._standard, operation.name, model) else self._first

    async def prepare(
        self, path: str, fields: Mapping[str, Json], *, external_task_id: str = ""
    ) -> Prepared | Refused | InDoubt:
        """A call that makes no task: what comes before a create, or a deletion. May be sent again."""
        answer = await self._signed(_Asked("prepare", external_task_id), "POST", path, body_of(fields))
        if not isinstance(answer, _Envelope):
            return answer
        return Prepared(answer.data if isinstance(answer.data, Mapping) else {})

    async def get(
        self,
        operation: Operation,
        task: str,
        request: Mapping[str, Json] | None = None,
        *,
        everywhere: bool = False,
    ) -> Found | NotFound | Refused | InDoubt:
        """One task by its id or its external id.

        `request` is what it was asked for with: some models exist in one standard alone. `everywhere`: also where it
        is most likely not.
        """
        if operation.kling["lookup"] == "none":
            return NotFound()
        for wanted in self._forms(operation, request or {}, everywhere=everywhere):
            for question in wanted.questions(operation, task):
                answer = await self._read("get", question.call, uses_api_key=wanted.uses_api_key)
                # Kling answers an unknown id like any bad value; a GET has no other value than the id.
                if isinstance(answer, Refused) and answer.row.read == "not_found":
                    continue
                if not isinstance(answer, _Envelope):
                    return answer
                try:
                    found = question.found(answer.data)
                except json_types.OddError as error:
                    return InDoubt(f"its answer about {task} cannot be read (data is {error})", odd=True)
                if found:
                    return Found(TaskState.read(found))
        return NotFound()

    def _forms(self, operation: Operation, request: Mapping[str, Json], *, everywhere: bool) -> Iterator[ApiVersion]:
        """Where a task may be, the likeliest first. Nobody promises that one standard shows what the other made."""
        if not self._signer.has_key or form(operation.name) is None:
            yield self._first
        elif self._form(operation, request).uses_api_key:
            yield from (self._second, self._first)
        else:
            yield from (self._first, self._second) if everywhere else (self._first,)

    def at_once(self, operation: Operation, request: Mapping[str, Json] | None = None) -> int:
        """How many tasks `by_ids` and `by_names` take; 0 where tasks of a request cannot be asked for together."""
        return self._second.most if self._is_second(operation, request) else 0

    async def by_ids(self, ids: list[str]) -> Listed | Refused | InDoubt:
        """Tasks by their ids, at most `at_once`; what is not known is missing in the answer."""
        return await self._asked_for(self._second.by_ids(ids))

    async def by_names(self, names: list[str]) -> Listed | Refused | InDoubt:
        """The same by external ids."""
        return await self._asked_for(self._second.by_external_ids(names))

    async def _asked_for(self, call: Call) -> Listed | Refused | InDoubt:
        answer = await self._read("list", call, uses_api_key=True)
        if not isinstance(answer, _Envelope):
            return answer
        rows, odd = self._second.rows_of(answer.data)
        return Listed(rows, full=False, odd=odd)

    async def list(
        self,
        operation: Operation,
        page: int,
        size: int,
        request: Mapping[str, Json] | None = None,
        *,
        everything: bool = False,
    ) -> Listed | Refused | InDoubt:
        """One page of an operation's tasks, newest first. Pages count from 1.

        `everything`: by the first standard, whose list forgets nothing; the second's holds 30 days.
        """
        wanted = self._second if self._is_second(operation, request) and not everything else self._first
        return await self._listed(wanted.page(operation, page, size), uses_api_key=wanted.uses_api_key)

    def _is_second(self, operation: Operation, request: Mapping[str, Json] | None) -> bool:
        return self._signer.has_key and self._form(operation, request or {}).uses_api_key

    async def presets(self, operation: Operation, page: int, size: int) -> Listed | Refused | InDoubt:
        """One page of Kling's ready-made results, in the shape of a list."""
        return await self._listed(first_page(operation.kling["presets"]["path"], page, size))

    async def _listed(self, page: Page, *, uses_api_key: bool = False) -> Listed | Refused | InDoubt:
        answer = await self._read("list", page.call, uses_api_key=uses_api_key)
        return Listed(*page.read(answer.data)) if isinstance(answer, _Envelope) else answer

    async def ask(self, path: str, query: Mapping[str, Any]) -> Prepared | Refused | InDoubt:
        """A question about the account. Its answer has a second envelope in the first; what is in that is given."""
        answer = await self._read("ask", Call("GET", f"{path}?{urlencode(query)}"))
        if not isinstance(answer, _Envelope):
            return answer
        data = answer.data if isinstance(answer.data, Mapping) else {}
        code = data.get("code")
        if type(code) is int and code:
            return Refused(code, json_types.text(data.get("msg")), code_row(code))
        return InDoubt(f"the answer's inner code is {json_types.found(code)}", odd=True) if code else Prepared(data)

    async def download(
        self, url: str, write: Callable[[bytes], None], *, external_task_id: str = "", again: str = ""
    ) -> Downloaded | Gone | InDoubt:
        """Stream a result into `write`. A file that ends early is InDoubt: throw away what came."""
        started = self._clock()
        self._effects.sending("download")
        answer = await self._streamed(url, write)
        self._effects.sent("download")
        reason = answer.reason if isinstance(answer, InDoubt) else ""
        code = 0 if isinstance(answer, Downloaded) else answer.status if isinstance(answer, Gone) else None
        asked = _Asked("download", external_task_id, again, _host(url))
        self._tell(asked, "GET", urlsplit(url).path, 200 if code == 0 else code, code, self._clock() - started, reason)
        return answer

    async def _streamed(self, url: str, write: Callable[[bytes], None]) -> Downloaded | Gone | InDoubt:
        size = 0
        try:
            async with self._files.stream(url) as (status, chunks):
                if status in _GONE:
                    return Gone(status)
                if status != 200:
                    return InDoubt(f"HTTP {status} for a result file", odd=True)
                async for chunk in chunks:
                    write(chunk)
                    size += len(chunk)
        except NoAnswerError as failure:
            return InDoubt(failure.reason, failure.sent)
        return Downloaded(size)

    async def _read(self, kind: str, call: Call, *, uses_api_key: bool = False) -> _Envelope | Refused | InDoubt:
        body = body_of(call.fields) if call.fields is not None else None
        wait, asked = _FIRST_WAIT, _Asked(kind, uses_api_key=uses_api_key)
        for _ in range(_READ_TRIES - 1):
            answer = await self._signed(asked, call.method, call.path, body)
            if isinstance(answer, _Envelope) or (isinstance(answer, Refused) and answer.row.read != "retry"):
                return answer
            await self._sleep(answer.retry_after or wait)
            wait, asked = wait * 2, asked._replace(again=_why(answer))
        return await self._signed(asked, call.method, call.path, body)

    async def _signed(
        self, asked: _Asked, method: str, path: str, body: Body | None = None, ready: Ready = always
    ) -> _Envelope | Refused | InDoubt:
        answer = await self._once(asked, method, path, body, ready)
        expired = isinstance(answer, Refused) and answer.row.create == "resign"
        if expired and self._signer.renew():
            return await self._once(asked._replace(again=_why(answer)), method, path, body, ready)
        return answer

    async def _once(
        self, asked: _Asked, method: str, path: str, body: Body | None, ready: Ready = always
    ) -> _Envelope | Refused | InDoubt:
        headers = {"Authorization": self._signer.header(uses_api_key=asked.uses_api_key)}
        if body:
            headers["Content-Type"] = "application/json"
        started, status = self._clock(), None
        effect = "GET" if asked.kind == "list" else method  # a question, however it is asked
        self._effects.sending(effect)
        try:
            # Lists stand in no queue behind creates: each moment that an ended task is not seen, a slot is idle.
            http = self._lists if asked.kind == "list" else self._http
            raw = await http.send(method, self.base_url + path, headers, body, ready)
            answer, status = _opened(raw, self._signer.hidden), raw.status
        except NoAnswerError as failure:
            answer = InDoubt(failure.reason, failure.sent)
        self._effects.sent(effect)
        code = 0 if isinstance(answer, _Envelope) else answer.code if isinstance(answer, Refused) else None
        known = asked._replace(external_task_id=asked.external_task_id or _named(answer))
        self._tell(known, method, path, status, code, self._clock() - started, _why(answer))
        return answer

    def _tell(
        self,
        asked: _Asked,
        method: str,
        path: str,
        status: int | None,
        code: int | None,
        seconds: float,
        reason: str,
    ) -> None:
        self._note(
            {
                "kind": asked.kind,
                "method": method,
                "host": asked.host or self._host,
                "path": path,
                "external_task_id": asked.external_task_id,
                "status": status,
                "code": code,
                "seconds": round(seconds, 6),
                "reason": reason,
                "again": asked.again,
            }
        )


def _host(url: str) -> str:
    """Host and port of a URL, without what may stand before an @."""
    return urlsplit(url).netloc.rpartition("@")[2]


def _why(answer: _Envelope | Refused | InDoubt) -> str:
    """What kept an answer from being the wanted one."""
    if isinstance(answer, Refused):
        return f"{answer.code} {answer.message}"
    return answer.reason if isinstance(answer, InDoubt) else ""


def _named(answer: _Envelope | Refused | InDoubt) -> str:
    """The external id of the task that an answer is about."""
    data = answer.data if isinstance(answer, _Envelope) else None
    if not isinstance(data, Mapping):
        return ""
    return TaskState.read(data if "task_id" in data else row(data)).external_task_id


def _opened(raw: RawAnswer, hidden: Callable[[str], str]) -> _Envelope | Refused | InDoubt:
    """Read the envelope. The body's `code` decides, not the HTTP status."""
    after = _retry_after(raw.headers)
    try:
        form = json.loads(raw.content)
    except (ValueError, RecursionError):
        return InDoubt(f"HTTP {raw.status} with a body that is not JSON", retry_after=after)
    if not isinstance(form, dict) or type(form.get("code")) is not int:
        return InDoubt(f"HTTP {raw.status} with a body that is not Kling's envelope", retry_after=after, odd=True)
    if form["code"] == 0:
        return _Envelope(form.get("data"))
    row = code_row(form["code"])
    message = hidden(unsigned(json_types.text(form.get("message")) or row.meaning))
    return Refused(form["code"], message, row, json_types.text(form.get("request_id")), after)


def _odd(task: TaskState) -> str:
    return f" ({task.odd})" if task.odd else ""


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds of a Retry-After header; its date form is not worth a parser here."""
    value = headers.get("retry-after", "")
    return min(float(value), 300.0) if value.isascii() and value.isdecimal() else None
