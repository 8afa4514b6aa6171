"""Values that are known only at run time: another job's picture, clip or element, as the API wants it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from kling_pipe.catalog.operations import table
from kling_pipe.core.json_pointer import parts
from kling_pipe.engine.job_errors import UnusableInputError
from kling_pipe.model import FileRef, Json, Output, OutputRef, PresetRef, Record

_DAY = 24 * 3600.0

Upstream = Callable[[str], Record | None]
Renew = Callable[[Record], Awaitable[Record | None]]
Preset = Callable[[PresetRef], Awaitable[int | str]]


async def resolved(
    request: Mapping[str, Json],
    upstream: Upstream,
    renew: Renew,
    object_path: Callable[[str], Path],
    *,
    now: float,
    url_seconds: float,
    inline_bytes: int,
    media: Sequence[Mapping[str, Any]] = (),
    preset: Preset | None = None,
    publishes: bool = False,
) -> dict[str, Any]:
    """The request with each `OutputRef` as an id, a URL, or a file to send or (if `publishes`) to be published.

    Raises UnusableInputError.

    `media` are the fields that hold such values, as the operation's data lists them: some want the id that Kling gave a
    result, some take bytes. `preset` asks for the id of a ready-made thing. `renew` asks Kling for the task again
    (fresh URLs), and gives None when Kling no longer knows it.
    """
    renewed: dict[str, Record | None] = {}
    fields = {parts(entry["at"]): entry for entry in media}

    async def fresh(record: Record) -> Record | None:
        if record.external_task_id not in renewed:
            renewed[record.external_task_id] = await renew(record)
        return renewed[record.external_task_id]

    async def value(item: Json, at: tuple[str, ...]) -> Json:
        if isinstance(item, Mapping):
            return {name: await value(one, (*at, name)) for name, one in item.items()}
        if isinstance(item, list | tuple):
            return [await value(one, (*at, "*")) for one in item]
        if isinstance(item, OutputRef):
            return await reference(item, fields.get(at, {}))
        if isinstance(item, PresetRef):
            assert preset is not None
            return await preset(item)
        return item

    async def reference(wanted: OutputRef, entry: Mapping[str, Any]) -> Json:
        record = upstream(wanted.address)
        if record is None:
            raise UnusableInputError(f"`{wanted.address}` is not made")
        output = _output(record, wanted)
        if output.element_id is not None:
            return output.element_id
        if "as" in entry or wanted.kind == "voice":
            return _id(record, output, wanted, entry, now)
        if output.url and now * 1000 - output.url_at < url_seconds * 1000:
            return output.url
        again = await fresh(record)
        if again is not None and (renewed_output := _output(again, wanted)).url and renewed_output.url_at:
            return renewed_output.url
        if publishes:
            return _saved(output, wanted, object_path)
        if not entry.get("base64", wanted.kind == "image"):
            raise UnusableInputError(
                f"`{wanted.address}` has no URL any more, and Kling takes a {wanted.kind} by URL only:"
                f" remake it with --replace {wanted.address}"
            )
        if output.size > inline_bytes:
            limit = inline_bytes // 1_000_000
            raise UnusableInputError(f"`{wanted.address}` has no URL any more, and its file is larger than {limit} MB")
        return _saved(output, wanted, object_path)

    return {name: await value(item, (name,)) for name, item in request.items()}


def _id(record: Record, output: Output, wanted: OutputRef, entry: Mapping[str, Any], now: float) -> str:
    """The id that Kling gave an output; some calls take it from a young task alone."""
    days = table("media")["limits"].get(entry.get("limits"), {}).get("max_days")
    if days and record.created_at and now - record.created_at / 1000 > days * _DAY:
        raise UnusableInputError(
            f"`{wanted.address}` was made more than {days} days ago, and Kling takes no older one here:"
            f" remake it with --replace {wanted.address}"
        )
    if not output.id:
        raise UnusableInputError(f"Kling gave `{wanted.address}` no id by which it could be used here")
    return output.id


def _output(record: Record, wanted: OutputRef) -> Output:
    for output in record.outputs:
        if output.index == wanted.output:
            return output
    count = len(record.outputs)
    raise UnusableInputError(
        f"`{wanted.address}` has {count} output{'' if count == 1 else 's'}, no number {wanted.output}"
    )


def _saved(output: Output, wanted: OutputRef, object_path: Callable[[str], Path]) -> FileRef:
    path = object_path(output.sha256) if output.sha256 else None
    if path is None or not path.is_file():
        raise UnusableInputError(f"`{wanted.address}` has neither a URL nor a saved file any more")
    return FileRef(str(path), output.sha256, output.size, wanted.kind)
