"""Files that go to Kling by link, in a fleet: uploaded by who plans, signed for by who sends.

A worker never has such a file: in its job it stands under its name in the bucket.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from kling_pipe.catalog.operations import load_operation
from kling_pipe.engine.settings import Settings
from kling_pipe.engine.uploads import Publisher, goes_by_link, with_files
from kling_pipe.errors import LocalStateError
from kling_pipe.model import FileRef, Plan, Step
from kling_pipe.storage.effects import Effects
from kling_pipe.storage.outputs import BucketLinkStore, Publish, link_store_name
from kling_pipe.storage.outputs.file_names import suffix_of

_SCHEME = "published:/"


def publish_form(place: Publish | None) -> dict[str, Any]:
    """Where files are published, as JSON; empty for nowhere."""
    return asdict(place) if place else {}


def published(plan: Plan, place: Publish | None, effects: Effects) -> Plan:
    """The plan with its files that go by link uploaded, and standing under their names there. Raises LocalStateError.

    Uploads what is not there yet. Without a place it is the plan as it is.
    """
    if place is None:
        return plan
    shelf, known = BucketLinkStore(place, effects), set[str]()
    over = _images_over(place)

    def moved(file: FileRef, entry: Mapping[str, Any]) -> FileRef:
        if not goes_by_link(file, entry, over):
            return file
        try:
            name = link_store_name(file)
            if name not in known and not shelf.stands(name):
                shelf.put(name, Path(file.path), file.sha256)
        except OSError as error:
            raise LocalStateError(f"`{file.path}` cannot be read: {error.strerror or error}") from error
        known.add(name)
        own = Path(file.path).name
        return replace(file, path=_SCHEME + (own if suffix_of(own) else name))

    def step(one: Step) -> Step:
        if one.action not in ("create", "retry", "resume"):
            return one
        media = load_operation(one.job.operation).kling["media"]
        return replace(one, job=replace(one.job, request=with_files(one.job.request, media, moved)))

    return replace(plan, steps=tuple(map(step, plan.steps)))


def is_published(file: FileRef) -> bool:
    """Whether a file of a queued job lies in the bucket, and not in the database."""
    return file.path.startswith(_SCHEME)


def publisher_of(form: Mapping[str, Any], effects: Effects) -> Publisher | None:
    """Who hands out links for a campaign, by its form."""
    if not form:
        return None
    place = Publish(**form)
    return Publisher(BucketLinkStore(place, effects), _images_over(place))


def _images_over(place: Publish) -> int:
    return min(place.images_over, Settings().inline_bytes)
