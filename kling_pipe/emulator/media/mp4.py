"""A card as an H.264 MP4 file (24 frames a second, yuv420p, an AAC tone when sound is on), and as a remuxed copy."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from PIL import Image

from kling_pipe.emulator.media import drawing
from kling_pipe.emulator.media.card import FRAME_RATE, Card
from kling_pipe.emulator.media.frame_layout import Layout

SAMPLE_RATE = 44_100
SAMPLES = 1024  # of one AAC frame
TONES = (262, 330, 392, 440, 523, 659)  # Hz, whole numbers: each repeats exactly once a second
KEY_FRAME = 1  # AV_PICTURE_TYPE_I


def encode(card: Card, target: Path) -> None:
    """Draw and encode a clip; a key frame stands at each shot's first frame."""
    with av.open(str(target), "w", format="mp4", options={"movflags": "+faststart"}) as container:
        video = container.add_stream("libx264", rate=FRAME_RATE)
        video.width, video.height, video.pix_fmt = card.width, card.height, "yuv420p"
        video.options = {"preset": "ultrafast", "crf": "20", "threads": "1"}
        video.codec_context.gop_size = 2 * FRAME_RATE
        video.codec_context.time_base = Fraction(1, FRAME_RATE)
        audio: Any = container.add_stream("aac", rate=SAMPLE_RATE, layout="mono") if card.sound else None
        for frame in _frames(card):
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        if audio is not None:
            for sound in _sounds(card):
                container.mux(audio.encode(sound))
            container.mux(audio.encode(None))


def _yuv(picture: Image.Image) -> av.VideoFrame:
    make: Any = av.VideoFrame.from_image  # untyped in the library
    frame: av.VideoFrame = make(picture).reformat(format="yuv420p")
    return frame


def _frames(card: Card) -> Iterator[av.VideoFrame]:
    """Every frame. A shot is drawn once; per frame only the strip is drawn and its rows are put into the planes."""
    layout = Layout(card.width, card.height, len(card.references))
    current = -1
    for number in range(card.frames):
        shot = card.shot_at(number)
        if shot != current:
            picture = drawing.base(card, shot)
            frame, ground = _yuv(picture), picture.crop(layout.strip)
        _overlay(frame, _yuv(drawing.strip(card, layout, ground, number)), layout.strip.top)
        frame.pts = number
        frame.time_base = Fraction(1, FRAME_RATE)
        frame.pict_type = KEY_FRAME if shot != current else 0
        current = shot
        yield frame


def _overlay(frame: av.VideoFrame, band: av.VideoFrame, top: int) -> None:
    for plane, part, row in zip(frame.planes, band.planes, (top, top // 2, top // 2), strict=True):
        whole, source = memoryview(plane), memoryview(part)
        size = part.width
        for line in range(part.height):
            start = (row + line) * plane.line_size
            whole[start : start + size] = source[line * part.line_size : line * part.line_size + size]


def _sounds(card: Card) -> Iterator[av.AudioFrame]:
    """A quiet tone that changes with the shot."""
    seconds = [_second(tone) for tone in TONES[: len(card.shots)]]
    total = card.frames * SAMPLE_RATE // FRAME_RATE
    for start in range(0, total, SAMPLES):
        tone = seconds[card.shot_at(start * FRAME_RATE // SAMPLE_RATE) % len(seconds)]
        at = start % SAMPLE_RATE
        frame = av.AudioFrame(format="fltp", layout="mono", samples=SAMPLES)
        frame.planes[0].update((tone[at : at + SAMPLES] + tone[: max(0, at + SAMPLES - SAMPLE_RATE)]).tobytes())
        frame.sample_rate, frame.pts, frame.time_base = SAMPLE_RATE, start, Fraction(1, SAMPLE_RATE)
        yield frame


def _second(tone: int) -> array[float]:
    return array("f", (0.08 * math.sin(2 * math.pi * tone * n / SAMPLE_RATE) for n in range(SAMPLE_RATE)))


def remux(source: Path, target: Path, comment: str) -> None:
    """The same clip with another comment (the external id); nothing is encoded again."""
    options = {"movflags": "+faststart"}
    with av.open(str(source)) as old, av.open(str(target), "w", format="mp4", options=options) as new:
        new.metadata["comment"] = comment
        streams = {stream.index: new.add_stream_from_template(stream) for stream in old.streams}
        for packet in old.demux():
            if packet.dts is not None:
                packet.stream = streams[packet.stream.index]
                new.mux(packet)
