"""Jobs as JSON, and back: what travels from the machine that plans to those that work. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, fields
from typing import Any

from kling_pipe.core.json_tree import find_leaves, map_leaves
from kling_pipe.core.keys import ExistingId
from kling_pipe.model import FileRef, Job, Json, OutputRef, PresetRef

_LEAVES = {one.__name__: one for one in (FileRef, OutputRef, PresetRef)}
_MARK = "$kling-pipe"
_TUPLES = ("needs", "tags", "former_keys")


def job_form(job: Job) -> dict[str, Any]:
    """A job as JSON. The place in the manifest stays behind: it means nothing elsewhere."""
    form = {one.name: getattr(job, one.name) for one in fields(job) if one.name not in ("position", "request")}
    if not job.former_keys:  # a worker of an earlier version knows no such field
        del form["former_keys"]
    return {**form, "cell": dict(job.cell), "request": map_leaves(job.request, _form)}


def job_of(form: Mapping[str, Any]) -> Job:
    """The job of a form."""
    values = {**form, "request": _value(form["request"]), **{name: tuple(form.get(name, ())) for name in _TUPLES}}
    return Job(**values)


def files_of(value: Json) -> Iterator[FileRef]:
    """The local files in a request."""
    return find_leaves(value, FileRef)


def _form(value: Json) -> Json:
    if isinstance(value, FileRef | OutputRef | PresetRef):
        return {_MARK: type(value).__name__, **asdict(value)}
    if isinstance(value, ExistingId):
        return {_MARK: "ExistingId", "id": str(int(value))}
    return value


def _value(form: Json) -> Json:
    if isinstance(form, list):
        return [_value(one) for one in form]
    if not isinstance(form, Mapping):
        return form
    values = {name: _value(one) for name, one in form.items() if name != _MARK}
    if form.get(_MARK) == "ExistingId":
        return ExistingId(int(form["id"]))
    return _LEAVES[form[_MARK]](**values) if _MARK in form else values
