"""How the page names pictures: files beside it, or URLs that carry the bytes."""

from __future__ import annotations

import base64
import mimetypes
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from kling_pipe.media.thumbnails import Thumbnail
from kling_pipe.report.contact_sheet.sheet_model import Picture

_SUFFIXES = {"video": ".mp4", "image": ".png", "audio": ".mp3"}
"""For files whose name does not tell."""


class Thumb(NamedTuple):
    """A small picture by its URL, with its size in pixels."""

    url: str
    width: int
    height: int


@dataclass(slots=True)
class FolderAssets:
    """Names below the page. `wanted` are the files that must stand at them."""

    posters: Mapping[str, Thumbnail]
    wanted: dict[str, Path] = field(default_factory=dict)
    inline: bool = False

    def full(self, picture: Picture) -> str:
        """The file beside the page, by its checksum: two jobs that share a result share the file."""
        name = f"media/{picture.sha256[:20]}{_suffix(picture)}"
        self.wanted[name] = picture.source
        return name

    def thumb(self, picture: Picture) -> Thumb | None:
        """The poster beside the page, or None when none could be drawn."""
        poster = self.posters.get(picture.sha256)
        if poster is None:
            return None
        name = f"posters/{picture.sha256[:20]}.webp"
        self.wanted[name] = poster.path
        return Thumb(name, poster.width, poster.height)


@dataclass(slots=True)
class InlineShelf:
    """URLs that carry the bytes."""

    posters: Mapping[str, Thumbnail]
    inline: bool = True

    def full(self, picture: Picture) -> str:
        """The file's bytes."""
        return _data(picture.source, _suffix(picture))

    def thumb(self, picture: Picture) -> Thumb | None:
        """The poster's bytes, or None when none could be drawn."""
        poster = self.posters.get(picture.sha256)
        return Thumb(_data(poster.path, poster.path.suffix), poster.width, poster.height) if poster else None


AssetUrls = FolderAssets | InlineShelf


def _suffix(picture: Picture) -> str:
    return picture.source.suffix or picture.suffix or _SUFFIXES[picture.kind]


def _data(path: Path, suffix: str) -> str:
    kind = mimetypes.guess_type(f"x{suffix}")[0] or "application/octet-stream"
    return f"data:{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"
