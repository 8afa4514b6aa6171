"""Failures by class, driven by `schemas/errors.json`: what stops a job, a pack, a model, a run; what is tried again."""

import json
import time
from dataclasses import replace

import pytest
from scenario import HEAD, PICTURE, ROOT, tally

from kling_pipe.model import Record

CODES = [
    row for row in json.loads((ROOT / "schemas" / "errors.json").read_text(encoding="utf-8"))["codes"] if row["code"]
]
BUSY = "Service busy, please try again later"
BLOCKED = "Failure to pass the risk control system"

FOUR = (
    HEAD
    + """\
images:
  still: { prompt: a still }
videos:
  first: { duration: 5, prompt: the first clip }
  second: { duration: 5, prompt: the second clip }
  old: { model_name: kling-video-o1, duration: 5, prompt: with another model }
"""
)
STOPPED = {
    "nothing": (set(), 0),
    "job": ({"video.first"}, 1),
    "model": ({"video.first", "video.second", "image.still"}, 4),
    "pack": ({"video.first", "video.second", "video.old"}, 4),
    "run": ({"video.first", "video.second", "video.old", "image.still"}, 4),
}
"""By what a code stops: the jobs that are not made when the first job meets it, and the exit code."""


@pytest.fixture
def four(picture):
    """Two clips and a picture with one model, a clip with another; one after the other, the clips first."""
    picture.settings = replace(picture.settings, jobs=1)
    return picture.write(FOUR)


def name_of(stage, address):
    return next(step.external_task_id for step in stage.plan().steps if step.job.address == address)


@pytest.mark.parametrize("row", CODES, ids=lambda row: str(row["code"]))
def test_a_refused_create_stops_what_its_code_says_and_nothing_more(four, row):
    """The first clip meets the code; the others are made or not as the table says, and none of those is sent."""
    unmade, code = STOPPED[row["stops"]]
    once = {"times": 1} if row["stops"] == "nothing" else {}
    match = {"method": "POST", "external_id": name_of(four, "video.first")}
    four.faults({"fault": "error", "code": row["code"], "http": row["http"], "match": match, **once})
    result = four.run()
    endings = {one.address: one.ending for one in result.outcomes}
    assert {address for address, ending in endings.items() if ending != "made"} == unmade
    assert result.exit_code == code
    four.assert_paid_once(4 - len(unmade))
    four.faults()
    if row["class"] != "policy":
        assert four.run().exit_code == 0
        four.assert_paid_once(4)


def test_a_code_that_nobody_knows_fails_its_job_after_a_look(four):
    """Whatever Kling invents: looked up, told word for word, the rest is made."""
    match = {"method": "POST", "external_id": name_of(four, "video.first")}
    four.faults({"fault": "error", "code": 4242, "http": 418, "message": "teapot", "match": match})
    result = four.run()
    assert tally(result) == (3, 0, 1, 0)
    assert [one.message for one in result.outcomes if one.ending == "failed"] == ["teapot (code 4242)"]


@pytest.mark.parametrize("code", [1300, 1301])
def test_a_request_against_the_rules_is_remembered_and_never_sent_again(picture, code):
    """Refused at the door: the lock says so, a fresh machine with that lock knows it, the plan names it."""
    picture.faults({"fault": "error", "code": code, "http": 400, "match": {"method": "POST"}})
    assert picture.run().exit_code == 1
    picture.faults()
    assert picture.blocks()["image.kite"]["failed"]["failure"] == "moderation"
    picture.workspace.ledger_path.unlink()
    assert picture.run().exit_code == 1
    assert picture.posts == 1


def test_a_moderation_failure_stands_in_the_lock_and_the_plan_says_so(picture):
    """Never resent unchanged, by no run; a changed prompt is another request, `retry` a person's own decision."""
    picture.write(PICTURE.replace("a red kite", "a red kite, retries: 3"))
    picture.faults({"fault": "task_failure", "message": BLOCKED, "times": 1})
    done = picture.cli("run", "-y", "-q")
    assert done.returncode == 1
    for word in ("kling-pipe.yaml:6:", "image.kite", BLOCKED, "0 units charged", "next: change the prompt"):
        assert word in done.stderr
    for _ in range(2):
        assert picture.cli("run", "-y", "-q").returncode == 1
    assert picture.posts == 1
    picture.workspace.ledger_path.unlink()
    plan = picture.cli("plan")
    assert "Kling's content rules refused it" in plan.stdout
    assert picture.cli("retry", "-y", "-q").returncode == 0
    assert picture.posts == 2
    assert "failed" not in picture.blocks()["image.kite"]


def test_a_changed_prompt_is_sent_whatever_failed_before(picture):
    """The memory is of the request, not of the name."""
    picture.faults({"fault": "task_failure", "message": BLOCKED, "times": 1})
    assert picture.run().failed == 1
    picture.write(PICTURE.replace("red", "blue"))
    assert tally(picture.run()) == (1, 0, 0, 0)
    assert "failed" not in picture.blocks()["image.kite"]


