"""Local media files: what they are, whether they are within limits, and their bytes as base64."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from kling_pipe.outputs.local import file_sha256

# A multiple of three bytes: then the base64 of the pieces is the base64 of the whole.
_PIECE = 3 << 16


class HashCache(Protocol):
    """Remembers a file's SHA-256 for as long as its size and time stay the same."""

    def file_hash(self, path: str, size: int, mtime_ns: int) -> str | None:
        """The SHA-256, or None."""

    def keep_file_hash(self, path: str, size: int, mtime_ns: int, sha256: str) -> None:
        """Keep it."""


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """What a picture is: format as Pillow names it (`PNG`, `JPEG`), pixels, bytes."""

    format: str
    width: int
    height: int
    size: int

    @property
    def ratio(self) -> float:
        """Width by height."""
        return self.width / self.height


@dataclass(frozen=True, slots=True)
class MediaFinding:
    """One limit that a file breaks."""

    message: str
    found: str
    allowed: str


def hashed(path: Path, cache: HashCache | None = None) -> tuple[str, int]:
    """SHA-256 (hex) and size of a file; read again only when its size or time changed. Raises OSError."""
    status = path.stat()
    if cache is None:
        return file_sha256(path), status.st_size
    known = cache.file_hash(str(path), status.st_size, status.st_mtime_ns)
    if known is None:
        known = file_sha256(path)
        cache.keep_file_hash(str(path), status.st_size, status.st_mtime_ns, known)
    return known, status.st_size


def probe(path: Path) -> ImageFacts | None:
    """What a picture is, from its header alone; None if it is no picture that Pillow knows. Raises OSError."""
    from PIL import Image, UnidentifiedImageError

    size = path.stat().st_size
    try:
        with Image.open(path) as image:
            return ImageFacts(image.format or "", image.width, image.height, size)
    except (UnidentifiedImageError, Image.DecompressionBombError):
        return None


def findings(path: Path, limits: Mapping[str, Any]) -> list[MediaFinding]:
    """Which of `limits` (one entry of `schemas/media.json`) a local picture or sound breaks. Raises OSError.

    Keys that count: `formats`, `max_megabytes` (10^6 bytes), `min_pixels` and `max_pixels` (each side), `min_ratio`
    and `max_ratio` (width to height). Of a sound only the name and the size are looked at.
    """
    if limits.get("kind") == "audio":
        return list(_broken_sound(path, limits))
    facts = probe(path)
    formats = [str(name).lower() for name in limits.get("formats", ())]
    if facts is None:
        return [MediaFinding("the file is not a picture", path.suffix or "no suffix", ", ".join(formats))]
    return list(_broken(facts, limits, formats))


def base64_pieces(path: Path) -> Iterator[bytes]:
    """A file as base64 without a `data:` prefix, piece by piece."""
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            yield b64encode(piece)


def base64_length(size: int) -> int:
    """How many characters `size` bytes take as base64."""
    return 4 * ((size + 2) // 3)


def _broken_sound(path: Path, limits: Mapping[str, Any]) -> Iterator[MediaFinding]:
    suffix, size = path.suffix.lower().removeprefix("."), path.stat().st_size
    if "formats" in limits and suffix not in limits["formats"]:
        yield MediaFinding(
            "the sound's format is not accepted", path.suffix or "no suffix", ", ".join(limits["formats"])
        )
    if size > limits.get("max_megabytes", size) * 1_000_000:
        yield MediaFinding("the sound is too large", f"{size / 1e6:.1f} MB", f"up to {limits['max_megabytes']} MB")


def _broken(facts: ImageFacts, limits: Mapping[str, Any], formats: list[str]) -> Iterator[MediaFinding]:
    names = {"jpeg", "jpg"} if facts.format == "JPEG" else {facts.format.lower()}
    if formats and not names & set(formats):
        yield MediaFinding("the picture's format is not accepted", facts.format, ", ".join(formats))
    if facts.size > limits.get("max_megabytes", facts.size) * 1_000_000:
        found = f"{facts.size / 1_000_000:.1f} MB"
        yield MediaFinding("the picture is too large", found, f"up to {limits['max_megabytes']} MB")
    sides = f"{facts.width} x {facts.height} px"
    if min(facts.width, facts.height) < limits.get("min_pixels", 0):
        yield MediaFinding("the picture is too small", sides, f"at least {limits['min_pixels']} px on each side")
    if max(facts.width, facts.height) > limits.get("max_pixels", facts.width + facts.height):
        yield MediaFinding("the picture has too many pixels", sides, f"at most {limits['max_pixels']} px on each side")
    low, high = limits.get("min_ratio", 0), limits.get("max_ratio", facts.ratio)
    if not low <= facts.ratio <= high:
        yield MediaFinding("the picture's sides differ too much", f"{facts.ratio:.2f} : 1", f"{low} : 1 to {high} : 1")
