"""What a developer says of a new operation, and what goes without saying for its kind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

USUAL: Mapping[str, Mapping[str, Any]] = {
    "image": {"folder": "images", "extension": "png", "pack": "image", "per": "image", "seconds": 30},
    "video": {"folder": "videos", "extension": "mp4", "pack": "video", "per": "clip", "seconds": 120},
    "audio": {"folder": "audio", "extension": "mp3", "pack": "video", "per": "call", "seconds": 30},
}
KINDS = tuple(USUAL)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the developer said of the operation. `units` None is an unknown price."""

    name: str
    kind: str
    path: str
    prefix: str
    today: str
    models: tuple[str, ...] = ()
    units: float | None = None
    per: str = ""

    @property
    def rule(self) -> str:
        """The id of the one rule that the skeleton has."""
        return f"{self.prefix}-01"

    @property
    def pack(self) -> str:
        """The resource pack that pays for it."""
        return str(USUAL[self.kind]["pack"])

    @property
    def source_field(self) -> str:
        """The field that takes what goes in beside the prompt."""
        return "video_url" if self.kind == "audio" else "image"

    def todo(self, what: str) -> str:
        """A text that somebody has to write; the mark is what `left` looks for."""
        return f"{mark(self.name)}{what}."


def mark(name: str) -> str:
    """The start of each text of this operation that is left to fill in."""
    return f"TODO {name}: "


def default_path(name: str, kind: str) -> str:
    """The path that most operations of this kind would have."""
    return f"/v1/{USUAL[kind]['folder']}/{name}"


def default_per(kind: str) -> str:
    """What most prices of this kind are counted by."""
    return str(USUAL[kind]["per"])
