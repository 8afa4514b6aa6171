"""The forms of a call: where a question goes in each standard, and its answer in the words of the first."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol
from urllib.parse import quote, urlencode

from kling_pipe.catalog.api_v2 import Sent, encoded, row, table_of
from kling_pipe.catalog.operations import Operation
from kling_pipe.client.error_codes import code_row
from kling_pipe.client.json_types import OddError, found, text
from kling_pipe.client.responses import Refused

_BAD_VALUE, _BAD_KEY = 1201, 1002
Row = Mapping[str, Any]
Rows = tuple[tuple[Row, ...], bool, bool]


class Call(NamedTuple):
    """One request: method, path with its query, and the fields of its body."""

    method: str
    path: str
    fields: Mapping[str, Any] | None = None


class Question(NamedTuple):
    """A call, and what finds the task in its answer; raises OddError for an answer that says nothing of any."""

    call: Call
    found: Callable[[Any], Row | None]


class Page(NamedTuple):
    """A call for one page of a list, and what reads its answer: the tasks, whether more follow, whether all were."""

    call: Call
    read: Callable[[Any], Rows]


class ApiVersion(Protocol):
    """One standard. `uses_api_key`: it takes an API key as it is, and no signed token."""

    uses_api_key: bool

    def create(self, operation: Operation, fields: Mapping[str, Any]) -> Call | Refused:
        """The call that makes a task; a refusal when the standard cannot say this."""

    def created(self, data: Row) -> Row:
        """The task in the answer to a create."""

    def questions(self, operation: Operation, name: str) -> Iterator[Question]:
        """What asks for a task by its id or its external id, one after the other."""

    def page(self, operation: Operation, number: int, size: int) -> Page:
        """One page of a list; pages count from 1 and are walked in order."""


class ApiV1:
    """The first standard: a path for each operation."""

    uses_api_key = False

    def create(self, operation: Operation, fields: Mapping[str, Any]) -> Call | Refused:
        """See Form."""
        return Call(str(operation.kling["method"]), operation.path, fields)

    def created(self, data: Row) -> Row:
        """See Form."""
        return data

    def questions(self, operation: Operation, name: str) -> Iterator[Question]:
        """See Form."""
        yield Question(Call("GET", f"{operation.path}/{quote(name, safe='')}"), _task)

    def page(self, operation: Operation, number: int, size: int) -> Page:
        """See Form."""
        return first_page(operation.path, number, size)


def _task(data: Any) -> Row:
    # What is not known has a code of its own: code 0 without a task says neither.
    if isinstance(data, Mapping) and data:
        return data
    raise OddError(found(data) if data else "empty")


def _tasks(data: Any) -> tuple[tuple[Row, ...], bool]:
    """The rows of a list that are tasks, and whether there is something else; null is an empty list."""
    rows = data if isinstance(data, list) else []
    tasks = tuple(one for one in rows if isinstance(one, Mapping))
    return tasks, len(tasks) < len(rows) or not (data is None or isinstance(data, list))


def first_page(path: str, number: int, size: int) -> Page:
    """One page of any of the first standard's lists."""

    def read(data: Any) -> Rows:
        tasks, odd = _tasks(data)
        return tasks, isinstance(data, list) and len(data) >= size, odd

    return Page(Call("GET", f"{path}?{urlencode({'pageNum': number, 'pageSize': size})}"), read)


@dataclass(slots=True)
class ApiV2:
    """The second standard: the model in the path, and all tasks in one place. Remembers where its pages begin."""

    uses_api_key: bool = True
    _cursors: dict[tuple[int, int], str] = field(default_factory=dict)

    @property
    def most(self) -> int:
        """How many tasks one question may ask for."""
        return int(table_of()["tasks"]["most"])

    def create(self, operation: Operation, fields: Mapping[str, Any]) -> Call | Refused:
        """See Form."""
        sent = encoded(operation, fields)
        if isinstance(sent, Sent):
            return Call(str(operation.kling["method"]), sent.path, sent.body)
        return Refused(_BAD_VALUE, sent.message, code_row(_BAD_VALUE))

    def created(self, data: Row) -> Row:
        """See Form."""
        return row(data)

    def questions(self, operation: Operation, name: str) -> Iterator[Question]:
        """See Form. Kling's ids are numbers, and so may be an external id that somebody else chose."""
        key = str(operation.kling["result"]["key"])

        def task(data: Any) -> Row | None:
            # Nothing is said for what is not known. All tasks are in one place: one of another sort is not meant.
            rows, odd = self.rows_of(data)
            named = [one for one in rows if name in (text(one.get("task_id")), external_id(one)) and _may_be(one, key)]
            if odd and not named:
                raise OddError(found(data) if not isinstance(data, list) else "a list with what are no tasks")
            return next(iter(named), None)

        if name.isdecimal():
            yield Question(self.by_ids([name]), task)
        yield Question(self.by_external_ids([name]), task)

    def by_ids(self, ids: list[str]) -> Call:
        """Tasks by their own ids, `most` at once."""
        return self._asked("task_id", ids)

    def by_external_ids(self, ids: list[str]) -> Call:
        """Tasks by their external ids, `most` at once."""
        return self._asked("external_task_id", ids)

    def _asked(self, by: str, ids: list[str]) -> Call:
        tasks = table_of()["tasks"]
        return Call("GET", f"{tasks['path']}?{tasks['by'][by]}={','.join(quote(one, safe='') for one in ids)}")

    def rows_of(self, data: Any) -> tuple[tuple[Row, ...], bool]:
        """The tasks of an answer to a question, and whether there is something else."""
        tasks, odd = _tasks(data)
        return tuple(map(row, tasks)), odd

    def page(self, operation: Operation, number: int, size: int) -> Page:
        """See Form."""
        tasks = table_of()["tasks"]
        words = tasks["list"]
        filters = [{"key": "product_type", "values": [operation.kind]}]
        fields = {words["limit"]: min(size, words["max"]), "filters": filters}
        if cursor := self._cursors.get((number, size)):
            fields[words["cursor"]] = cursor

        def read(data: Any) -> Rows:
            form = data if isinstance(data, Mapping) else {}
            cursor = text(form.get("next_cursor"))
            more = bool(form.get("has_more")) and bool(cursor)
            if more:
                self._cursors[number + 1, size] = cursor
            rows, odd = self.rows_of(form.get("result"))
            return rows, more, odd or not (data is None or isinstance(data, Mapping))

        return Page(Call("POST", str(tasks["path"]), fields), read)


def _may_be(one: Row, key: str) -> bool:
    """Whether a task may be of the sort whose results stand under a key: it has some there, or none yet."""
    result = one.get("task_result")
    return key in result if isinstance(result, Mapping) else True


def external_id(task: Row) -> str:
    """The external id of a task, as the first standard words it."""
    return text((task.get("task_info") or {}).get("external_task_id"))


def no_key() -> Refused:
    """The answer to whoever asks in the second standard without an API key; nothing is sent."""
    message = "the second standard takes an API key, no signed token: set KLING_API_KEY, and not KLING_ACCESS_KEY"
    return Refused(_BAD_KEY, message, code_row(_BAD_KEY))
