"""`schemas/` as values: one `Operation` per file, plus the shared tables. Knows no operation by name."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from kling_pipe.catalog.conditions import compiled
from kling_pipe.catalog.defaults import Body, filler, written
from kling_pipe.errors import LocalStateError


class UnknownOperationError(LocalStateError, KeyError):
    """No operation has this name. Names come from files, too: a lock or a ledger that another version wrote."""

    def __init__(self, name: str) -> None:
        hint = "update kling-pipe, or restore the lock or ledger that names it; nothing was changed"
        super().__init__(f"there is no operation `{name[:64]}`", hint=hint)

    def __str__(self) -> str:
        return self.message


def schemas_folder() -> Path:
    """The `schemas/` folder: inside the installed package if it is there, else beside the package (a checkout)."""
    inside = Path(__file__).parent.parent / "schemas"
    return inside if inside.is_dir() else Path(__file__).parents[2] / "schemas"


@cache
def table(name: str) -> Mapping[str, Any]:
    """One shared table of `schemas/` by name: `errors`, `pricing`, `capabilities`, `media`, ..."""
    return _read(schemas_folder() / f"{name}.json")


def _read(path: Path) -> Mapping[str, Any]:
    data: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return data


@dataclass(frozen=True, slots=True, eq=False)
class Operation:
    """One kind of API call, as `schemas/operations/<name>.json` describes it.

    `schema` is the whole file with shared fields and rules put in: draft 2020-12 for the request body, and `x-kling`.
    """

    name: str
    schema: Mapping[str, Any]

    @property
    def kling(self) -> Mapping[str, Any]:
        """Method, path, results, states, media, pool and rules."""
        data: Mapping[str, Any] = self.schema["x-kling"]
        return data

    @property
    def kind(self) -> str:
        """The manifest kind that this operation makes: `element`, `image`, `video`."""
        return str(self.kling["kind"])

    @property
    def path(self) -> str:
        """Path of the create call; single GETs append `/{id}`."""
        return str(self.kling["path"])

    @property
    def fields(self) -> Mapping[str, Any]:
        """The request body's fields and their schemas."""
        data: Mapping[str, Any] = self.schema["properties"]
        return data

    @property
    def rules(self) -> list[Mapping[str, Any]]:
        """The cross-field rules, shared ones included, in the order in which they are checked."""
        data: list[Mapping[str, Any]] = self.kling["rules"]
        return data


@cache
def names() -> tuple[str, ...]:
    """The names of all operations, sorted."""
    return tuple(sorted(path.stem for path in (schemas_folder() / "operations").glob("*.json")))


@cache
def load_operation(name: str) -> Operation:
    """One operation by its name; UnknownOperationError when there is none. Reads its file only."""
    if name not in names():
        raise UnknownOperationError(name)
    raw = _read(schemas_folder() / "operations" / f"{name}.json")
    schema: dict[str, Any] = _with_shared_fields(raw)
    schema["x-kling"] = {**raw["x-kling"], "rules": _with_shared_rules(raw["x-kling"]["rules"])}
    return Operation(name, schema)


@cache
def operations() -> Mapping[str, Operation]:
    """All operations by name, in the order of their names."""
    return {name: load_operation(name) for name in names()}


@cache
def type_key(kind: str) -> str:
    """Return the field that says what sort of a `kind` is made: an element from pictures, or from a film."""
    results = (one.kling["result"] for one in operations().values() if one.kind == kind)
    return next(str(result["type_keys"][0]) for result in results if "type_keys" in result)


def find(name_or_path: str) -> Operation | None:
    """An operation by its name (`omni-video`) or its path (`/v1/videos/omni-video`, slash at the end or not)."""
    wanted = name_or_path.rstrip("/")
    if wanted in names():
        return load_operation(wanted)
    return next((one for one in operations().values() if one.path == wanted), None)


def _with_shared_fields(value: Any) -> Any:
    """Every `{"$ref": "../fields.json#/<name>"}` replaced by the field; keys beside the `$ref` win."""
    if isinstance(value, list):
        return [_with_shared_fields(item) for item in value]
    if not isinstance(value, dict):
        return value
    own = {name: _with_shared_fields(inner) for name, inner in value.items() if name != "$ref"}
    if "$ref" not in value:
        return own
    shared: Mapping[str, Any] = table("fields")[value["$ref"].removeprefix("../fields.json#/")]
    return {**shared, **own}


def _with_shared_rules(entries: list[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    shared = table("rules")
    flat = [rule for entry in entries for rule in (shared[entry["group"]] if "group" in entry else [entry])]
    return [*flat, *shared["general"]]


@cache
def _fill(operation: Operation) -> Any:
    return filler(operation.schema) or dict


def as_read(operation: Operation, body: Mapping[str, Any]) -> Body:
    """The body as Kling reads it: blank fields dropped, the vendor's defaults filled in."""
    return with_defaults(operation, written(body))


def with_defaults(operation: Operation, body: Body) -> Body:
    """A body whose blank fields are dropped already, with the vendor's defaults filled in."""
    filled: Body = _fill(operation)(body)
    return filled


def output_count(operation: Operation, request: Mapping[str, Any]) -> int | None:
    """How many outputs a request makes; None when only the result tells (`series_amount: auto`)."""
    return _count(operation.kling["outputs"]["count"], as_read(operation, request))


def weight(operation: Operation, request: Mapping[str, Any]) -> int:
    """How many slots of its pool a request takes, 0 if it only pays from the pack.

    At most as many as it could take when that is not known before.
    """
    found = _count(operation.kling["pool"]["weight"], as_read(operation, request))
    return 1 if found is None else found


def quota(operation: Operation, request: Mapping[str, Any]) -> tuple[str | None, str]:
    """The pool that a request takes its slots from: pack (`video`, `image`, None for no slot) and model (or `""`)."""
    pool = operation.kling["pool"]
    model = as_read(operation, request).get(pool["model"], "") if pool["model"] else ""
    return pool["pack"], str(model)


def _count(form: Any, body: Body) -> int | None:
    """A count in the data: a number, `{field, default, unknown?}`, or a list of cases `{when?, count}`."""
    if isinstance(form, int):
        return form
    if isinstance(form, list):
        case = next(one for one in form if "when" not in one or compiled(one["when"])(body))
        return _count(case["count"], body)
    found = body.get(form["field"], form["default"])
    if isinstance(found, str) and found.isdecimal():
        found = int(found)
    return found if isinstance(found, int) and not isinstance(found, bool) else form.get("unknown")


@cache
def _error_rows() -> Mapping[int, Mapping[str, Any]]:
    return {row["code"]: row for row in table("errors")["codes"]}


def error(code: int) -> Mapping[str, Any]:
    """What an answer's `code` means: its row of `schemas/errors.json`, or the one for codes that nobody knows."""
    return _error_rows().get(code) or table("errors")["unknown"]


@cache
def _failure_patterns() -> list[tuple[str, re.Pattern[str]]]:
    return [(row["class"], re.compile(row["pattern"])) for row in table("errors")["failures"]]


def failure_class(message: str) -> str:
    """What kind of failure a task's `task_status_msg` tells of: moderation, input, transient, or unknown."""
    return next((kind for kind, pattern in _failure_patterns() if pattern.search(message)), "unknown")