@pytest.mark.parametrize(("failures", "made", "attempts"), [(1, 1, 2), (2, 1, 3), (3, 0, 3), (9, 0, 3)])
def test_a_passing_failure_is_tried_again_as_often_as_retries_says(picture, failures, made, attempts):
    """Within one run, each attempt under an id of its own; the next run makes none beyond that."""
    picture.write(PICTURE.replace("a red kite", "a red kite, retries: 2"))
    picture.faults({"fault": "task_failure", "message": BUSY, "times": failures})
    result = picture.run()
    assert (result.made, result.failed) == (made, 1 - made)
    picture.assert_paid_once(attempts)
    assert picture.run().failed == 1 - made
    picture.assert_paid_once(attempts)


def test_attempts_are_counted_over_runs(picture):
    """Killed or stopped in between: `retries` bounds the sum."""
    picture.write(PICTURE.replace("a red kite", "a red kite, retries: 2")).clock(mode="manual")
    picture.faults({"fault": "task_failure", "message": BUSY})
    assert picture.run(settings=replace(picture.settings, detach=True)).exit_code == 75
    picture.clock(mode="real")
    assert picture.run().failed == 1
    assert picture.run().failed == 1
    picture.assert_paid_once(3)


def test_an_unknown_failure_is_not_tried_again(picture):
    """Only what is known to pass is worth another task."""
    picture.write(PICTURE.replace("a red kite", "a red kite, retries: 3"))
    picture.faults({"fault": "task_failure", "message": "the moon was in the wrong house"})
    assert picture.run().failed == 1
    picture.assert_paid_once(1)


@pytest.mark.parametrize(
    ("budget", "attempts", "said"),
    [
        ({"image": 8}, 1, "the run costs 16 image units, the budget allows 8"),
        ({"image": 16}, 2, "the run costs 24 image units, the budget allows 16"),
        ({"usd": 0.06}, 2, "the run costs $0.08, the budget allows $0.06"),
        ({"per_job": {"image": 9}}, 1, "the job costs 16 image units, the budget allows 9"),
        ({"image": 800}, 4, ""),
        ({}, 4, ""),
    ],
)
def test_new_attempts_count_against_the_budget(picture, budget, attempts, said):
    """One that would go beyond it is not sent, and the failure says so."""
    picture.write(PICTURE.replace("a red kite", "a red kite, retries: 3"))
    picture.faults({"fault": "task_failure", "message": BUSY})
    result = picture.run(settings=replace(picture.settings, budget=budget))
    picture.assert_paid_once(attempts)
    assert BUSY in result.outcomes[0].message
    assert said in result.outcomes[0].message


def test_what_a_killed_run_was_about_to_send_counts_against_the_budget_too(picture):
    """The next run may have to send it, and pays then."""
    picture.write(PICTURE.replace("a red kite", "a red kite, retries: 3"))
    step = picture.plan().steps[0]
    job, store = step.job, picture.workspace.store()
    store.put(Record(step.external_task_id, job.project, job.key, 1, 1, job.operation, store.account, "intent"))
    store.close()
    picture.faults({"fault": "task_failure", "message": BUSY})
    assert picture.run(settings=replace(picture.settings, budget={"image": 8})).failed == 1
    picture.assert_paid_once(1)


@pytest.mark.timeout(20)
def test_an_intent_of_tomorrow_is_looked_up_today(picture):
    """A clock that was set back, or a ledger from a machine whose clock is ahead."""
    step = picture.plan().steps[0]
    job, store = step.job, picture.workspace.store()
    tomorrow = int(time.time() + 86_400) * 1000
    intent = Record(step.external_task_id, job.project, job.key, 1, 1, job.operation, store.account, "intent")
    store.put(replace(intent, updated_at=tomorrow))
    store.close()
    assert tally(picture.run()) == (1, 0, 0, 0)
    picture.assert_paid_once(1)


def test_the_budget_of_the_manifest_bounds_attempts(picture):
    """The same by the command line."""
    picture.write(PICTURE.replace("a red kite", "a red kite, retries: 3") + "budget: { image: 10 }\n")
    picture.faults({"fault": "task_failure", "message": BUSY})
    done = picture.cli("run", "-y", "-q")
    assert done.returncode == 1
    assert "no new attempt: with it the run costs 16 image units" in done.stderr
    picture.assert_paid_once(1)


def test_independent_jobs_are_done_whatever_fails_beside_them(four):
    """--keep-going is how it is; --fail-fast sends nothing more and still ends what is under way."""
    match = {"external_id": name_of(four, "video.first")}
    four.faults({"fault": "task_failure", "message": "Image pixel is invalid", "match": match})
    assert tally(four.run()) == (3, 0, 1, 0)
    four.reset()
    four.faults({"fault": "task_failure", "message": "Image pixel is invalid", "match": match})
    other = four.elsewhere(four.root.parent / "other")
    result = other.run(settings=replace(four.settings, fail_fast=True))
    assert (result.made, result.failed) == (0, 1)
    four.assert_paid_once(1)


def test_replace_makes_a_new_attempt_on_purpose_and_keeps_the_old_file(picture):
    """The first result stays as an object; the new one takes the name."""
    picture.run()
    first = picture.blocks()["image.kite"]["outputs"][0]["sha256"]
    assert picture.cli("run", "-y", "-q", "--replace", "image.kite").stdout.startswith("1 made")
    assert picture.blocks()["image.kite"]["attempt"] == 2
    assert picture.workspace.outputs().whole(first)
    picture.assert_paid_once(2)
    assert tally(picture.run()) == (0, 1, 0, 0)
