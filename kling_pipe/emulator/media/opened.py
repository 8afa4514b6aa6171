"""The picture that a file shows: a picture itself, or the first one of a film."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PIL import Image, ImageOps

_FILMS = (".mp4", ".mov")
_WHITE = (255, 255, 255, 255)


def opened(path: Path) -> Image.Image:
    """Upright, on white, in RGB. Raises OSError, ValueError, SyntaxError and Pillow's errors for what shows none."""
    if path.suffix in _FILMS:
        return _first_frame(path)
    with Image.open(path) as picture:
        picture.draft("RGB", (512, 512))  # JPEG decodes small at once; ignored for other formats
        upright = ImageOps.exif_transpose(picture).convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", upright.size, _WHITE), upright).convert("RGB")


def _first_frame(path: Path) -> Image.Image:
    import av  # only where a film is shown: pictures do not need it

    with av.open(str(path)) as container:
        frame: Any = next(container.decode(video=0))
        picture: Image.Image = frame.to_image()
    return picture
