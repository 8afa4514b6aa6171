"""A Kling that takes an external id again: what still keeps a job from being paid twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from fleet import WORKER, finished, rows, until
from scenario import HEAD, PICTURE, Stage, many, tally

from kling_pipe import api

STANDSTILL = Path(__file__).with_name("standstill.py")


@pytest.fixture(scope="module")
def forgetful(tmp_path_factory):
    """A local Kling that accepts every id again."""
    from kling_pipe.emulator.testing import running

    folder = tmp_path_factory.mktemp("forgetful")
    with running(folder, media="tiny", task_seconds=0.02, accept_duplicates=True) as server:
        yield server


@pytest.fixture
def stage(forgetful, tmp_path):
    stage = Stage(forgetful, tmp_path / "campaign").write(PICTURE)
    stage.reset()
    yield stage
    stage.end()


def stopping(stage, at: int, notes: Path) -> subprocess.Popen:
    """A run that stands still at an effect."""
    words = [sys.executable, str(STANDSTILL), str(at), str(notes), "run", "-y", "-q"]
    environ = stage._environ_with({})
    stage.started.append(subprocess.Popen(words, cwd=stage.root, env=environ, stdout=subprocess.DEVNULL))
    return stage.started[-1]


def is_stopped(process: subprocess.Popen) -> bool:
    found, status = os.waitpid(process.pid, os.WUNTRACED | os.WNOHANG)
    return found == process.pid and os.WIFSTOPPED(status)


def test_a_run_that_was_stopped_before_its_post_looks_again_when_it_wakes(stage, tmp_path) -> None:
    """At every effect from its claim to the first byte of its POST: another machine makes the task meanwhile."""
    notes = tmp_path / "notes"
    assert stopping(stage, 0, notes).wait(timeout=30) == 0
    effects = notes.read_text(encoding="utf-8").splitlines()
    last = effects.index("before send POST") + 1
    assert effects[last - 5 : last - 1] == ["before commit", "after commit"] * 2, "the claim, then the intent"
    for number in range(last - 4, last + 1):
        stage.reset()
        one = stage.elsewhere(tmp_path / f"one{number}")
        other = stage.elsewhere(tmp_path / f"other{number}")
        process = stopping(one, number, tmp_path / f"notes{number}")
        until(lambda process=process: is_stopped(process))
        assert tally(other.run()) == (1, 0, 0, 0)
        os.kill(process.pid, signal.SIGCONT)
        assert process.wait(timeout=30) == 0
        assert list(stage.ledger()["creates"].values()) == [1], effects[number - 1]
        one.assert_whole(1)


def test_a_plan_that_waited_is_looked_up_again(stage, tmp_path) -> None:
    """Somebody thinks for a while at the prompt, and another machine makes all of it: nothing is sent."""
    stage.write(many(6))
    found = stage.plan()
    assert tally(stage.elsewhere(tmp_path / "other").run()) == (6, 0, 0, 0)
    result = api.run(aged(found, 6.0), stage.workspace, settings=stage.settings, seams=stage.seams)
    assert (result.made, result.reused) == (0, 6)
    assert set(stage.ledger()["creates"].values()) == {1}


def test_a_plan_that_was_just_made_costs_no_further_question(stage) -> None:
    """What was looked up a moment ago is sent at once; a task that takes its time is asked for no sooner."""
    stage.clock(mode="manual")
    found = stage.write(many(4)).plan()
    asked = stage.ledger()["requests"]["kinds"]["get"]
    api.run(found, stage.workspace, settings=replace(stage.settings, detach=True), seams=stage.seams)
    kinds = stage.ledger()["requests"]["kinds"]
    assert (kinds["create"], kinds["get"]) == (4, asked), kinds


def aged(plan, seconds: float):
    """A plan whose look-ups are older by that."""
    steps = tuple(replace(step, looked_at=step.looked_at - seconds) for step in plan.steps)
    return replace(plan, steps=steps)


@pytest.mark.parametrize("share", [0, 0.5, 0.9])
def test_a_short_list_page_makes_nothing_anew(stage, tmp_path, share) -> None:
    """Thirty pictures on an empty machine, while lists lack what they like."""
    assert tally(stage.write(many(30)).run()) == (30, 0, 0, 0)
    stage.faults({"fault": "short_page", "share": share})
    other = stage.elsewhere(tmp_path / "other")
    assert other.run().failed == 0
    assert len(stage.ledger()["creates"]) == 30
    assert set(stage.ledger()["creates"].values()) == {1}
    other.assert_whole(30)


def test_a_further_attempt_that_a_list_lacks_is_not_made_anew(stage, tmp_path) -> None:
    """Ten of ten were made again on purpose; another machine that sees none of that in the list wants the same."""
    stage.write(many(10)).run()
    everything = [f"image.i{n}" for n in range(10)]
    assert stage.run(replace=everything).made == 10
    assert len(stage.ledger()["creates"]) == 20
    stage.faults({"fault": "short_page", "share": 0.4})
    other = stage.elsewhere(tmp_path / "other")
    other.run(replace=everything)
    assert {name: count for name, count in stage.ledger()["creates"].items() if count != 1} == {}


@pytest.mark.needs("postgres")
@pytest.mark.parametrize("lives_on", [True, False])
def test_an_older_dump_of_the_database_makes_nothing_anew(stage, tmp_path, postgres, lives_on) -> None:
    """A campaign is queued, dumped, worked off, restored and worked off again, by a new worker and by the old one."""
    url, dump = postgres.database(), postgres.folder / f"dump{lives_on}"
    stage.write(many(20))
    assert stage.cli("run", "-y", "-q", "--detach", "--store", url).returncode == 75
    postgres.dump(url, dump)
    worker = stage.elsewhere(tmp_path / "machine").process(*WORKER, "--store", url)
    until(lambda: finished(url, 20))
    if not lives_on:
        ended(worker)
    postgres.restore(url, dump)
    assert rows(url, "SELECT count(*) FROM kling_pipe.records") == [(0,)]
    if not lives_on:
        worker = stage.elsewhere(tmp_path / "other").process(*WORKER, "--store", url)
    until(lambda: finished(url, 20))
    ended(worker)
    assert len(stage.ledger()["creates"]) == 20
    assert set(stage.ledger()["creates"].values()) == {1}


def ended(worker: subprocess.Popen) -> None:
    worker.send_signal(signal.SIGTERM)
    told = worker.communicate(timeout=30)
    assert worker.returncode == 0, told


def test_one_task_that_is_adopted_for_two_jobs_ends_both(stage) -> None:
    """While it runs: one watch of a task used to hide the other, and the run never ended."""
    stage.clock(mode="manual")
    stage.write(HEAD + "images: { first: { prompt: a } }\n")
    assert stage.cli("run", "-y", "-q", "--detach").returncode == 75
    [task] = [record.task_id for record in stage.workspace.store().records().all()]
    stage.write(HEAD + "images: { one: { prompt: b }, two: { prompt: c }, three: { prompt: d } }\n")
    for name in ("one", "two", "three"):
        assert stage.cli("adopt", f"image.{name}", task).returncode == 0
    run = stage.process("run", "-y", "-q", "--timeout", "30s")
    until(lambda: stage.ledger()["requests"]["kinds"]["get"] >= 3)
    stage.clock(mode="real")
    out, err = run.communicate(timeout=40)
    assert (run.returncode, out[:6]) == (0, "3 made"), err
    assert list(stage.ledger()["creates"].values()) == [1]
