"""Kling's endpoints: create, query, list for every operation of the schemas, element library, costs."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qs

from kling_pipe.catalog.api_v2.table import FIRST, SECOND, endpoints, exists_in
from kling_pipe.catalog.operations import Operation
from kling_pipe.emulator import api_v2, elements, prepare, task_json
from kling_pipe.emulator.answers import Answer, Refusal, success
from kling_pipe.emulator.http_exchange import Request
from kling_pipe.emulator.state import State
from kling_pipe.emulator.task import Task
from kling_pipe.emulator.task_outcome import PLAIN, Extra

_OTHER: Mapping[str, Mapping[str, str]] = {"/account/costs": {"GET": "costs"}}


@dataclass(frozen=True, slots=True)
class Route:
    """Where a path leads: an operation (if any), and what kind of request it is. `name` is the id in the path.

    `form` is the standard that it belongs to, "" for the first.
    """

    kind: str
    pattern: str
    operation: Operation | None = None
    name: str = ""
    form: str = ""


class ApiV1:
    """Answers requests in Kling's way. Plain functions: nothing here waits."""

    def __init__(self, world: State) -> None:
        self.world = world
        self._operations = {operation.path: operation for operation in world.operations.values()}
        self._presets = {
            operation.kling["presets"]["path"]: operation
            for operation in world.operations.values()
            if "presets" in operation.kling
        }
        self._before = {
            step["path"]: operation
            for operation in world.operations.values()
            for step in operation.kling.get("prepare", ())
        }
        self._deletes = {
            path: operation
            for operation in world.operations.values()
            for path in operation.kling.get("delete", {}).get("paths", ())
        }

    def route(self, method: str, path: str) -> Route:
        """Where a request leads. Raises Refusal 1203 for an unknown path, 1202 for a wrong method."""
        path = path[:-1] if path.endswith("/") and len(path) > 1 else path
        if operation := self._operations.get(path):
            kinds = {"POST": "create"} | ({"GET": "list"} if "list" in operation.kling else {})
            return Route(_kind(kinds, method), path, operation)
        if operation := self._before.get(path):
            return Route(_kind({"POST": "prepare"}, method), path, operation)
        if operation := self._presets.get(path):
            return Route(_kind({"GET": "presets"}, method), path, operation)
        if operation := self._deletes.get(path):
            return Route(_kind({"POST": "delete"}, method), path, operation)
        if found := api_v2.kinds(path) or _OTHER.get(path):
            end = endpoints().get(path)
            made = self.world.operations[end.operation] if end else None
            return Route(_kind(found, method), path, made, form="" if path in _OTHER else SECOND)
        for parent, operation in self._operations.items():
            if path.startswith(f"{parent}/"):
                if operation.kling["lookup"] == "none":
                    break
                return Route(_kind({"GET": "get"}, method), f"{parent}/{{id}}", operation, path[len(parent) + 1 :])
        raise Refusal(1203, f"The requested path does not exist: {path[:200]}")

    def answer(self, request: Request, route: Route, account: str, extra: Extra = PLAIN) -> Answer:
        """Carry out a request of an account."""
        if route.kind == "unknown":
            self.route(request.method, request.path)
        if self.world.options.strict:
            _strict(request)
        if route.form:
            return self._second(request, route, account, extra)
        if route.operation is None:
            return self._costs(request, account)
        if route.kind == "create":
            return self._create(request, route.operation, account, extra)
        handlers: Mapping[str, Callable[[Request, Route, Operation, str], Answer]] = {
            "get": self._get,
            "list": self._list,
            "presets": self._list_presets,
            "delete": self._delete,
            "prepare": self._prepare,
        }
        return handlers[route.kind](request, route, route.operation, account)

    def _second(self, request: Request, route: Route, account: str, extra: Extra) -> Answer:
        if route.kind == "create":
            end = endpoints()[route.pattern]
            return api_v2.create(self.world, request, end, account, replace(extra, form=SECOND))
        return (api_v2.get if route.kind == "get" else api_v2.page)(self.world, request, account)

    def _create(self, request: Request, operation: Operation, account: str, extra: Extra) -> Answer:
        body = request.json()
        if self.world.options.strict and (empty := [name for name, value in body.items() if value == ""]):
            raise Refusal(1201, f"{empty[0]} value '' is invalid")
        model = operation.kling["pool"]["model"]
        if model and not exists_in(FIRST, operation.name, str(body.get(model))):
            raise Refusal(1201, f"{model} value '{body[model]}' is invalid")
        task = self.world.create(account, operation, body, extra)
        if operation.kling.get("synchronous"):
            return success(task_json.text(self.world, task, self.world.advance()))
        return success(json.dumps(task_json.head(operation, task, task.created_at)))

    def _prepare(self, request: Request, route: Route, operation: Operation, account: str) -> Answer:
        step = next(one for one in operation.kling["prepare"] if one["path"] == route.pattern)
        return success(json.dumps(prepare.prepared(self.world, account, operation, step, request.json(), request.host)))

    def _get(self, _: Request, route: Route, operation: Operation, account: str) -> Answer:
        now = self.world.advance()
        task = self.world.index.find(account, operation.name, route.name, now)
        if not self._is_shown(task):
            raise Refusal(1201, f"Task not found by id/external id: {route.name}")
        return success(task_json.text(self.world, task, now))

    def _list(self, request: Request, _: Route, operation: Operation, account: str) -> Answer:
        now = self.world.advance()
        number, size = _page(request, operation)
        page = self.world.index.page(account, operation.name, number, size, now)
        tasks = [task for task in page if self._is_shown(task)]
        return success(f"[{','.join(task_json.text(self.world, task, now) for task in tasks)}]")

    def _is_shown(self, task: Task) -> bool:
        return not (task.form and self.world.options.standards_apart)

    def _list_presets(self, request: Request, _: Route, operation: Operation, __: str) -> Answer:
        number, size = _page(request, operation)
        tasks = elements.preset_tasks(operation.kind, operation.kling["result"], 1_767_225_600_000)  # 2026-01-01
        return success(json.dumps(tasks[(number - 1) * size : number * size]))

    def _delete(self, request: Request, _: Route, operation: Operation, account: str) -> Answer:
        now = self.world.advance()
        given = request.json().get(operation.kling["delete"]["field"])
        if self.world.options.strict and not isinstance(given, str):
            raise Refusal(1201, f"{operation.kling['delete']['field']} value '{given}' is invalid")
        task = elements.deletable(self.world.index, operation, account, given, now)
        self.world.delete(task)
        return success(json.dumps({"task_id": task.task_id, "task_status": task_json.status(operation, task, now)}))

    def _costs(self, request: Request, account: str) -> Answer:
        query = parse_qs(request.query)
        for name in ("start_time", "end_time"):
            if not query.get(name, [""])[0].isdecimal():
                raise Refusal(1201, f"{name} value '{query.get(name, [''])[0][:40]}' is invalid")
        packs = self.world.packs(account)
        return success(json.dumps({"code": 0, "msg": "success", "resource_pack_subscribe_infos": packs}))


