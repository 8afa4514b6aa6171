"""The `[publish]` table of the settings: where local files go that Kling takes by link."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kling_pipe.core.text import nearest
from kling_pipe.errors import UsageError

if TYPE_CHECKING:
    from kling_pipe.engine.workspace import Workspace
    from kling_pipe.model import FileRef, Plan
    from kling_pipe.storage.outputs import Publish

_WORDS: Mapping[str, type | tuple[type, ...]] = {"to": str, "expires": str, "images_over_mb": (int, float)}
_SECONDS = {"m": 60, "h": 3600, "d": 24 * 3600}
_TIME = re.compile(r"([0-9]+(?:\.[0-9]+)?)([mhd])")


def publish_place(settings: Mapping[str, Any], environ: Mapping[str, str]) -> Publish | None:
    """Where files are published, and how; None when nothing says where. Raises UsageError."""
    from kling_pipe.storage.outputs import Publish
    from kling_pipe.storage.outputs.bucket import is_bucket

    table = dict(settings.get("publish", {}))
    for word, value in table.items():
        _check(word, value)
    to = environ.get("KLING_PIPE_PUBLISH") or table.get("to", "")
    if not to:
        if table:
            raise UsageError("`[publish]` does not say where", hint='Write to = "s3://bucket/prefix" there.')
        return None
    place = Publish(to)
    if not is_bucket(to):
        raise UsageError(f"`{to}` in `[publish]` is no bucket", hint="Write s3://bucket/prefix, gs://... or az://...")
    expires = _seconds(table["expires"]) if "expires" in table else place.expires
    over = round(table["images_over_mb"] * 1_000_000) if "images_over_mb" in table else place.images_over
    return Publish(to, expires, over)


def publishes(manifest: Path) -> bool:
    """Whether the settings of a manifest say where its local files may be published. Raises UsageError."""
    from kling_pipe.cli.config_file import settings_for

    return publish_place(settings_for(manifest.parent), os.environ) is not None


def uploads(plan: Plan, workspace: Workspace) -> tuple[list[FileRef], str]:
    """The local files that a run of a plan hands to Kling by link, and the name of the place where they go."""
    if not workspace.publishes:
        return [], ""
    place = workspace.publish
    where = "the emulator" if place is None else place.to
    if not any(step.pays for step in plan.steps):
        return [], where
    from kling_pipe.engine import Settings
    from kling_pipe.engine.uploads import files_by_link

    inline = Settings().inline_bytes
    return files_by_link(plan, inline if place is None else min(inline, place.images_over)), where


def _check(word: str, value: Any) -> None:
    if word not in _WORDS:
        near = nearest(word, _WORDS)
        hint = f"Did you mean `{near}`?" if near else f"It may say {', '.join(_WORDS)}."
        raise UsageError(f"`[publish]` has an unknown setting `{word}`", hint=hint)
    wanted = isinstance(value, _WORDS[word]) and not isinstance(value, bool)
    if not wanted or (isinstance(value, int | float) and not 0 <= value < 1e6):
        kind = "text" if _WORDS[word] is str else "a number of megabytes"
        raise UsageError(f"`{word}` in `[publish]` wants {kind}, not `{value}`", hint="Correct the line, or remove it.")


def _seconds(text: str) -> float:
    from kling_pipe.storage.outputs.upload_bucket import LONGEST

    found = _TIME.fullmatch(text.strip())
    seconds = float(found[1]) * _SECONDS[found[2]] if found else 0.0
    if not 60 <= seconds <= LONGEST:
        raise UsageError(
            f'`expires = "{text}"` in `[publish]` is no time that a link can be good for',
            hint="Write 12h or 2d; a bucket signs for 7d at most, and less than a minute is too short for Kling.",
        )
    return seconds
