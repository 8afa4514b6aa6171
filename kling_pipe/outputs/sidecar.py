"""The `FILE.json` beside each output: where it came from. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kling_pipe.json_tree import map_leaves
from kling_pipe.keys import pruned
from kling_pipe.model import FileRef, Job, Json, Output, OutputRef, PresetRef, Record

FORMAT = 1


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
