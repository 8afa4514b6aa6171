"""A card as a PNG file, with the external id in its text chunks."""

from __future__ import annotations

from pathlib import Path

from PIL.PngImagePlugin import PngInfo

from kling_pipe.emulator.media import drawing
from kling_pipe.emulator.media.card import Card


def write(card: Card, target: Path, comment: str) -> None:
    """Draw the card and write it. `comment` (the external id) stands in the chunk `Comment`."""
    chunks = PngInfo()
    chunks.add_text("Software", "kling-pipe emulator")
    chunks.add_itxt("Comment", comment)
    drawing.base(card).save(target, "PNG", pnginfo=chunks, compress_level=1)
