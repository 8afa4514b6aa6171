"""What a picture is, by Pillow, from its header alone."""

from __future__ import annotations

from typing import IO

from kling_pipe.media.facts import Facts

HEADER = 1 << 18
"""Bytes in which a picture's size stands, but for pictures with very much text before it."""


def picture_facts(file: IO[bytes], size: int | None) -> Facts | None:
    """Format and pixels; None for what is no picture that Pillow knows. Never raises for what a file holds."""
    import warnings

    from PIL import Image

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's doubts about a header are nobody's next step
        try:
            with Image.open(file) as image:
                return Facts("image", (image.format or "").lower(), size, image.width, image.height)
        except Exception:  # a damaged header raises whatever its reader trips over
            return None
