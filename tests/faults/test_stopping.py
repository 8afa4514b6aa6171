"""To stop waiting is not to fail: signals, --timeout, --detach and wait, in real processes."""

import asyncio
import json
import signal
import time

import pytest
from collector import collecting
from scenario import CHAIN, many, tally

from kling_pipe import api

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


def ended_unsaved(stage, *words):
    """A run that is stopped once all its tasks have ended and none of their files is here. What it said at its end."""
    stage.faults({"fault": "delay", "seconds": 30, "match": {"path": "/media/*"}})
    run = stage.process("run", "-y", "--json", *words)
    under_way(stage, run, JOBS)
    ends = time.monotonic() + 20
    while {record.state for record in stage.workspace.snapshot().ledger.all()} != {"succeed"}:
        assert time.monotonic() < ends
        time.sleep(0.02)
    run.send_signal(signal.SIGINT)
    out, _ = run.communicate(timeout=10)
    stage.faults()
    return json.loads(out.splitlines()[-1])


@pytest.mark.parametrize("verbs", [("run", "run"), ("sync", "run")])
def test_what_ended_before_it_was_saved_is_counted_by_the_run_that_saves_it(picture, verbs):
    """Nobody has counted it yet; the next run does, with its units, and the one after that does not."""
    picture.write(many(JOBS))
    stopped = ended_unsaved(picture)
    assert (stopped["made"], stopped["waiting"], stopped["units"]["image"]) == (0, JOBS, 0)
    with collecting() as collector:
        for verb in verbs:
            done = picture.cli(verb, *(("-y", "--json") if verb == "run" else ()), environ=collector.environ)
            assert done.returncode == 0, done
    units = picture.assert_paid_once(JOBS)
    counted = {one["kling_pipe.pool"]: value for one, value in collector.metrics()["kling_pipe.units"]}
    assert counted == units
    last = json.loads(done.stdout.splitlines()[-1])
    assert (last["made"], last["reused"]) == (0, JOBS)
    picture.assert_whole(JOBS)


@pytest.mark.parametrize("verbs", [("run",), ("wait",), ("sync", "run")])
def test_what_ended_at_kling_meanwhile_is_counted_by_the_run_that_saves_it(picture, verbs):
    """The run was stopped while its tasks were under way; they have ended by the time of the next one."""
    picture.write(many(JOBS)).clock(mode="manual")
    run = picture.process("run", "-y", "-q")
    under_way(picture, run, JOBS)
    run.send_signal(signal.SIGINT)
    run.communicate(timeout=10)
    picture.clock(mode="real")
    with collecting() as collector:
        for verb in verbs:
            done = picture.cli(verb, *(() if verb == "sync" else ("-q",)), environ=collector.environ)
            assert done.returncode == 0, done
    counted = {one["kling_pipe.pool"]: value for one, value in collector.metrics()["kling_pipe.units"]}
    assert counted == picture.assert_paid_once(JOBS)
    picture.assert_whole(JOBS)


def test_what_the_account_says_has_ended_is_counted_by_the_run_that_saves_it(picture):
    """The ledger still waits for it, and its run is gone: the plan knows from a look-up that it is made."""
    picture.write(many(JOBS)).clock(mode="manual")
    assert picture.cli("run", "-y", "-q", "--detach").returncode == 75
    picture.clock(mode="real")
    ends = time.monotonic() + 20
    while picture.ledger()["in_flight"]:
        assert time.monotonic() < ends
        time.sleep(0.02)
    plan = picture.plan(refresh=True, everything=True)
    assert {step.action for step in plan.steps} == {"download"}
    assert tally(picture.run(refresh=True, everything=True)) == (JOBS, 0, 0, 0)
    assert tally(picture.run(refresh=True, everything=True)) == (0, JOBS, 0, 0)
    picture.assert_paid_once(JOBS)


def test_what_a_detached_run_met_as_ended_and_could_not_save_is_counted_later(picture):
    """It looks once at what is under way, and is stopped while it fetches."""
    picture.write(many(JOBS)).clock(mode="manual")
    assert picture.cli("run", "-y", "-q", "--detach").returncode == 75
    picture.clock(mode="real")
    stopped = ended_unsaved(picture, "--detach")
    assert (stopped["made"], stopped["waiting"]) == (0, JOBS)
    assert tally(picture.run()) == (JOBS, 0, 0, 0)
    picture.assert_paid_once(JOBS)


def test_a_detached_run_does_not_wait_for_another_one(picture):
    """Its tasks are under way in a process that waits for them: that is as good as having sent them."""
    picture.write(many(JOBS)).clock(mode="manual")
    run = picture.process("run", "-y", "--json")
    under_way(picture, run, JOBS)
    done = picture.process("run", "-y", "-q", "--detach")
    _, err = done.communicate(timeout=30)
    assert done.returncode == 75, err
    assert f"{JOBS} tasks go on at Kling" in err
    picture.clock(mode="real")
    out, _ = run.communicate(timeout=30)
    assert json.loads(out.splitlines()[-1])["made"] == JOBS
    picture.assert_paid_once(JOBS)


def test_progress_counts_what_was_left_unsaved(picture):
    """The lines of the run that saves it say the same as its sum."""
    picture.write(many(JOBS))
    ended_unsaved(picture)
    done = picture.cli("run", "-y", "--progress", "plain")
    assert done.returncode == 0, done
    assert done.stdout.startswith(f"{JOBS} made, 0 reused, 0 failed, 0 waiting; 0 video units, {8 * JOBS} image units")
    assert done.stderr.count("  made, 8 image units\n") == JOBS, done.stderr


def test_what_was_bound_by_hand_is_nobodys_to_count(picture):
    """`adopt` names a task that somebody made: the run that saves it has not."""
    assert picture.cli("run", "-y", "-q").returncode == 0
    (task,) = (block["task_id"] for block in picture.blocks().values())
    picture.write(many(1))
    assert picture.cli("adopt", "image.i0", task).returncode == 0
    assert picture.cli("run", "-y", "-q").stdout.startswith("0 made, 1 reused, 0 failed, 0 waiting; 0 video units, 0 ")


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


def test_a_run_that_is_stopped_before_its_first_job_began_leaves_nothing_behind(picture):
    """Nothing is sent, nothing is told on stderr, and the next run makes all."""
    plan = picture.write(many(JOBS)).plan()

    async def stopped():
        stop = asyncio.Event()
        stop.set()
        return await api.arun(plan, picture.workspace, settings=picture.settings, seams=picture.seams, stop=stop)

    assert asyncio.run(stopped()).exit_code == 130
    assert picture.posts == 0
    assert tally(picture.run()) == (JOBS, 0, 0, 0)
