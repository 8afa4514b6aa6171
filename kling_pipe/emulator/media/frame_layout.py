"""Where things stand on a card. Published, so that a test can look for a picture in its numbered place.

+----------------------------------------+
| EMULATED                        title  |  header
|  SHOT 2/4                              |
|  the prompt of the shot                |  panel
|  [1] [2] [3]                           |  thumbnails, in the order of the references
| =====|=======>-----|------------------ |  strip: progress with the shots' boundaries
+----------------------------------------+
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple


class Box(NamedTuple):
    """A rectangle in pixels; right and bottom are outside."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        """Pixels from left to right."""
        return self.right - self.left

    @property
    def height(self) -> int:
        """Pixels from top to bottom."""
        return self.bottom - self.top

    @property
    def center(self) -> tuple[int, int]:
        """The pixel in the middle."""
        return (self.left + self.right) // 2, (self.top + self.bottom) // 2


@dataclass(frozen=True, slots=True)
class Layout:
    """The geometry of a card of `width` x `height` pixels that shows `references` pictures."""

    width: int
    height: int
    references: int = 0

    @property
    def unit(self) -> int:
        """A hundredth of the shorter side, the measure of all margins and letters."""
        return max(1, min(self.width, self.height) // 100)

    @property
    def margin(self) -> int:
        """Free space at the card's edges."""
        return 4 * self.unit

    @property
    def header(self) -> Box:
        """The line with `EMULATED` and the title."""
        return Box(self.margin, self.margin, self.width - self.margin, self.margin + 6 * self.unit)

    @property
    def strip(self) -> Box:
        """The full-width band at the foot that changes with every frame; even numbers, as chroma planes need."""
        top = (self.height - 13 * self.unit) // 2 * 2
        return Box(0, top, self.width, self.height)

    @property
    def bar(self) -> Box:
        """The progress bar; its full width is the whole clip."""
        top = self.strip.top + 6 * self.unit
        return Box(self.margin, top, self.width - self.margin, top + 2 * self.unit)

    @property
    def columns(self) -> int:
        """Thumbnails in a row; a long list takes two rows, or three where the card stands upright."""
        per_row = 8 if self.width > self.height else 5
        rows = math.ceil(self.references / per_row) or 1
        return math.ceil(self.references / rows)

    @property
    def thumbnail_side(self) -> int:
        """Thumbnails are squares of this many pixels."""
        if not self.references:
            return 0
        room = self.width - 2 * self.margin - (self.columns - 1) * self.gap
        return min(22 * self.unit, room // self.columns)

    @property
    def gap(self) -> int:
        """Space between thumbnails, from side to side."""
        return 2 * self.unit

    @property
    def row_height(self) -> int:
        """A row of thumbnails with the labels below them."""
        return self.thumbnail_side + 5 * self.unit

    def thumbnail(self, number: int) -> Box:
        """The place of the reference that stands `number`th (from 1) in the card's list."""
        row, column = divmod(number - 1, self.columns)
        rows = math.ceil(self.references / self.columns)
        left = self.margin + column * (self.thumbnail_side + self.gap)
        top = self.strip.top - (rows - row) * self.row_height
        return Box(left, top, left + self.thumbnail_side, top + self.thumbnail_side)

    @property
    def panel(self) -> Box:
        """The shot's number and prompt."""
        floor = self.thumbnail(1).top if self.references else self.strip.top
        top = self.header.bottom + 3 * self.unit
        return Box(self.margin, top, self.width - self.margin, max(top + 12 * self.unit, floor - 2 * self.unit))

    def bar_at(self, fraction: float) -> int:
        """The column of the progress bar at a fraction of the clip."""
        return self.bar.left + round(self.bar.width * min(1.0, max(0.0, fraction)))
