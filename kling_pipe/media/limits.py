"""Facts about a file against the limits of `schemas/media.json`. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from kling_pipe.media.facts import WORDS, Facts

_SECONDS_OFF = 0.1
"""A clip of 15 s is 15.041 s long: Kling's own have one frame more than was asked for, and Kling takes them."""
_FPS_OFF = 0.1
"""23.976 frames a second are 24 to everybody."""
_RATIO_OFF = 0.02
_ALIKE = {"jpeg": "jpg", "m4b": "m4a", "adts": "aac", "mpo": "jpg"}


class MediaFinding(NamedTuple):
    """One limit that a file breaks."""

    message: str
    found: str
    allowed: str


def broken(facts: Facts, limits: Mapping[str, Any]) -> list[MediaFinding]:
    """Which of `limits` (one entry of the data, narrowed to the request) a file breaks. What is not known passes.

    Keys that count: `formats`, `max_megabytes` (10^6 bytes), `min_pixels` (the shorter side), `max_pixels` (the
    longer), `min_ratio` and `max_ratio` (width to height), `ratios`, `min_fps`, `max_fps`, and those of
    `broken_length`. With a fault in the file that is all there is to say.
    """
    return [*broken_file(facts, limits), *broken_length(facts, limits)]


def broken_file(facts: Facts, limits: Mapping[str, Any]) -> list[MediaFinding]:
    """What `broken` finds, whatever the file is used for: how long it may be differs by request."""
    if facts.fault:
        formats = ", ".join(limits.get("formats", ()))
        return [MediaFinding(facts.fault, _what(facts), formats or f"a {WORDS[facts.kind]}")]
    looks = (_format, _bytes, _pixels, _ratio, _fps)
    return [one for look in looks for one in look(facts, limits, WORDS[facts.kind])]


def broken_length(facts: Facts, limits: Mapping[str, Any]) -> list[MediaFinding]:
    """Whether a film or sound breaks `min_seconds` or `max_seconds`."""
    return [] if facts.fault else list(_seconds(facts, limits, WORDS[facts.kind]))


def unlike(facts: Facts, ratio_of: Facts | None, pixels_of: Iterable[Facts], name: str) -> list[MediaFinding]:
    """Whether a picture has another shape than one file beside it (`name`), or other pixels than its own kind has."""
    word = WORDS[facts.kind]
    sides = f"{facts.width} x {facts.height} px"
    if ratio_of and facts.ratio and ratio_of.ratio and abs(facts.ratio / ratio_of.ratio - 1) > _RATIO_OFF:
        allowed = f"the shape of {ratio_of.width} x {ratio_of.height} px"
        return [MediaFinding(f"the {word} has another shape than `{name}`", sides, allowed)]
    other = next((one for one in pixels_of if (one.width, one.height) != (facts.width, facts.height)), None)
    if other is None:
        return []
    return [MediaFinding(f"the {word} has other pixels than the first", sides, f"{other.width} x {other.height} px")]


def plain(format: str) -> str:
    """A format under the one name that the limits use."""
    return _ALIKE.get(format.lower(), format.lower())


def _what(facts: Facts) -> str:
    if facts.size == 0:
        return "0 bytes"
    return facts.format or "unknown bytes"


_Found = Iterator[MediaFinding]


def _format(facts: Facts, limits: Mapping[str, Any], word: str) -> _Found:
    formats = list(limits.get("formats", ()))
    if formats and facts.format and plain(facts.format) not in formats:
        found = facts.format.upper() if facts.kind == "image" else facts.format
        yield MediaFinding(f"the {word}'s format is not accepted", found, ", ".join(formats))


def _bytes(facts: Facts, limits: Mapping[str, Any], word: str) -> _Found:
    most = limits.get("max_megabytes")
    if most is not None and facts.size is not None and facts.size > most * 1_000_000:
        yield MediaFinding(f"the {word} is too large", f"{facts.size / 1_000_000:.1f} MB", f"up to {most} MB")


def _pixels(facts: Facts, limits: Mapping[str, Any], word: str) -> _Found:
    if not facts.width or not facts.height:
        return
    sides = f"{facts.width} x {facts.height} px"
    least, most = limits.get("min_pixels", 0), limits.get("max_pixels")
    if min(facts.width, facts.height) < least:
        yield MediaFinding(f"the {word} is too small", sides, f"at least {least} px on each side")
    if most is not None and max(facts.width, facts.height) > most:
        yield MediaFinding(f"the {word} has too many pixels", sides, f"at most {most} px on each side")


def _ratio(facts: Facts, limits: Mapping[str, Any], word: str) -> _Found:
    ratio = facts.ratio
    if ratio is None:
        return
    low, high = limits.get("min_ratio", 0), limits.get("max_ratio", ratio)
    if not low <= ratio <= high:
        yield MediaFinding(f"the {word}'s sides differ too much", f"{ratio:.2f} : 1", f"{low} : 1 to {high} : 1")
    wanted = [int(wide) / int(tall) for wide, _, tall in (one.partition(":") for one in limits.get("ratios", ()))]
    if wanted and not any(abs(ratio / one - 1) < _RATIO_OFF for one in wanted):
        yield MediaFinding(f"the {word} has another shape", f"{ratio:.2f} : 1", " or ".join(limits["ratios"]))


def _seconds(facts: Facts, limits: Mapping[str, Any], word: str) -> _Found:
    if outside := _outside(facts.seconds, limits, "seconds", _SECONDS_OFF):
        low, span = outside
        yield MediaFinding(f"the {word} is too {'short' if low else 'long'}", f"{facts.seconds:.4g} s", f"{span} s")


def _fps(facts: Facts, limits: Mapping[str, Any], word: str) -> _Found:
    if outside := _outside(facts.fps, limits, "fps", _FPS_OFF):
        low, span = outside
        message = f"the {word} has too {'few' if low else 'many'} frames a second"
        yield MediaFinding(message, f"{facts.fps:g}", span)


def _outside(value: float | None, limits: Mapping[str, Any], unit: str, off: float) -> tuple[bool, str] | None:
    """Whether a value is too low (True) or too high (False), by more than `off`, and what it may be; else None."""
    low, high = limits.get(f"min_{unit}"), limits.get(f"max_{unit}")
    if value is None:
        return None
    below, above = low is not None and value < low - off, high is not None and value > high + off
    return (below, _span(low, high)) if below or above else None


def _span(low: float | None, high: float | None) -> str:
    if low is None or high is None:
        return f"at most {high:g}" if low is None else f"at least {low:g}"
    return f"{low:g} to {high:g}"
