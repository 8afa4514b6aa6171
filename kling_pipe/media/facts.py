"""What a media file is, as plain facts; and what its first bytes tell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

WORDS = {"image": "picture", "video": "video", "audio": "sound"}
"""What a person calls each kind."""
_TYPES: Mapping[str, tuple[type, ...]] = {"str": (str,), "int": (int,), "float": (int, float), "bool": (bool,)}


@dataclass(frozen=True, slots=True)
class Facts:
    """What a file is. None and `""` where nobody knows.

    `format` is a word of the limits (`png`, `mp4`, `wav`) or another container's name; `size` in bytes; `width` and
    `height` in pixels as they are shown; `seconds` of the longest stream; `codec` of the picture, else of the sound.
    `fault` says why a file is not what it should be: it is empty, corrupt, or holds no such stream. `is_seen` is False
    when only name and size were looked at, for want of a library.
    """

    kind: str
    format: str = ""
    size: int | None = None
    width: int | None = None
    height: int | None = None
    seconds: float | None = None
    fps: float | None = None
    sound: bool | None = None
    codec: str = ""
    fault: str = ""
    is_seen: bool = True

    @property
    def ratio(self) -> float | None:
        """Width by height."""
        return self.width / self.height if self.width and self.height else None

    @property
    def short_side(self) -> int | None:
        """The shorter side in pixels."""
        return min(self.width, self.height) if self.width and self.height else None


def as_json(facts: Facts) -> dict[str, Any]:
    """The facts that are known, for a file."""
    return {name: value for name, value in asdict(facts).items() if value not in (None, "")}


def from_json(data: Mapping[str, Any]) -> Facts:
    """What `as_json` wrote. Raises TypeError for anything else."""
    kinds = {one.name: _TYPES[str(one.type).partition(" ")[0]] for one in fields(Facts)}
    if not all(isinstance(value, kinds.get(name, ())) for name, value in data.items()):
        raise TypeError("facts of another version")
    return Facts(**data)


def container(head: bytes) -> str:
    """The container that a file's first 16 bytes announce, by FFmpeg's name of its reader; `""` for none of ours."""
    if head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"):
        return "mov"
    if head[:4] == b"RIFF" and head[8:12] == b"WAVE":
        return "wav"
    if head[:3] == b"ID3":
        return "mp3"
    if len(head) > 1 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0:
        # The two bits of the layer tell MPEG sound from ADTS, which has none there.
        return "mp3" if head[1] & 0x06 else "aac"
    named = {b"OggS": "ogg", b"fLaC": "flac", b"\x1aE\xdf\xa3": "matroska"}
    return named.get(head[:4], "")
