"""Files that say where they came from, and are still what they were."""

from __future__ import annotations

import io
from itertools import pairwise

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from kling_pipe.emulator.media import tiny
from kling_pipe.media.xmp import XmpStamp, facts, read
from kling_pipe.model import Output, Record

RECORD = Record("kp1-tea-00", "tea", "k" * 64, 2, 1, "omni-video", "account", "succeed", task_id="88")
WORDS = facts(RECORD, Output(index=3))


def png() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (8, 6), "teal").save(file, "PNG")
    return file.getvalue()


def film() -> bytes:
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=5)
        stream.width, stream.height, stream.pix_fmt = 64, 36, "yuv420p"
        for _ in range(5):
            frame = av.VideoFrame.from_image(Image.new("RGB", (64, 36), "teal"))
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return file.getvalue()


def stamped(data: bytes, cuts: list[int] = [], words=WORDS) -> bytes:  # noqa: B006 - never changed
    out = bytearray()
    stamp = XmpStamp(out.extend, words)
    places = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    for begin, end in pairwise(places):
        stamp.write(data[begin:end])
    stamp.finish()
    return bytes(out)


@pytest.mark.parametrize("data", [png(), film()], ids=["png", "mp4"])
def test_the_words_come_back_and_the_content_stays(tmp_path, data):
    """What was written is read; the original bytes are all there, in their order."""
    path = tmp_path / "file"
    path.write_bytes(stamped(data))

    assert read(path) == WORDS
    assert path.read_bytes()[: len(data) - 12] == data[:-12]
    assert len(path.read_bytes()) > len(data)


def test_pictures_and_films_still_open(tmp_path):
    """Pillow and FFmpeg see the same pixels; Pillow shows the XMP."""
    with Image.open(io.BytesIO(stamped(png()))) as picture:
        picture.load()
        assert picture.getpixel((3, 3)) == (0, 128, 128)
        assert "kp1-tea-00" in str(picture.info["XML:com.adobe.xmp"])
    before, after = (
        [frame.to_image().tobytes() for frame in av.open(io.BytesIO(data)).decode(video=0)]
        for data in (film(), stamped(film()))
    )
    assert before == after


@given(st.lists(st.integers(0, 200), max_size=6))
def test_pieces_make_no_difference(cuts):
    """However a download is cut, the same bytes come out: checksums agree everywhere."""
    assert stamped(png(), cuts) == stamped(png())


@given(st.binary(max_size=60))
def test_what_is_neither_passes_unchanged(data):
    """An unknown format, a truncated file, nothing at all: not touched."""
    assert data[4:8] == b"ftyp" or stamped(data) == data


def test_a_truncated_picture_passes_unchanged():
    """No end, no words: the checksum will tell."""
    assert stamped(png()[:-1]) == png()[:-1]


@given(
    st.dictionaries(
        st.sampled_from(["task_id", "operation"]),
        st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"])),
    )
)
def test_any_text_survives(tmp_path_factory, words):
    """Quotes, angle brackets and letters of any script come back as they went in."""
    path = tmp_path_factory.mktemp("stamp") / "file.png"
    path.write_bytes(stamped(png(), words={"external_task_id": "kp1", **words}))

    assert read(path) == {"external_task_id": "kp1", **words}


def test_a_file_without_words_has_none(tmp_path):
    """Not every file came from here."""
    path = tmp_path / "plain.png"
    path.write_bytes(tiny.png(0))

    assert read(path) is None
