"""What ties a job to one account: an element, a voice, or a result that is named by its id there. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from kling_pipe.catalog.operations import load_operation
from kling_pipe.core.json_pointer import parts, pattern_of
from kling_pipe.core.json_tree import leaves, map_leaves
from kling_pipe.model import FileRef, Job, Json, OutputRef, PresetRef

_LIBRARY = ("element", "voice")


class Affinity(NamedTuple):
    """One value that means something in one account only. `address` is the job that makes it, "" for an id by hand."""

    address: str
    at: str


def bonds(job: Job) -> list[Affinity]:
    """What a job uses that lives in one account. A picture or film by its URL does not, nor does a preset."""
    fields = {parts(entry["at"]): entry for entry in load_operation(job.operation).kling["media"]}
    return list(_bonds(job.request, fields))


def is_free(job: Job) -> bool:
    """Whether a job costs no units, so that it may be made in a second account without a price."""
    return load_operation(job.operation).kling["pool"]["pack"] is None


def moved(job: Job, addresses: Mapping[str, str]) -> Job:
    """The job with other jobs in place of some that it uses. Its key stays: it was taken of what they ask for."""
    if not addresses:
        return job
    needs = tuple(addresses.get(need, need) for need in job.needs)
    request = map_leaves(job.request, lambda one: _renamed(one, addresses) if isinstance(one, OutputRef) else one)
    return replace(job, request=request, needs=needs)


def _renamed(ref: OutputRef, addresses: Mapping[str, str]) -> OutputRef:
    return replace(ref, address=addresses.get(ref.address, ref.address))


def _bonds(request: Json, fields: Mapping[tuple[str, ...], Mapping[str, Any]]) -> Iterator[Affinity]:
    for pointer, value in leaves(request):
        at = pattern_of(pointer)
        entry = fields.get(at, {})
        if isinstance(value, OutputRef):
            if value.kind in _LIBRARY or "as" in entry:
                yield Affinity(value.address, "/".join(at))
        elif entry and value and not isinstance(value, PresetRef | FileRef) and _is_bound(entry):
            yield Affinity("", "/".join(at))


def _is_bound(entry: Mapping[str, Any]) -> bool:
    return entry["kind"] in _LIBRARY or "as" in entry
