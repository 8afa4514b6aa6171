"""What a picture or a clip shows, as plain values that travel to the render process as JSON. No drawing here."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

FRAME_RATE = 24


@dataclass(frozen=True, slots=True)
class Shot:
    """One shot of a clip: the text it was asked with and its length in seconds (0 in a still)."""

    prompt: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Reference:
    """A numbered reference picture. `label` is its token (`image_1`) or its field (`image_tail`).

    `name` is what identifies it: a URL, or the hash of its bytes. `path` is a local picture or clip; without one
    a swatch is drawn, its colour taken from `name`.
    """

    label: str
    name: str
    path: str = ""


@dataclass(frozen=True, slots=True)
class Card:
    """One result as a storyboard card. Sizes in pixels, times in seconds; `seconds` is 0 for a still.

    `index` of `count` tells the results of one task apart, from 1.
    """

    title: str
    detail: str
    width: int
    height: int
    shots: tuple[Shot, ...]
    references: tuple[Reference, ...] = ()
    seconds: float = 0.0
    sound: bool = False
    index: int = 1
    count: int = 1
    seed: str = ""

    @property
    def frames(self) -> int:
        """Frames of the clip: one more than the seconds asked for would need, as Kling's own clips have."""
        return round(self.seconds * FRAME_RATE) + 1

    @property
    def digest(self) -> str:
        """SHA-256 in hex of all that is shown, wherever the pictures lie; equal cards are equal files."""
        shown = asdict(self)
        for reference in shown["references"]:
            del reference["path"]
        return hashlib.sha256(json.dumps(shown, sort_keys=True).encode()).hexdigest()

    def shot_at(self, frame: int) -> int:
        """Index of the shot that plays at a frame, from 0."""
        end = 0.0
        for index, shot in enumerate(self.shots):
            end += shot.seconds
            if frame < round(end * FRAME_RATE):
                return index
        return len(self.shots) - 1


def from_json(data: Mapping[str, Any]) -> Card:
    """The card that `dataclasses.asdict` took apart."""
    shots = tuple(Shot(**shot) for shot in data["shots"])
    references = tuple(Reference(**reference) for reference in data["references"])
    return Card(**{**data, "shots": shots, "references": references})
