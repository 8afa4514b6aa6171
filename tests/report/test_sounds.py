"""Sounds on the contact sheet: heard where they stand, also those that come beside a film."""

from __future__ import annotations

from pathlib import Path

import pytest

from kling_pipe.media.thumbnails import Thumbnails
from kling_pipe.model import Cost, Job, Output, Plan, Record, Step
from kling_pipe.report.contact_sheet import Sheet, Sources, collected, written

MP3 = b"ID3\x03\x00\x00\x00\x00\x00\x00" + bytes(64)


def step(address, operation, names):
    """A made job with a file of each name."""
    kind, _, name = address.partition(".")
    outputs = tuple(
        Output(number, path=path, sha256=f"{number:x}" * 64, size=74, duration="5.04")
        for number, path in enumerate(names, start=1)
    )
    known = {"project": "p", "key": "k", "take": 1, "operation": operation}
    record = Record(external_task_id="x", attempt=1, account="a", state="succeed", outputs=outputs, **known)
    job = Job(address=address, base=address, kind=kind, name=name, request={"prompt": "a kettle boils"}, **known)
    return Step(job, "reuse", "x", 1, (), Cost(0.25, "video", 0.04), record)


@pytest.fixture
def sheet(tmp_path):
    """A sound alone, and a film that comes with its sound track."""
    here = tmp_path / "object"  # objects have no suffix
    here.write_bytes(MP3)
    steps = (
        step("audio.kettle", "text-to-audio", ["out/audio/kettle.mp3"]),
        step("video.scored", "video-to-audio", ["out/video/scored.2.wav"]),
    )
    sources = Sources({}, lambda _: Cost(0.25, "video", 0.04), lambda _: (), lambda *_: here)
    return Sheet(project="p", cards=collected(Plan("p", steps), sources), made_at=0.0, version="")


def test_a_sound_is_told_by_its_name_and_not_by_what_its_operation_makes(sheet):
    """`video-to-audio` gives a film and a sound."""
    assert {card.address: [one.kind for one in card.takes[0].pictures] for card in sheet.cards} == {
        "audio.kettle": ["audio"],
        "video.scored": ["audio"],
    }


def test_a_sound_has_its_controls_its_length_and_its_file(sheet, tmp_path):
    """And nobody tries to make a poster of it."""
    page = written(sheet, tmp_path / "sheet", Thumbnails(tmp_path / "posters")).read_text(encoding="utf-8")

    assert page.count("<audio ") == 2
    assert "made, not on this machine" not in page
    assert page.count('<span class="length">5 s</span>') == 2
    names = sorted(path.name for path in (tmp_path / "sheet" / "media").iterdir())
    assert [Path(name).suffix for name in names] == [".mp3", ".wav"]


def test_a_single_file_carries_sounds_as_what_they_are(sheet, tmp_path):
    """A browser plays data only under its own type."""
    page = written(sheet, tmp_path / "sheet.html", Thumbnails(tmp_path / "posters"), single=True)

    text = page.read_text(encoding="utf-8")
    assert "data:audio/mpeg;base64," in text
    assert "data:audio/x-wav;base64," in text