def _kind(kinds: Mapping[str, str], method: str) -> str:
    kind = kinds.get("GET" if method == "HEAD" else method)
    if kind is None:
        raise Refusal(1202, f"The requested method is invalid: {method[:20]}")
    return kind


def _strict(request: Request) -> None:
    """Refuse what the real API only tolerates: a Content-Type where there is no body, or another one than JSON."""
    given = request.headers.get("content-type", "")
    if request.method == "GET" and given:
        raise Refusal(1200, "Content-Type is not allowed on GET")
    if request.method == "POST" and given.partition(";")[0].strip().lower() != "application/json":
        raise Refusal(1200, "Content-Type must be application/json")


def _page(request: Request, operation: Operation) -> tuple[int, int]:
    """`pageNum` and `pageSize` within the bounds that the schemas give."""
    bounds: Mapping[str, Any] = operation.kling.get("list", {})
    query = parse_qs(request.query)
    number = _bounded(query, "pageNum", bounds.get("pageNum", {}).get("max", 1000), 1)
    sizes = bounds.get("pageSize", {})
    return number, _bounded(query, "pageSize", sizes.get("max", 500), sizes.get("default", 30))


def _bounded(query: Mapping[str, list[str]], name: str, largest: int, default: int) -> int:
    given = query.get(name, [str(default)])[0]
    if not (given.isascii() and given.isdecimal() and len(given) < 10 and 1 <= int(given) <= largest):
        raise Refusal(1201, f"{name} value '{given[:40]}' is invalid")
    return int(given)
