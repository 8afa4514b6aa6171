"""Links are looked at by their first bytes, and never believed more than they show."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from io import BytesIO

import pytest
from media_files import Files, film, header_first, padded, serving, sound
from PIL import Image

from kling_pipe.client.range_reader import AT_ONCE, remotes
from kling_pipe.media.link_facts import LinkReader

FILM = film(4, (640, 360), sound=True)
EARLY = header_first(FILM)


@pytest.fixture(scope="module")
def server() -> Iterator[Files]:
    with serving() as files:
        yield files


@pytest.fixture
def files(server: Files) -> Files:
    server.asked.clear()
    server.sent = server.most_together = 0
    return server


def look(url: str, kind: str = "video", *, seconds: float = 5, streams: bool | None = None) -> LinkReader:
    return asyncio.run(remotes([(url, kind)], seconds=seconds, streams=streams))[0]


def picture(width: int = 640, height: int = 360) -> bytes:
    file = BytesIO()
    Image.new("RGB", (width, height), "teal").save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize("how", ["ranges", "whole", "lying"])
def test_a_picture_is_known_by_its_header(files: Files, how: str) -> None:
    """From a server that gives parts, from one that sends the whole, and from one that lies about its length."""
    url = files.put(f"{how}/cup.png", picture() + bytes(500_000 if how != "lying" else 0))
    facts = look(url, "image").facts
    assert facts is not None
    assert (facts.format, facts.width, facts.height) == ("png", 640, 360)
    assert facts.size == (None if how == "lying" else len(picture()) + 500_000)
    assert len(files.asked) == 1


@pytest.mark.parametrize(("how", "content", "requests"), [
    ("ranges", EARLY + bytes(600_000), 1),
    ("ranges", padded(FILM, 600_000), 2),
    ("ranges", FILM, 1),
    ("whole", EARLY + bytes(600_000), 1),
    ("whole", FILM, 1),
])  # fmt: skip
def test_a_film_is_known_by_its_header_wherever_it_stands(
    files: Files, how: str, content: bytes, requests: int
) -> None:
    """First: one look; last: a second look at the end, if the server gives parts."""
    facts = look(files.put(f"{how}/film.mp4", content)).facts
    assert facts is not None
    assert (facts.format, facts.width, facts.height, facts.fault) == ("mp4", 640, 360, "")
    assert facts.seconds == pytest.approx(4, abs=0.1)
    assert facts.sound is True
    assert facts.size == len(content)
    assert len(files.asked) == requests
    assert files.sent < 1_400_000


def test_a_header_that_cannot_be_had_is_unknown_and_no_failure(files: Files) -> None:
    """It stands at the end, and the server sends everything or nothing."""
    assert "at its end" in look(files.put("whole/late.mp4", padded(FILM, 600_000))).unknown


@pytest.mark.parametrize(("form", "format"), [("wav", "wav"), ("mp3", "mp3"), ("ipod", "m4a"), ("adts", "aac")])
def test_a_sound_is_as_long_as_all_of_it(files: Files, form: str, format: str) -> None:
    """Also where only its first part was read; a stream without a header does not say."""
    content = sound(40, form)
    facts = look(files.put(f"ranges/line.{format}", content), "audio").facts
    assert facts is not None
    assert facts.format == format
    assert facts.seconds == (None if form == "adts" else pytest.approx(40, abs=0.6))


@pytest.mark.parametrize(("status", "words"), [
    (404, "there is nothing"), (403, "refuses"), (410, "gone"), (401, "login"),
])  # fmt: skip
def test_what_kling_could_not_fetch_either_is_missing(files: Files, status: int, words: str) -> None:
    """The answer is said, and what it means."""
    found = look(f"{files.base}/{status}/film.mp4?signature=secret")
    assert str(status) in found.missing
    assert words in found.missing
    assert "secret" not in repr(found)


@pytest.mark.parametrize(
    "path",
    ["500/a", "503/a", "429/a", "405/a", "hangs/a?signature=secret", "trickle/a", "vague/film.mp4", "less/film.mp4"],
)
def test_what_nobody_can_tell_is_unknown(files: Files, path: str) -> None:
    """A server that is busy, silent or slow is no reason to refuse a manifest."""
    files.put(path.partition("?")[0], FILM[:2000])
    found = look(f"{files.base}/{path}", seconds=0.4)
    assert found.unknown, found
    assert "secret" not in repr(found)


def test_a_length_that_is_too_small_cuts_the_file_off(files: Files) -> None:
    """Nobody, Kling neither, gets more of it than the server says there is."""
    facts = look(files.put("more/film.mp4", FILM)).facts
    assert facts is not None
    assert (facts.size, facts.fault) == (100, "the video is damaged: its header cannot be read")


def test_an_endless_file_is_cut_off(files: Files) -> None:
    """A server that sends without end is hung up on."""
    found = look(f"{files.base}/endless/film.mp4")
    assert found.facts is not None
    assert "no video" in found.facts.fault
    assert files.sent < 16_000_000


def test_redirects_are_followed_within_reason(files: Files) -> None:
    """To another place of the web, and not in circles, nor to a file of this machine."""
    there = files.put("ranges/there.png", picture())
    assert look(f"{files.base}/to/{there}", "image").facts
    assert "redirected" in look(f"{files.base}/circle/a").missing
    assert len(files.asked) == 2 + 6
    assert "no http link" in look(f"{files.base}/to/file:///etc/passwd").missing
    assert "no http link" in look(f"{files.base}/to/ftp://127.0.0.1/film.mp4").missing


def test_no_credentials_and_no_secrets_travel(files: Files) -> None:
    """The range is all that is asked for."""
    look(files.put("ranges/quiet.png", picture()), "image")
    assert files.asked == ["ranges/quiet.png bytes=0-262143"]


@pytest.mark.parametrize(("content", "media_type", "kind", "words"), [
    (b"<html>please log in</html>", "text/html; charset=utf-8", "video", "no video but text/html"),
    (b"<html>please log in</html>", "text/html", "image", "no picture but text/html"),
    (b"", "", "image", "empty"),
    (b"", "", "audio", "empty"),
    (FILM, "video/mp4", "image", "no picture"),
    (EARLY[:600], "video/mp4", "video", "damaged"),
    (picture(), "image/png", "audio", "no sound"),
    (b"#EXTM3U\n#EXT-X-TARGETDURATION:2\nfile:///etc/passwd\n", "video/mp4", "video", "no video"),
])  # fmt: skip
def test_what_is_not_what_it_should_be_has_a_fault(
    files: Files, content: bytes, media_type: str, kind: str, words: str
) -> None:
    """A page for people, nothing at all, another kind of file, a playlist that names others."""
    facts = look(files.put("ranges/thing", content, media_type), kind).facts
    assert facts is not None
    assert words in facts.fault


def test_without_the_library_a_film_is_what_its_name_and_length_say(files: Files) -> None:
    """Size and suffix; that nobody looked inside is said."""
    facts = look(files.put("ranges/film.mp4", FILM), streams=False).facts
    assert facts is not None
    assert (facts.format, facts.size, facts.is_seen, facts.seconds) == ("mp4", len(FILM), False, None)


def test_a_few_are_looked_at_together_and_answers_keep_their_order(files: Files) -> None:
    """Not one after the other, and not all at once."""
    urls = [(files.put(f"slow/{n}.png", picture(320 + n, 320)), "image") for n in range(12)]
    found = asyncio.run(remotes(urls))
    assert [one.facts and one.facts.width for one in found] == [320 + n for n in range(12)]
    assert 1 < files.most_together < 2 * AT_ONCE  # a server notices late that somebody is gone


def test_a_server_that_is_silent_is_not_asked_a_thousand_times(files: Files) -> None:
    """What it was asked for at once it may still answer; the rest of its links are unknown at once."""
    urls = [(f"{files.base}/hangs/{n}", "video") for n in range(200)]
    found = asyncio.run(remotes(urls, seconds=0.2))
    assert len(files.asked) <= 2 * AT_ONCE
    assert all(one.unknown for one in found)
    assert "not asked again" in found[-1].unknown
