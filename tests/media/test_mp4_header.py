"""What a film is, read from its own index."""

from __future__ import annotations

import struct

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from kling_pipe.media.mp4_header import film_facts


def film(path, *, size=(64, 36), fps=24, frames=48, options=None):
    """A small film made by another library."""
    with av.open(str(path), "w", options=options or {}) as container:
        stream = container.add_stream("libx264", rate=fps)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        for _ in range(frames):
            container.mux(stream.encode(av.VideoFrame.from_image(Image.new("RGB", size, "teal"))))
        container.mux(stream.encode(None))
    return path


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return film(tmp_path_factory.mktemp("film") / "a.mp4").read_bytes()


@pytest.mark.parametrize("name", ["a.mp4", "a.mov"])
@pytest.mark.parametrize("options", [{}, {"movflags": "faststart"}])
def test_length_size_and_rate_are_those_that_it_was_made_with(tmp_path, name, options) -> None:
    """Wherever the index stands: at the end, as most programs leave it, or in front."""
    facts = film_facts(film(tmp_path / name, size=(36, 64), fps=30, frames=45, options=options))

    assert facts is not None
    assert (facts.width, facts.height, facts.seconds) == (36, 64, 1.5)
    assert facts.fps == pytest.approx(30)


def test_a_film_that_is_turned_is_measured_as_it_is_shown(tmp_path, whole) -> None:
    """A telephone held upright writes a wide picture and a matrix that turns it."""
    at = whole.index(b"tkhd") + 4 + 40
    turned = struct.pack(">9i", 0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30)
    (tmp_path / "b.mp4").write_bytes(whole[:at] + turned + whole[at + 36 :])

    facts = film_facts(tmp_path / "b.mp4")

    assert facts is not None
    assert (facts.width, facts.height) == (36, 64)


@given(st.binary(max_size=64), st.integers(0, 2000), st.integers(0, 2000))
def test_whatever_bytes_there_are_the_answer_is_facts_or_none(tmp_path_factory, whole, junk, at, cut) -> None:
    """A damaged file is no film, and never an error."""
    path = tmp_path_factory.getbasetemp() / "junk.mp4"
    for data in (junk, whole[:-at] + junk, whole[:at] + junk + whole[at + cut :]):
        path.write_bytes(data)
        film_facts(path)


def test_a_text_is_no_film(tmp_path) -> None:
    (tmp_path / "a.mp4").write_text("hello, this is no film at all")
    assert film_facts(tmp_path / "a.mp4") is None
