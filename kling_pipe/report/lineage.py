"""From a made thing up to its first inputs, read from sidecars: what it was made from, what that was made from, ..."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from kling_pipe.catalog.operations import operations
from kling_pipe.core.json_pointer import walk

Sidecar = Mapping[str, Any]
Find = Callable[[str], Sidecar | None]
"""The sidecar of a task by its external id, if anybody here has it."""

_DEEPEST = 50


@dataclass(frozen=True, slots=True)
class Origin:
    """One input. `note` is its file, id or task; `known` is its own sidecar, None for files and what is unknown."""

    name: str
    note: str
    known: Sidecar | None = None
    inputs: tuple[Origin, ...] = ()


def origins(form: Sidecar, find: Find, deep: int = 0) -> tuple[Origin, ...]:
    """What the thing was made from, each with what it was made from. Each input once, in the order of the request."""
    found: dict[str, Origin] = {}
    for value in (*_leaves(form["request"]), *_ids_and_urls(form)):
        origin = _origin(value, find, deep)
        found.setdefault(f"{origin.name} {origin.note}", origin)
    return tuple(found.values())


def lineage_text(form: Sidecar, find: Find, facts: Sequence[tuple[str, str]] = ()) -> str:
    """Everything about a made thing as lines. `facts` are what only the caller knows: the file, the commit."""
    rows = [*facts, *_facts(form)]
    width = max(len(name) for name, _ in rows)
    lines = [_title(form), *(f"  {name:<{width}}  {value}" for name, value in rows)]
    if form["request"]:
        lines += ["", "  request", *(f"    {line}" for line in _request(form["request"]))]
    made_from = origins(form, find)
    if made_from:
        lines += ["", "  made from", *(f"    {line}" for one in made_from for line in _tree(one))]
    return "\n".join(lines)


def _title(form: Sidecar) -> str:
    emulated = " (emulated)" if form.get("emulated") else ""
    take = f", take {form['take']}" if form["take"] > 1 else ""
    return f"{form['address']}{take if '#' not in form['address'] else ''}{emulated}"


def _facts(form: Sidecar) -> Iterator[tuple[str, str]]:
    yield "operation", form["operation"]
    yield "task", f"{form['task_id']} ({form['external_task_id']})"
    if form.get("draft"):
        yield "draft", form["draft"]
    if form["attempt"] > 1:
        yield "attempt", str(form["attempt"])
    if form.get("created_at"):
        when = f"{datetime.fromtimestamp(form['created_at'] / 1000, UTC):%Y-%m-%d %H:%M:%S} UTC"
        took = (form.get("updated_at", 0) - form["created_at"]) / 1000
        yield "made", f"{when}, {took:.0f} s at Kling" if took > 0 else when
    yield "units", form["units"] or "unknown"
    if form.get("source"):
        yield "manifest", form["source"]
    if not form["request"]:
        yield "request", "not known: no manifest here asks for it"


def _request(request: Mapping[str, Any]) -> Iterator[str]:
    """The request's own words; inputs stand below, with their lineage."""
    for name, value in request.items():
        if isinstance(value, str | int | float):
            yield f"{name}: {str(value).lower() if isinstance(value, bool) else value}"
        elif isinstance(value, list) and all(isinstance(one, Mapping) for one in value):
            for one in value:
                words = [f"{key}: {item}" for key, item in one.items() if not isinstance(item, Mapping | list)]
                if words and not any(isinstance(item, Mapping) for item in one.values()):
                    yield f"{name}: " + ", ".join(words)


def _tree(origin: Origin, indent: int = 0) -> Iterator[str]:
    yield f"{'  ' * indent}{origin.name}  {origin.note}".rstrip()
    for one in origin.inputs:
        yield from _tree(one, indent + 1)


def _origin(value: Any, find: Find, deep: int) -> Origin:
    if isinstance(value, Mapping) and "$ref" in value:
        known = find(value.get("external_task_id", ""))
        element = f"element {value['element_id']}, " if "element_id" in value else ""
        output = f":{value['output']}" if value.get("output", 1) > 1 else ""
        inputs = origins(known, find, deep + 1) if known is not None and deep < _DEEPEST else ()
        return Origin(f"{value['$ref']}{output}", f"{element}{value.get('external_task_id', '')}", known, inputs)
    if isinstance(value, Mapping):
        return Origin(str(value["file"]), f"sha256 {str(value['sha256'])[:12]}")
    return Origin(str(value), "")


def _leaves(value: Any) -> Iterator[Any]:
    """References and files, wherever they stand."""
    if isinstance(value, Mapping):
        if "$ref" in value or ("file" in value and "sha256" in value):
            yield value
            return
        for item in value.values():
            yield from _leaves(item)
    elif isinstance(value, list):
        for item in value:
            yield from _leaves(item)


def _ids_and_urls(form: Sidecar) -> Iterator[str]:
    """Inputs that were named by an id or a URL: where lineage ends outside of this house."""
    operation = operations().get(form["operation"])
    for medium in operation.kling["media"] if operation else ():
        for _, value in walk(form["request"], medium["at"]):
            if isinstance(value, str | int):
                yield str(value)
