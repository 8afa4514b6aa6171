"""How the page names pictures: the seam between what is shown and where its bytes come from."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from kling_pipe.report.sheet.values import Picture


class Thumb(NamedTuple):
    """A small picture by its URL, with its size in pixels."""

    url: str
    width: int
    height: int


class Shelf(Protocol):
    """Gives the URLs of pictures, and remembers which were asked for. `inline`: the URLs carry the bytes themselves."""

    inline: bool

    def full(self, picture: Picture) -> str:
        """The whole file."""

    def thumb(self, picture: Picture) -> Thumb | None:
        """Its poster, or None when none could be drawn."""
