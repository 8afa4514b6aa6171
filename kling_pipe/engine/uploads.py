"""Local files by link: what Kling takes by URL only, and pictures too large to travel inside a request.

A file is put on the shelf once, before the create that needs it; its link is made anew for every request that is sent
and stands nowhere else. Keys never see it: a file is digested as its bytes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kling_pipe.catalog.operations import load_operation
from kling_pipe.core.json_pointer import Pointer, parts, pattern_of
from kling_pipe.core.json_tree import map_leaves_at
from kling_pipe.engine.job_errors import UnusableInputError
from kling_pipe.errors import LocalStateError
from kling_pipe.model import FileRef, Json, Plan
from kling_pipe.storage.outputs import LinkStore, link_store_name

Media = Sequence[Mapping[str, Any]]


@dataclass
class Publisher:
    """Puts files on a shelf and hands out links. Pictures of more than `images_over` bytes go by link, too."""

    shelf: LinkStore
    images_over: int
    _there: dict[str, asyncio.Task[None]] = field(default_factory=dict)

    async def link(self, file: FileRef) -> str:
        """A link to a file, uploaded first if it is not there. Raises LocalStateError, UnusableInputError."""
        try:
            name = await asyncio.to_thread(link_store_name, file)
            await self._stands(file, name)
        except FileNotFoundError:
            raise UnusableInputError(
                f"`{file.path}` is neither here nor where it was published: run again where the file is"
            ) from None
        except OSError as error:
            raise LocalStateError(f"`{file.path}` cannot be read: {error.strerror or error}") from error
        return await asyncio.to_thread(self.shelf.link, name)

    async def _stands(self, file: FileRef, name: str) -> None:
        """One upload for all jobs that ask at once; one that failed is tried again by the next that asks."""
        known = self._there.get(name)
        if known is None or (known.done() and (known.cancelled() or known.exception())):
            known = self._there[name] = asyncio.create_task(asyncio.to_thread(self._put, file, name))
        await asyncio.shield(known)

    def _put(self, file: FileRef, name: str) -> None:
        if not self.shelf.stands(name):
            self.shelf.put(name, Path(file.path), file.sha256)


def goes_by_link(file: FileRef, entry: Mapping[str, Any], images_over: float) -> bool:
    """Whether a file in a field (`entry` is what the operation's data says of it) is published."""
    return not entry.get("base64") or (file.kind == "image" and file.size > images_over)


async def linked(request: Mapping[str, Json], media: Media, publisher: Publisher | None) -> dict[str, Any]:
    """The request with a link in place of each file that goes by link. Raises UnusableInputError, LocalStateError."""
    fields = {parts(entry["at"]): entry for entry in media}

    async def value(item: Json, at: tuple[str, ...]) -> Json:
        if isinstance(item, Mapping):
            return {name: await value(one, (*at, name)) for name, one in item.items()}
        if isinstance(item, list | tuple):
            return [await value(one, (*at, "*")) for one in item]
        if isinstance(item, FileRef) and at in fields:
            return await file(item, fields[at])
        return item

    async def file(item: FileRef, entry: Mapping[str, Any]) -> FileRef | str:
        if publisher is not None and goes_by_link(item, entry, publisher.images_over):
            return await publisher.link(item)
        if publisher is None and not entry.get("base64"):
            raise UnusableInputError(
                f"Kling takes a {item.kind} by URL only, and nothing says where `{item.path}` may be published:"
                " name a bucket under `[publish]` in kling-pipe.toml"
            )
        return item

    return {name: await value(item, (name,)) for name, item in request.items()}


def files_by_link(plan: Plan, images_over: float) -> list[FileRef]:
    """The local files that a run of a plan publishes unless they are there already, each once. Pure."""
    found: dict[str, FileRef] = {}

    def seen(file: FileRef, entry: Mapping[str, Any]) -> FileRef:
        if goes_by_link(file, entry, images_over):
            found[file.sha256] = file
        return file

    for step in plan.steps:
        if step.pays:
            with_files(step.job.request, load_operation(step.job.operation).kling["media"], seen)
    return list(found.values())


def with_files(
    request: Mapping[str, Json], media: Media, change: Callable[[FileRef, Mapping[str, Any]], FileRef]
) -> dict[str, Any]:
    """The request with each file of a media field changed; `change` is given what the data says of the field."""
    fields = {parts(entry["at"]): entry for entry in media}

    def changed(at: Pointer, item: Json) -> Json:
        field = fields.get(pattern_of(at)) if isinstance(item, FileRef) else None
        return item if field is None else change(item, field)

    return dict(map_leaves_at(request, changed))
