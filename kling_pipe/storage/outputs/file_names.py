"""What an output is called. Pure."""

from __future__ import annotations

from posixpath import splitext
from urllib.parse import urlsplit

from kling_pipe.model import Output

MEDIA_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".mp4", ".mov", ".webm", ".mp3", ".wav", ".m4a"})


def output_path(place: str, output: Output, extension: str) -> str:
    """The path of an output of a job at `place`, relative to the output folder.

    `place` may end in a media suffix of its own (`save_as`). Otherwise the suffix is the one it was saved with, else
    that of its URL, else `extension`. From the second output on the index stands before the suffix: `sheet.2.png`.
    """
    own = splitext(place)[1]
    stem = place
    if own.lower() in MEDIA_SUFFIXES:
        stem = place[: -len(own)]
    else:
        own = splitext(output.path)[1] or suffix_of(output.url) or f".{extension}"
    return f"{stem}{'' if output.index == 1 else f'.{output.index}'}{own}"


def suffix_of(url: str) -> str:
    """The media suffix of a URL's path, in lower case; "" if it has none."""
    suffix = splitext(urlsplit(url).path)[1].lower()
    return suffix if suffix in MEDIA_SUFFIXES else ""
