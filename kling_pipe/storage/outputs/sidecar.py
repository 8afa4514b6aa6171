"""The `FILE.json` beside each output: where it came from. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from kling_pipe.core.json_tree import map_leaves
from kling_pipe.core.keys import pruned
from kling_pipe.model import FileRef, Job, Json, Output, OutputRef, PresetRef, Record
from kling_pipe.storage.record_fields import OUTPUT, RECORD, Fault, Rule, faults, is_plain_json, is_text

FORMAT = 1
_NEEDED = frozenset(
    ("address", "operation", "external_task_id", "task_id", "key", "take", "attempt", "units", "output", "request")
)
_TEXT = Rule("text", is_text)
_FIELDS: Mapping[str, Rule] = {
    **RECORD,
    **dict.fromkeys(("units", "source"), _TEXT),
    "sha256": OUTPUT["sha256"],
    "size": OUTPUT["size"],
    "emulated": Rule("true or false", lambda value: isinstance(value, bool)),
    "path": OUTPUT["path"],
}
_OUTPUT: Mapping[str, Rule] = {**OUTPUT, "duration": _TEXT}
_REFERENCE: Mapping[str, Rule] = {
    "$ref": _TEXT,
    "output": OUTPUT["index"],
    "external_task_id": RECORD["external_task_id"],
    "task_id": RECORD["task_id"],
    "element_id": OUTPUT["element_id"],
}


def sidecar_form(
    job: Job, record: Record, output: Output, sources: Mapping[str, Record], *, emulated: bool, draft: str = ""
) -> Json:
    """Everything that tells where a file came from, as JSON.

    `sources` are the records of upstream jobs by address. Local files stand as hashes, never as base64; URLs, which
    are signed, do not stand here at all. `draft` is the external id of the draft that this is the final version of.
    """
    position = job.position
    return {
        "format_version": FORMAT,
        "address": job.address,
        "emulated": emulated,
        "account": record.account,
        "operation": record.operation,
        "external_task_id": record.external_task_id,
        "task_id": record.task_id,
        "key": record.key,
        "take": record.take,
        "attempt": record.attempt,
        "created_at": record.created_at,
        "updated_at": record.updated_at,
        "units": record.units,
        "output": {"index": output.index, "id": output.id, "duration": output.duration},
        "sha256": output.sha256,
        "size": output.size,
        "request": plain(pruned(job.request), sources),
        "source": str(position) if position else "",
        **({"draft": draft} if draft else {}),
    }


def sidecar_faults(form: Mapping[str, Any]) -> Iterator[Fault]:
    """What stands in a sidecar and may not: it lies beside a file that may be from anywhere."""
    for name in sorted(_NEEDED - form.keys()):
        yield Fault(name, None, "a value")
    yield from faults(form, _FIELDS)
    output = form.get("output")
    if not isinstance(output, dict) or "index" not in output:
        yield Fault("output", output, "the fields of an output")
    else:
        yield from faults(output, _OUTPUT, "output.")
    request = form.get("request")
    if not isinstance(request, dict) or not is_plain_json(request):
        yield Fault("request", "...", "a request's fields")
    else:
        yield from _reference_faults(request)


def _reference_faults(value: Json) -> Iterator[Fault]:
    if isinstance(value, dict):
        if "$ref" in value:
            yield from faults(value, _REFERENCE, "request: ")
        for item in value.values():
            yield from _reference_faults(item)
    elif isinstance(value, list):
        for item in value:
            yield from _reference_faults(item)


def plain(value: Json, sources: Mapping[str, Record]) -> Json:
    """A request with references and files as short JSON."""
    return map_leaves(value, lambda leaf: _plain(leaf, sources))


def _plain(leaf: Json, sources: Mapping[str, Record]) -> Json:
    if isinstance(leaf, OutputRef):
        return {"$ref": leaf.address, "output": leaf.output, **_origin(sources.get(leaf.address), leaf.output)}
    if isinstance(leaf, PresetRef):
        return {"preset": leaf.name}
    if isinstance(leaf, FileRef):
        return {"file": leaf.path.replace("\\", "/").rpartition("/")[2], "sha256": leaf.sha256, "size": leaf.size}
    return leaf


def _origin(record: Record | None, index: int) -> dict[str, Any]:
    if record is None:
        return {}
    output = next((one for one in record.outputs if one.index == index), None)
    element = {"element_id": output.element_id} if output and output.element_id is not None else {}
    return {"external_task_id": record.external_task_id, "task_id": record.task_id, **element}
