"""To stop waiting is not to fail: signals, --timeout, --detach and wait, in real processes."""

import signal
import time

import pytest
from stage import CHAIN, many

JOBS = 8


def under_way(stage, run, count=1):
    """Wait until so many tasks are at Kling."""
    ends = time.monotonic() + 20
    while stage.ledger()["tasks"] < count:
        assert run.poll() is None, run.communicate()
        assert time.monotonic() < ends
        time.sleep(0.02)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_run_within_two_seconds_and_the_next_goes_on(picture, number):
    """Exit 130 with the number of tasks that go on and will be billed."""
    picture.write(many(JOBS)).clock(mode="manual")
    run = picture.process("run", "-y", "-q")
    under_way(picture, run, JOBS)
    sent = time.monotonic()
    run.send_signal(number)
    _, err = run.communicate(timeout=10)
    assert time.monotonic() - sent < 2
    assert run.returncode == 130
    assert f"{JOBS} tasks go on at Kling and will be billed" in err
    picture.clock(mode="real")
    assert picture.cli("run", "-y", "-q").returncode == 0
    picture.assert_paid_once(JOBS)
    picture.assert_whole(JOBS)


def test_a_signal_while_a_create_is_on_its_way_waits_for_its_answer(picture):
    """The answer comes half a second late and after the signal: it is noted, and nobody has to look it up."""
    picture.faults({"fault": "delay", "seconds": 0.5, "match": {"method": "POST"}})
    picture.clock(mode="manual")
    run = picture.process("run", "-y", "-q")
    ends = time.monotonic() + 20
    while not any(rule["fired"] for rule in picture.ledger()["rules"]):
        assert time.monotonic() < ends
        time.sleep(0.01)
    sent = time.monotonic()
    run.send_signal(signal.SIGTERM)
    run.communicate(timeout=10)
    assert time.monotonic() - sent < 2
    assert run.returncode == 130
    assert [record.state for record in picture.workspace.snapshot().ledger.all()] == ["submitted"]
    picture.clock(mode="real")
    assert picture.cli("run", "-y", "-q").returncode == 0
    picture.assert_paid_once(1)


def test_a_second_signal_ends_at_once(picture):
    """Nobody is held up by a program that tidies."""
    picture.faults({"fault": "delay", "seconds": 1.5, "match": {"method": "POST"}})
    run = picture.process("run", "-y", "-q")
    ends = time.monotonic() + 20
    while not any(rule["fired"] for rule in picture.ledger()["rules"]):
        assert time.monotonic() < ends
        time.sleep(0.01)
    run.send_signal(signal.SIGTERM)
    time.sleep(0.1)
    run.send_signal(signal.SIGTERM)
    run.communicate(timeout=2)
    assert run.returncode == -signal.SIGTERM
    picture.faults()
    assert picture.run().exit_code == 0
    ends = time.monotonic() + 20
    while not picture.ledger()["duplicates_refused"]:  # the first create is still on its way, and comes too late
        assert time.monotonic() < ends
        time.sleep(0.05)
    picture.assert_paid_once(1)


def test_a_time_out_is_exit_75_and_wait_goes_on(picture):
    """What is at Kling is waited for later; `wait` creates nothing."""
    picture.write(many(JOBS)).clock(mode="manual")
    done = picture.cli("run", "-y", "-q", "--timeout", "0.8s")
    assert done.returncode == 75
    assert "tasks go on at Kling" in done.stderr
    posts = picture.posts
    picture.clock(mode="real")
    done = picture.cli("wait", "-q")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{posts} made, 0 reused, 0 failed, 0 waiting")
    assert picture.posts == posts
    assert picture.cli("run", "-y", "-q").returncode == 0
    picture.assert_paid_once(JOBS)


def test_detach_submits_and_returns_and_wait_goes_on(picture):
    """Exit 75 at once, then everything by `wait`."""
    picture.write(many(JOBS)).clock(mode="manual")
    done = picture.cli("run", "-y", "-q", "--detach")
    assert (done.returncode, picture.posts) == (75, JOBS)
    assert picture.cli("wait", "-q", "--timeout", "0.3s").returncode == 75
    picture.clock(mode="real")
    assert picture.cli("wait", "-q").returncode == 0
    picture.assert_paid_once(JOBS)
    picture.assert_whole(JOBS)


def test_wait_makes_no_new_attempt(picture):
    """A task fails for a passing reason: `wait` says so, the next run tries again."""
    text = many(1).replace("picture 0", "picture 0, retries: 2").replace("{ prompt: picture 0", "{ prompt: picture 0")
    picture.write(text).clock(mode="manual")
    picture.faults({"fault": "task_failure", "message": "service busy, try again", "times": 1})
    assert picture.cli("run", "-y", "-q", "--detach").returncode == 75
    picture.clock(mode="real")
    done = picture.cli("wait", "-q")
    assert done.returncode == 1
    assert "nothing is created here" in done.stderr
    assert picture.posts == 1
    assert picture.cli("run", "-y", "-q").returncode == 0
    assert picture.posts == 2


def test_a_chain_that_was_detached_is_carried_on_link_by_link(picture):
    """Only what can be sent is sent; each later run sends the next link."""
    picture.write(CHAIN)
    for expected in (1, 2, 3):
        picture.cli("run", "-y", "-q", "--detach")
        assert picture.posts == expected
        time.sleep(0.05)
    assert picture.cli("run", "-y", "-q").returncode == 0
    picture.assert_paid_once(3)
    picture.assert_whole(3)
