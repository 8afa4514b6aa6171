"""What ties a job to one account: an element, a voice, or a result that is named by its id there. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from kling_pipe.catalog import load as operation_named
from kling_pipe.model import FileRef, Job, Json, OutputRef, PresetRef
from kling_pipe.pointers import parts

_LIBRARY = ("element", "voice")


class Bond(NamedTuple):
    """One value that means something in one account only. `address` is the job that makes it, "" for an id by hand."""

    address: str
    at: str


def bonds(job: Job) -> list[Bond]:
    """What a job uses that lives in one account. A picture or film by its URL does not, nor does a preset."""
    fields = {parts(entry["at"]): entry for entry in operation_named(job.operation).kling["media"]}
    return list(_bonds(job.request, (), fields))


def is_free(job: Job) -> bool:
    """Whether a job costs no units, so that it may be made in a second account without a price."""
    return operation_named(job.operation).kling["pool"]["pack"] is None


def moved(job: Job, addresses: Mapping[str, str]) -> Job:
    """The job with other jobs in place of some that it uses. Its key stays: it was taken of what they ask for."""
    if not addresses:
        return job
    needs = tuple(addresses.get(need, need) for need in job.needs)
    return replace(job, request=_moved(job.request, addresses), needs=needs)


def _bonds(value: Json, at: tuple[str, ...], fields: Mapping[tuple[str, ...], Mapping[str, Any]]) -> Iterator[Bond]:
    if isinstance(value, Mapping):
        for name, one in value.items():
            yield from _bonds(one, (*at, name), fields)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _bonds(one, (*at, "*"), fields)
    elif isinstance(value, OutputRef):
        if value.kind in _LIBRARY or "as" in fields.get(at, {}):
            yield Bond(value.address, "/".join(at))
    elif at in fields and not isinstance(value, PresetRef | FileRef):
        entry = fields[at]
        if value and (entry["kind"] in _LIBRARY or "as" in entry):
            yield Bond("", "/".join(at))


def _moved(value: Json, addresses: Mapping[str, str]) -> Json:
    if isinstance(value, OutputRef):
        return replace(value, address=addresses.get(value.address, value.address))
    if isinstance(value, dict):
        return {name: _moved(one, addresses) for name, one in value.items()}
    return [_moved(one, addresses) for one in value] if isinstance(value, list) else value
