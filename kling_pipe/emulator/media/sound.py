"""A card as an MP3 or WAV file: a quiet tune that its text decides, as long as was asked for."""

from __future__ import annotations

import hashlib
import math
from array import array
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from kling_pipe.emulator.media.card import Card

RATE = 44_100
SAMPLES = 1152  # of one MP3 frame
NOTES = (262, 294, 330, 392, 440, 523, 587, 659)  # Hz
A_NOTE = RATE // 4


def write(card: Card, target: Path, comment: str) -> None:
    """Encode the tune, as the file's suffix says. `comment` (the external id) stands in the file's metadata."""
    form = target.suffix.removeprefix(".")
    with av.open(str(target), "w", format=form) as container:
        container.metadata["comment"] = comment
        stream: Any = container.add_stream({"wav": "pcm_s16le"}.get(form, form), rate=RATE, layout="mono")
        for frame in _frames(card):
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def _frames(card: Card) -> Iterator[av.AudioFrame]:
    tune = hashlib.sha256(card.seed.encode()).digest()
    for start in range(0, round(card.seconds * RATE), SAMPLES):
        samples = array("f", (_sample(tune, at) for at in range(start, start + SAMPLES)))
        frame = av.AudioFrame(format="fltp", layout="mono", samples=SAMPLES)
        frame.planes[0].update(samples.tobytes())
        frame.sample_rate, frame.pts, frame.time_base = RATE, start, Fraction(1, RATE)
        yield frame


def _sample(tune: bytes, at: int) -> float:
    number, since = divmod(at, A_NOTE)
    tone = NOTES[tune[number % len(tune)] % len(NOTES)]
    return 0.1 * math.exp(-3 * since / A_NOTE) * math.sin(2 * math.pi * tone * since / RATE)
