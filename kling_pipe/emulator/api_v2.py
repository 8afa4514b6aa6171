"""The second standard's endpoints: a create for each model, and one place for all tasks."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qs

from kling_pipe.catalog.api_v2.table import SECOND, Endpoint, endpoints, table_of
from kling_pipe.emulator import api_v2_requests, api_v2_responses
from kling_pipe.emulator.answers import Answer, Refusal, success
from kling_pipe.emulator.http_exchange import Request
from kling_pipe.emulator.state import State
from kling_pipe.emulator.task import DAY_MS, Task
from kling_pipe.emulator.task_outcome import Extra

_DAYS = 30


def kinds(path: str) -> Mapping[str, str]:
    """What may be asked at a path of this standard, by method; nothing for any other path."""
    if path == table_of()["tasks"]["path"]:
        return {"GET": "get", "POST": "list"}
    return {"POST": "create"} if path in endpoints() else {}


def external_id(body: Mapping[str, Any]) -> str:
    """The external id in a create's body."""
    options = body.get("options")
    return str(options.get("external_task_id") or "") if isinstance(options, dict) else ""


def create(world: State, request: Request, end: Endpoint, account: str, extra: Extra) -> Answer:
    """Make a task."""
    body = api_v2_requests.read(end, request.json(), strict=world.options.strict)
    task = world.create(account, world.operations[end.operation], body, extra)
    return success(json.dumps(api_v2_responses.head(world, task, task.created_at)))


def asked_about(world: State, request: Request) -> tuple[str, str]:
    """Operation and external id of the first task that a question names: what faults are matched with."""
    by_task, by_name = table_of()["tasks"]["by"].values()
    query = parse_qs(request.query)
    task_id, name = (query.get(word, [""])[0].partition(",")[0] for word in (by_task, by_name))
    known = (task for task in world.index.all() if name and task.external_id == name)
    task = world.index.by_task_id.get(task_id) if task_id else next(known, None)
    return (task.operation, task.external_id) if task else ("", name)


def get(world: State, request: Request, account: str) -> Answer:
    """Tasks by their ids, or by their external ids. What is not known is missing in the answer."""
    tasks = table_of()["tasks"]
    query = parse_qs(request.query)
    by = {name: word for name, word in tasks["by"].items() if query.get(word, [""])[0]}
    if len(by) != 1:
        raise Refusal(1201, f"exactly one of {' and '.join(tasks['by'].values())} must be given")
    [(name, word)] = by.items()
    ids = [one for one in query[word][0].split(",") if one]
    if len(ids) > tasks["most"]:
        raise Refusal(1201, f"{word} can name at most {tasks['most']} tasks")
    now = world.advance()
    known = (_known(world, account, name, one, now) for one in dict.fromkeys(ids))
    return success(json.dumps([api_v2_responses.full(world, task, now) for task in known if task]))


def _known(world: State, account: str, by: str, name: str, now: int) -> Task | None:
    index = world.index
    task = index.by_task_id.get(name) if by == "task_id" else index.owner(account, name)
    return task if task and task.account == account and _is_shown(world, task, now) else None


def _is_shown(world: State, task: Task, now: int) -> bool:
    """Only tasks that are waited for are here; and only its own, where the standards are kept apart."""
    if world.operations[task.operation].kling.get("synchronous") or task.visible_at > now:
        return False
    return not world.options.standards_apart or task.form == SECOND


def page(world: State, request: Request, account: str) -> Answer:
    """Tasks of the last 30 days, or of the time that is asked for, the newest first."""
    form, body, now = table_of()["tasks"]["list"], request.json(), world.advance()
    limit = body.get(form["limit"], form["default"])
    if type(limit) is not int or not 1 <= limit <= form["max"]:
        raise Refusal(1201, f"{form['limit']} value '{str(limit)[:40]}' is invalid")
    found = list(_matching(world, account, body, now))
    rows = found[:limit]
    more = len(found) > limit
    data = {
        "result": [api_v2_responses.full(world, task, now) for task in rows],
        "count": len(rows),
        "next_cursor": str(rows[-1].seq) if more else "",
        "has_more": more,
    }
    return success(json.dumps(data))


def _matching(world: State, account: str, body: Mapping[str, Any], now: int) -> Iterator[Task]:
    form = table_of()["tasks"]["list"]
    cursor = str(body.get(form["cursor"]) or "")
    if cursor and not cursor.isdecimal():
        raise Refusal(1201, f"{form['cursor']} value '{cursor[:40]}' is invalid")
    end = _time(body, "end_time", now)
    start = _time(body, "start_time", end - _DAYS * DAY_MS)
    wanted = _filters(body, form["filters"])
    for task in reversed(world.index.all()):
        in_time = int(task.seq) < int(cursor) if cursor else start <= task.created_at <= end
        if task.account == account and in_time and _is_shown(world, task, now):
            kind = world.operations[task.operation].kind
            status = api_v2_responses.head(world, task, now)["status"]
            if kind in wanted.get("product_type", (kind,)) and status in wanted.get("status", (status,)):
                yield task


def _time(body: Mapping[str, Any], name: str, default: int) -> int:
    """Milliseconds: text on most of the vendor's pages, a number on others."""
    given = str(body.get(name) or default)
    if not given.isdecimal():
        raise Refusal(1201, f"{name} value '{given[:40]}' is invalid")
    return int(given)


def _filters(body: Mapping[str, Any], known: Mapping[str, list[str]]) -> dict[str, list[str]]:
    found = {}
    for one in body.get("filters") or ():
        key = str(one.get("key")) if isinstance(one, dict) else ""
        values = one.get("values") if isinstance(one, dict) else None
        if key not in known or not isinstance(values, list) or not set(map(str, values)) <= set(known[key]):
            raise Refusal(1201, f"filters value '{str(one)[:80]}' is invalid")
        found[key] = values
    return found
