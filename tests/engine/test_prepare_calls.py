"""Calls before a create, and ids of results: what a job sends, seen from a Kling that notes every body."""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from kling_pipe.catalog import operations
from kling_pipe.client import InDoubt, Prepared, Refused
from kling_pipe.client.error_codes import code_row
from kling_pipe.engine.job_errors import UnusableInputError
from kling_pipe.engine.prepare_calls import prepared
from kling_pipe.engine.resolve_refs import resolved
from kling_pipe.model import Output, OutputRef, PresetRef, Record

LIP = operations.load_operation("advanced-lip-sync")
ELEMENTS = operations.load_operation("multi-elements")
SOUND = {"audio_id": "7", "sound_start_time": 0, "sound_end_time": 2000, "sound_insert_time": 0}
FACES = [
    {"face_id": "31", "start_time": 0, "end_time": 2000},
    {"face_id": "44", "start_time": 1500, "end_time": 5000},
]
DAY = 24 * 3600.0


@dataclass
class Notes:
    """Stands in Kling's place: answers from a table, and remembers what it was asked."""

    answers: dict
    asked: list = field(default_factory=list)

    async def prepare(self, path, fields, *, external_task_id=""):
        self.asked.append((path, dict(fields)))
        answer = self.answers.get(path.rpartition("/")[2], {"status": 0})
        return Prepared(answer) if isinstance(answer, dict) else answer


def ready(operation, body, **answers):
    notes = Notes({name.replace("_", "-"): answer for name, answer in answers.items()})
    return asyncio.run(prepared(notes, operation, body, "kp1-test-0")), notes.asked


def lip(**choice):
    return {"video_url": "https://example.com/a.mp4", "face_choose": [{**choice, **SOUND}]}


@pytest.mark.parametrize(
    ("choice", "face_id"),
    [
        ({"face": 0}, "31"),
        ({"face": 1}, "44"),
        ({"face_at": 1600}, "31"),
        ({"face_at": 3000}, "44"),
        ({"face_id": "9"}, "9"),
    ],
)
def test_a_face_is_chosen_by_number_by_moment_or_by_id(choice, face_id):
    """The video goes to the search alone; the create has the session and the face's id."""
    body, asked = ready(LIP, lip(**choice), identify_face={"session_id": "s1", "face_data": FACES})
    assert asked == [("/v1/videos/identify-face", {"video_url": "https://example.com/a.mp4"})]
    assert body == {"session_id": "s1", "face_choose": [{"face_id": face_id, **SOUND}]}


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        ({"face": 2}, "2 of face_data were found, and none has the number 2"),
        ({"face_at": 9000}, "none is there at 9000 ms"),
    ],
)
def test_a_face_that_is_not_there_fails_the_job(choice, said):
    """Nothing is created, and the message says what was found."""
    answer, _ = ready(LIP, lip(**choice), identify_face={"session_id": "s1", "face_data": FACES})
    assert isinstance(answer, Refused)
    assert said in answer.message


def test_selections_are_sent_one_by_one():
    """The session is opened first; points go in, points come out, and the create names none of them."""
    points = [{"x": 0.5, "y": 0.5}]
    request = {
        "video_id": "7", "edit_mode": "removal", "prompt": "gone",
        "selections": [{"frame_index": 0, "points": points}, {"frame_index": 9, "points": points}],
        "deselections": [{"frame_index": 9, "points": points}],
    }  # fmt: skip
    body, asked = ready(ELEMENTS, request, init_selection={"status": 0, "session_id": "s2"})
    assert [path.rpartition("/")[2] for path, _ in asked] == [
        "init-selection",
        "add-selection",
        "add-selection",
        "delete-selection",
    ]
    assert asked[2][1] == {"session_id": "s2", "frame_index": 9, "points": points}
    assert body == {"edit_mode": "removal", "prompt": "gone", "session_id": "s2"}
    assert "selections" in request


def test_a_session_that_is_written_needs_no_calls():
    """The body goes out as it is."""
    body = {"session_id": "s3", "face_choose": [{"face_id": "1", **SOUND}]}
    assert ready(LIP, body) == (body, [])


def test_a_status_that_is_not_0_is_a_refusal():
    """The vendor says in a number that a video cannot be worked on."""
    answer, _ = ready(ELEMENTS, {"video_id": "7"}, init_selection={"status": 3, "session_id": "s4"})
    assert isinstance(answer, Refused)
    assert "answered status 3" in answer.message


@pytest.mark.parametrize("answer", [InDoubt("gone"), Refused(1302, "slow down", code_row(1302))])
def test_an_answer_that_is_none_comes_back_as_it_is(answer):
    """Whoever sends knows what to do with it."""
    assert ready(LIP, lip(face=0), identify_face=answer)[0] is answer


def record(**fields):
    given = {"kind": "video", "made": 0.0, **fields}
    output = Output(1, url="https://example.com/a.mp4", url_at=1, id="841532078923538512")
    return Record(
        "kp1-x-0",
        "x",
        "0" * 64,
        1,
        1,
        "text2video",
        "a",
        "succeed",
        outputs=(output,),
        created_at=int(given["made"] * 1000) or 1,
    )


def sent(operation, request, known, now):
    async def renew(_):
        return known

    async def preset(wanted):
        return f"id of {wanted.name}"

    media = operations.load_operation(operation).kling["media"]
    return asyncio.run(
        resolved(
            request,
            lambda _: known,
            renew,
            Path,
            now=now,
            url_seconds=1e12,
            inline_bytes=10,
            media=media,
            preset=preset,
        )
    )


def test_a_field_decides_whether_it_gets_an_id_or_a_url():
    """The same film, by its id for an extension and by its URL for motion control; a preset by name."""
    film = OutputRef("video.a", "video")
    assert sent("video-extend", {"video_id": film}, record(), 1.0)["video_id"] == "841532078923538512"
    assert sent("motion-control", {"video_url": film}, record(), 1.0)["video_url"].startswith("https://")
    fox = {"element_list": [{"element_id": PresetRef("element", "Fox")}]}
    assert sent("omni-video", fox, record(), 1.0) == {"element_list": [{"element_id": "id of Fox"}]}


def test_a_film_of_more_than_30_days_is_no_longer_taken_by_its_id():
    """The message says how to go on, and nothing is sent."""
    film, made = OutputRef("video.a", "video"), 100 * DAY
    assert sent("video-extend", {"video_id": film}, record(made=made), made + 29 * DAY)
    with pytest.raises(UnusableInputError, match=r"more than 30 days ago.*--replace video.a"):
        sent("video-extend", {"video_id": film}, record(made=made), made + 31 * DAY)
