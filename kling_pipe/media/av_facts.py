"""What a film or a sound is, by PyAV, from its header. The reader is chosen here by the first bytes, never by FFmpeg.

Left alone, FFmpeg would also read a playlist, and fetch what it names.
"""

from __future__ import annotations

from importlib.util import find_spec
from io import RawIOBase
from typing import IO, Any

from kling_pipe.media.facts import WORDS, Facts, container

_AAC_SAMPLES = 1024
_BRANDS = {"qt": "mov", "M4A": "m4a", "M4B": "m4a"}


def can_open_streams() -> bool:
    """Whether PyAV is installed (the extra `probe`, or `emulator`)."""
    return find_spec("av") is not None


def stream_facts(
    file: IO[bytes] | RawIOBase, kind: str, size: int | None, suffix: str = "", *, whole: bool = True
) -> Facts:
    """Container, length, pixels, frame rate, codec, sound. What is wrong with the file is its `fault`."""
    import av

    reader = container(file.read(16) or b"")
    file.seek(0)
    if not reader:
        return Facts(kind, suffix, size, fault=f"the file is not a {WORDS[kind]}")
    try:
        with av.open(file, "r", format=reader) as opened:
            return _facts(opened, kind, size, reader, whole=whole)
    except Exception:  # FFmpeg's own errors, and whatever a header without sense makes of its numbers
        return Facts(kind, "", size, fault=f"the {WORDS[kind]} is damaged: its header cannot be read")


def _facts(opened: Any, kind: str, size: int | None, reader: str, *, whole: bool) -> Facts:
    from av.stream import Disposition

    # The cover of a song is a stream of pictures too.
    films = [one for one in opened.streams.video if not one.disposition & Disposition.attached_pic]
    sounds = list(opened.streams.audio)
    wanted = films if kind == "video" else sounds
    format = _format(opened, reader, is_film=bool(films))
    if not wanted:
        return Facts(kind, format, size, fault=f"the file holds no {WORDS[kind]}")
    if wanted[0].codec_context is None:
        return Facts(kind, format, size, fault=f"the {WORDS[kind]} has a codec that nobody knows")
    film = films[0] if films and films[0].codec_context else None
    return Facts(
        kind,
        format,
        size,
        width=film.codec_context.width or None if film else None,
        height=film.codec_context.height or None if film else None,
        seconds=_counted(opened, wanted[0], whole=whole) if reader == "aac" else _seconds(opened, wanted),
        fps=round(float(film.average_rate), 3) if film and film.average_rate else None,
        sound=bool(sounds),
        codec=str(wanted[0].codec_context.name).removesuffix("float"),
    )


def _format(opened: Any, reader: str, *, is_film: bool) -> str:
    if reader != "mov":
        return reader
    brand = str(opened.metadata.get("major_brand", "")).strip()
    return _BRANDS.get(brand, "mp4" if is_film else "m4a")


def _seconds(opened: Any, streams: list[Any]) -> float | None:
    own = [float(one.duration * one.time_base) for one in streams if one.duration and one.time_base]
    if own:
        return round(max(own), 3)
    return round(opened.duration / 1_000_000, 3) if opened.duration and opened.duration > 0 else None


def _counted(opened: Any, stream: Any, *, whole: bool) -> float | None:
    """A bare stream has no header that tells its length: its frames are counted, if they are all here."""
    if not whole:
        return None
    frames: int = sum(1 for packet in opened.demux(stream) if packet.size)
    rate = int(stream.codec_context.sample_rate)
    return round(frames * _AAC_SAMPLES / rate, 3) if rate else None
