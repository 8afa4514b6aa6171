"""Progress as people and machines see it: on a real terminal, in a pipe, and at ten thousand jobs."""

from __future__ import annotations

import io
import json
import os
import time
from dataclasses import replace

import pytest

from kling_pipe.engine.events import Event
from kling_pipe.model import Cost, Job, Plan, Step
from kling_pipe.report.progress import progress
from kling_pipe.report.progress_lines import clock_text, status_line
from kling_pipe.report.progress_state import ProgressState

CLIP = {"model_name": "kling-v3-omni", "mode": "std", "sound": "off", "duration": "5", "prompt": "tea"}


def step(name: str, action="create", take: int = 1) -> Step:
    job = Job(name, name, "video", name, take, "omni-video", CLIP, name, "tea", takes=2)
    return Step(job, action, f"kp1-{name}", 1, (), Cost(3.0, "video", 0.42))


def plan(count: int) -> Plan:
    return Plan("tea", tuple(step(f"video.v{n}") for n in range(count)))


def story(name: str, at: float, *, fails: bool = False) -> list[Event]:
    end = Event("failed", name, at + 9, {"message": "risk control"}) if fails else Event("saved", name, at + 9)
    done = [] if fails else [Event("succeeded", name, at + 8, {"units": "3"})]
    return [Event("submitted", name, at), Event("processing", name, at + 1), *done, end]


def test_the_board_counts_what_runs_and_what_it_cost():
    """Slots are held from the submit to the end of the task, units are those that Kling reported."""
    board = ProgressState(plan(3))
    for event in story("video.v0", 100)[:-1]:
        board.take(event)
    board.take(Event("submitted", "video.v1", 109))

    assert dict(board.slots) == {"video": 1, "": 0} or board.slots["video"] == 1
    assert board.running["video.v0"].phase == "saving"
    assert board.running["video.v1"].expected == 8
    assert board.units["video"] == 3
    assert board.usd == pytest.approx(0.42)


def test_an_attempt_that_is_tried_again_is_no_failure():
    """A transient failure followed by another attempt leaves the job running."""
    board = ProgressState(plan(1))
    for event in [
        *story("video.v0", 0, fails=True),
        Event("retrying", "video.v0", 10, {"reason": "busy"}),
        *story("video.v0", 11),
    ]:
        board.take(event)

    assert (board.done, board.counts["failed"], board.counts["made"]) == (1, 0, 1)


def test_a_file_that_was_only_fetched_is_reused():
    """Downloading what was paid for earlier makes nothing."""
    board = ProgressState(
        Plan("tea", (step("video.v0", action="download"), replace(step("video.v1"), shared_with="video.v0")))
    )
    board.take(Event("saved", "video.v0", 1))
    board.take(Event("saved", "video.v1", 1))

    assert dict(board.counts) == {"reused": 2}


def test_plain_lines_tell_every_end_with_its_reason():
    """Without a terminal: one line a job, no escape codes."""
    stream = io.StringIO()
    with progress("auto", stream, plan(2), {"usd": 5}) as shown:
        for event in [*story("video.v0", 0), *story("video.v1", 0, fails=True)]:
            shown.on_event(event)

    assert stream.getvalue() == "+ video.v0  made in 0:09, 3 video units\n! video.v1  failed: risk control\n"


def test_a_large_run_is_told_in_few_lines():
    """Ten thousand jobs in a log: failures, a line every half minute, a last one; and it costs next to nothing."""
    stream, jobs = io.StringIO(), 10_000
    began = time.process_time()
    with progress("plain", stream, plan(jobs), {"usd": 5000, "video": 40_000}) as shown:
        for number in range(jobs):
            for event in story(f"video.v{number}", number / 100, fails=number == 7):
                shown.on_event(event)
    took = time.process_time() - began
    lines = stream.getvalue().splitlines()

    assert len(lines) < 12
    assert "! video.v7  failed: risk control" in lines
    assert lines[-1] == "10000 of 10000 done (1 failed), 29997 of 40000 video units, $4199.58 of $5000"
    assert took < 5


def test_machines_get_every_event_as_a_line():
    """JSON lines are the events and nothing else; quiet is nothing."""
    stream, silent = io.StringIO(), io.StringIO()
    for kind, where in (("json", stream), ("quiet", silent)):
        with progress(kind, where, plan(1), {}) as shown:
            for event in story("video.v0", 0):
                shown.on_event(event)

    assert [json.loads(line)["type"] for line in stream.getvalue().splitlines()] == [
        "submitted",
        "processing",
        "succeeded",
        "saved",
    ]
    assert silent.getvalue() == ""


def test_a_status_says_what_is_against_the_budget():
    """Packs are never added up."""
    board = ProgressState(plan(2))
    for event in story("video.v0", 0):
        board.take(event)

    assert status_line(board, {"usd": 2, "image": 10}) == "1 of 2 done, 3 video units, 0 of 10 image units, $0.42 of $2"


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00"), (7.4, "0:07"), (750, "12:30"), (3723, "1:02:03"), (-3, "0:00")]
)
def test_times_are_written_as_clocks(seconds, text):
    """Minutes and seconds, hours when there are any, never a negative time."""
    assert clock_text(seconds) == text


@pytest.mark.needs("dev/ptmx")
def test_a_terminal_shows_what_runs_and_keeps_what_ended():
    """On a real pseudo-terminal: the job that runs with its take and time, the slots; afterwards only the ends stay."""
    import pty

    reader, writer = pty.openpty()
    os.set_blocking(reader, False)
    first, second = replace(step("video.v0")), step("video.v1", take=2)
    with os.fdopen(writer, "w", encoding="utf-8") as stream:
        with progress(
            "auto", stream, Plan("tea", (first, second)), {"usd": 2}, clock=lambda: 12.0, expected=lambda _: 40
        ) as shown:
            for event in [
                *story("video.v0", 0),
                Event("submitted", "video.v1", 9),
                Event("processing", "video.v1", 10),
            ]:
                shown.on_event(event)
            during = until(reader, "slots: 1 video")
        after = drained(reader)

    assert "video.v1 take 2 of 2" in plain(during)
    assert "at Kling" in plain(during)
    assert "~0:37 left" in plain(during)
    assert "$0.42 of $2" in plain(during)
    assert "+ video.v0  made in 0:09, 3 video units" in plain(during)
    assert "\x1b[?25h" in after  # the cursor is given back


def until(reader: int, words: str) -> str:
    text, deadline = "", time.monotonic() + 10
    while words not in plain(text):
        assert time.monotonic() < deadline, text
        text += drained(reader)
        time.sleep(0.02)
    return text


def drained(reader: int) -> str:
    try:
        return os.read(reader, 1 << 20).decode("utf-8", "replace")
    except BlockingIOError:
        return ""


def plain(text: str) -> str:
    import re

    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)
