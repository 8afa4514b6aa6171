"""Small pictures of results: the first telling frame of a film, a still made small. Kept by checksum, made once."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kling_pipe.storage.effects import Effects
from kling_pipe.storage.outputs.safe_path import must_stay
from kling_pipe.storage.temp_files import part_of, sweep

if TYPE_CHECKING:
    from PIL.Image import Image

WIDTH = 640
"""Pixels on the longer side: sharp on a phone, 20 to 40 kB."""

_FRAMES = 12
"""How many frames into a film the poster is: the very first is often black."""


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """A small picture on the disk with its size in pixels."""

    path: Path
    width: int
    height: int


class Thumbnails:
    """A folder of posters, one per checksum. What cannot be drawn has none: the page does without."""

    def __init__(self, folder: Path, effects: Effects | None = None) -> None:
        self._folder = folder
        self._effects = effects or Effects()

    def of(self, files: Iterable[tuple[str, Path]]) -> Mapping[str, Thumbnail]:
        """The posters of files (checksum, path) by checksum. Decodes on all cores; skips what is there already."""
        must_stay(self._folder, self._folder.parent)
        sweep([self._folder])
        wanted: dict[str, Path] = {}
        for sha256, path in files:
            # The same bytes may be known at several places, some of which are gone.
            if sha256 not in wanted and path.exists():
                wanted[sha256] = path
        with ThreadPoolExecutor(max(1, os.cpu_count() or 1)) as pool:
            made = pool.map(self._one, wanted, wanted.values())
            return {sha256: poster for sha256, poster in zip(wanted, made, strict=True) if poster is not None}

    def _one(self, sha256: str, source: Path) -> Thumbnail | None:
        from PIL import Image

        target = self._folder / f"{sha256}.webp"
        if not target.exists() and not self._draw(source, target):
            return None
        with Image.open(target) as picture:
            return Thumbnail(target, picture.width, picture.height)

    def _draw(self, source: Path, target: Path) -> bool:
        picture = _still(source) or _frame(source)
        if picture is None:
            return False
        picture.thumbnail((WIDTH, WIDTH))
        self._folder.mkdir(parents=True, exist_ok=True)
        part = part_of(target)
        picture.convert("RGB").save(part, "WEBP", quality=80, method=2)
        self._effects.replace(part, target)
        return True


def _still(source: Path) -> Image | None:
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(source) as picture:
            picture.draft("RGB", (WIDTH, WIDTH))
            picture.load()
            return picture.copy()
    except (UnidentifiedImageError, OSError):
        return None


def _frame(source: Path) -> Image | None:
    """A frame of a film; None without PyAV, which comes with the extra `emulator`, and for what is no film."""
    try:
        import av
    except ImportError:
        return None
    last = None
    try:
        with av.open(str(source)) as film:
            for number, frame in enumerate(film.decode(video=0)):
                last = frame
                if number == _FRAMES:
                    break
    except (av.FFmpegError, OSError, IndexError):
        return None
    return last.to_image() if last is not None else None  # type: ignore[no-untyped-call]  # PyAV does not annotate it
