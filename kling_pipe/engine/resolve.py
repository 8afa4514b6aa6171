"""Values that are known only at run time: another job's picture, clip or element, as the API wants it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from kling_pipe.engine.reasons import UnusableInputError
from kling_pipe.model import FileRef, Json, Output, OutputRef, Record

Upstream = Callable[[str], Record | None]
Renew = Callable[[Record], Awaitable[Record | None]]


async def resolved(
    request: Mapping[str, Json],
    upstream: Upstream,
    renew: Renew,
    object_path: Callable[[str], Path],
    *,
    now: float,
    url_seconds: float,
    inline_bytes: int,
) -> dict[str, Any]:
    """The request with each `OutputRef` as an element id, a URL, or a file to send. Raises UnusableInputError.

    `renew` asks Kling for the task again (fresh URLs), and gives None when Kling no longer knows it.
    """
    renewed: dict[str, Record | None] = {}

    async def fresh(record: Record) -> Record | None:
        if record.external_task_id not in renewed:
            renewed[record.external_task_id] = await renew(record)
        return renewed[record.external_task_id]

    async def value(item: Json) -> Json:
        if isinstance(item, Mapping):
            return {name: await value(one) for name, one in item.items()}
        if isinstance(item, list | tuple):
            return [await value(one) for one in item]
        if isinstance(item, OutputRef):
            return await reference(item)
        return item

    async def reference(wanted: OutputRef) -> Json:
        record = upstream(wanted.address)
        if record is None:
            raise UnusableInputError(f"`{wanted.address}` is not made")
        output = _output(record, wanted)
        if output.element_id is not None:
            return output.element_id
        if output.url and now * 1000 - output.url_at < url_seconds * 1000:
            return output.url
        again = await fresh(record)
        if again is not None and _output(again, wanted).url:
            return _output(again, wanted).url
        return _saved(output, wanted, object_path, inline_bytes)

    return {name: await value(item) for name, item in request.items()}


def _output(record: Record, wanted: OutputRef) -> Output:
    for output in record.outputs:
        if output.index == wanted.output:
            return output
    count = len(record.outputs)
    raise UnusableInputError(
        f"`{wanted.address}` has {count} output{'' if count == 1 else 's'}, no number {wanted.output}"
    )


def _saved(output: Output, wanted: OutputRef, object_path: Callable[[str], Path], inline_bytes: int) -> FileRef:
    if wanted.kind != "image":
        raise UnusableInputError(
            f"`{wanted.address}` has no URL any more, and Kling takes a {wanted.kind} by URL only:"
            f" remake it with --replace {wanted.address}"
        )
    path = object_path(output.sha256) if output.sha256 else None
    if path is None or not path.is_file():
        raise UnusableInputError(f"`{wanted.address}` has neither a URL nor a saved file any more")
    if output.size > inline_bytes:
        limit = inline_bytes // 1_000_000
        raise UnusableInputError(f"`{wanted.address}` has no URL any more, and its file is larger than {limit} MB")
    return FileRef(str(path), output.sha256, output.size, wanted.kind)
