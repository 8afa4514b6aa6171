"""Local pictures are measured before anything is sent, and go out as raw base64."""

import base64
import os

import pytest
from PIL import Image

from kling_pipe.catalog.operations import table
from kling_pipe.media import base64_length, base64_pieces, broken, look_at_file

LIMITS = table("media")["limits"]["image"]


def picture(path, width, height, **more):
    Image.new("RGB", (width, height), "teal").save(path, **more)
    return path


@pytest.mark.parametrize(
    ("name", "width", "height", "expected"),
    [
        ("fine.png", 300, 300, []),
        ("fine.jpg", 640, 360, []),
        ("small.png", 200, 300, ["too small"]),
        ("wide.png", 1000, 300, ["differ too much"]),
        ("tall.png", 300, 1000, ["differ too much"]),
        ("edge.png", 750, 300, []),
        ("film.gif", 400, 400, ["format"]),
    ],
)
def test_limits_are_those_of_the_data(tmp_path, name, width, height, expected):
    """Format, pixels, ratio."""
    found = broken(look_at_file(picture(tmp_path / name, width, height), "image"), LIMITS)
    assert len(found) == len(expected)
    for finding, words in zip(found, expected, strict=True):
        assert words in finding.message
        assert finding.allowed


def test_a_large_file_is_found(tmp_path):
    """Ten megabytes are ten million bytes; padding counts."""
    path = picture(tmp_path / "large.png", 300, 300)
    with path.open("ab") as file:
        file.write(b"\0" * 10_000_000)
    assert [one.found for one in broken(look_at_file(path, "image"), LIMITS)] == ["10.0 MB"]


def test_what_is_no_picture_is_said_to_be_none(tmp_path):
    """A text with the suffix of a picture."""
    (tmp_path / "a.png").write_text("hello")
    assert "not a picture" in broken(look_at_file(tmp_path / "a.png", "image"), LIMITS)[0].message


@pytest.mark.parametrize("size", [0, 1, 2, 3, 196_607, 196_608, 196_609, 500_000])
def test_pieces_of_base64_are_the_base64_of_the_whole(tmp_path, size):
    """At every border of a piece."""
    content = os.urandom(size)
    (tmp_path / "a").write_bytes(content)
    whole = b"".join(base64_pieces(tmp_path / "a"))
    assert whole == base64.b64encode(content)
    assert len(whole) == base64_length(size)
