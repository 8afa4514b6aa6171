"""Files with wrong bytes in them: a fact or a fault, never an exception, whatever the reader trips over."""

from __future__ import annotations

import random
from io import BytesIO
from pathlib import Path

import pytest
from media_files import film, header_first, sound
from PIL import Image

from kling_pipe.catalog.operations import table
from kling_pipe.media import broken, look_at_file
from kling_pipe.media.facts import as_json, from_json


def picture(form: str) -> bytes:
    file = BytesIO()
    Image.new("RGB", (64, 48), "teal").save(file, form)
    return file.getvalue()


WHOLE = {
    **{f"image.{form.lower()}": picture(form) for form in ("PNG", "JPEG", "GIF", "WEBP", "BMP")},
    "video.mp4": film(1, (64, 48), sound=True),
    "video.mov": header_first(film(1, (64, 48))),
    "audio.wav": sound(1),
    "audio.mp3": sound(1, "mp3"),
    "audio.aac": sound(1, "adts"),
    "audio.m4a": sound(1, "ipod"),
}


def damaged(content: bytes, chance: random.Random) -> bytes:
    """Some bytes changed, most of them near the start, where headers stand; sometimes the end is missing."""
    found = bytearray(content)
    for _ in range(chance.choice((1, 2, 8, 64))):
        place = chance.randrange(min(len(found), chance.choice((32, 256, 1 << 20))))
        found[place] = chance.choice((0, 255, chance.randrange(256)))
    return bytes(found[: chance.randrange(len(found) + 1)] if chance.random() < 0.3 else found)


@pytest.mark.parametrize("name", WHOLE)
def test_a_damaged_file_has_facts_or_a_fault(tmp_path: Path, name: str) -> None:
    """And whatever is known of it can be held against any limits, and kept."""
    kind, path = name.partition(".")[0], tmp_path / name
    path.write_bytes(WHOLE[name])
    assert look_at_file(path, kind).fault == ""
    chance = random.Random(name)
    for _ in range(60):
        path.write_bytes(damaged(WHOLE[name], chance))
        for streams in (True, False):
            facts = look_at_file(path, kind, streams=streams)
            assert from_json(as_json(facts)) == facts
            for limits in table("media")["limits"].values():
                broken(facts, limits)
