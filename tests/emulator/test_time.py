"""The clock: stepped, scaled and real; results and URLs that expire; durations that are fixed by the id."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_pipe.emulator import Options
from kling_pipe.emulator.clock import Clock
from kling_pipe.emulator.task_durations import factor, task_seconds
from tests.emulator.conftest import IMAGE, still

DAY = 24 * 3600


def url_of(kling):
    return kling.get(f"{IMAGE}/one")["task_result"]["images"][0]["url"]


def test_results_are_gone_after_thirty_days(kling):
    """Until then the URL works; after that nobody gets one that does, though the record is still there."""
    kling.make(IMAGE, still("one"))
    url = url_of(kling)
    kling.advance(29 * DAY)
    assert kling.http.get(url).status_code == 200
    kling.advance(DAY)
    assert kling.http.get(url).status_code == 403
    assert kling.http.get(url_of(kling)).status_code == 403


def test_a_url_may_live_shorter_than_its_result(start):
    """Asked again, the task gives one that works."""
    kling = start(media="tiny", url_seconds=60)
    kling.make(IMAGE, still("one"))
    url = url_of(kling)
    kling.advance(61)
    assert kling.http.get(url).status_code == 403
    assert kling.http.get(url_of(kling)).status_code == 200


@pytest.mark.parametrize("change", ["expires=9", "issued=9", "signature=0", "signature=\xe9", ""])
def test_a_url_that_was_tampered_with_is_refused(kling, change):
    """403, whatever part of it."""
    kling.make(IMAGE, still("one"))
    path, _, query = url_of(kling).partition("?")
    name = change.partition("=")[0]
    kept = [part for part in query.split("&") if change and not part.startswith(name)]
    assert kling.http.get(f"{path}?{'&'.join([*kept, change])}").status_code == 403


def test_public_url_is_the_host_of_media(start):
    """Some clients refuse to download from 127.0.0.1."""
    kling = start(media="tiny", public_url="https://media.test/")
    kling.make(IMAGE, still("one"))
    assert url_of(kling).startswith("https://media.test/media/")
    assert kling.http.get(url_of(kling).removeprefix("https://media.test")).status_code == 200


@pytest.mark.parametrize(
    "body", [{"mode": "backwards"}, {"advance": -1}, {"rate": 0}, {"rate": "fast"}, {"advance": True}, [], 3]
)
def test_time_never_goes_back(kling, body):
    """And nonsense is refused with a message."""
    answer = kling.http.post("/_emulator/clock", json=body)
    assert answer.status_code == 400
    assert answer.json()["message"]


@given(st.lists(st.one_of(st.sampled_from(["real", "scaled", "manual"]), st.floats(0, 1e6)), max_size=20))
def test_the_clock_only_moves_forward(steps):
    """Whatever is switched and stepped, while the machine's own time goes on."""
    machine = [1e12]
    clock = Clock(system=lambda: machine[0])
    last = clock.now()
    for step in steps:
        machine[0] += 5
        if isinstance(step, str):
            clock.set(step, 7.0)
        else:
            clock.advance(step)
        assert clock.now() >= last
        last = clock.now()


def test_modes_differ_in_their_pace():
    """Real is one to one, scaled as told, manual stands still; a wait is told in the machine's seconds."""
    machine = [1e12]
    clock = Clock(system=lambda: machine[0])
    for mode, rate, passed, wait in (("real", 1.0, 1000, 1.0), ("scaled", 10.0, 10_000, 0.1), ("manual", 1.0, 0, None)):
        clock.set(mode, rate)
        before = clock.now()
        machine[0] += 1000
        assert clock.now() - before == passed
        assert clock.wait_until(clock.now() + 1000) == (pytest.approx(wait) if wait else None)


@given(st.text(min_size=1, max_size=30), st.floats(0, 0.9))
def test_the_external_id_fixes_the_time(name, spread):
    """Within the spread, and the same every time."""
    options = Options(task_seconds=10, spread=spread, speed=2)
    seconds = task_seconds("video", name, options)
    assert 5 * (1 - spread) <= seconds <= 5 * (1 + spread)
    assert seconds == task_seconds("image", name, options)
    assert factor(name, 0) == 1


def test_kinds_have_times_of_their_own():
    """Elements are quick, videos slow."""
    times = [task_seconds(kind, "x", Options()) for kind in ("element", "image", "video", "audio")]
    assert times == [0.3, 0.8, 1.5, 0.6]
