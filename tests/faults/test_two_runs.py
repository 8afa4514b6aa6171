"""Several runs of one campaign at the same time, in real processes: nothing twice, each ends with all files."""

import json
import time

import pytest
from scenario import many

JOBS = 16
RUN = ("run", "-y", "--json")


def all_ended(stage, runs):
    told = [run.communicate(timeout=60) for run in runs]
    assert [run.returncode for run in runs] == [0] * len(runs), told
    units = stage.assert_paid_once(JOBS)
    ends = [json.loads(out.splitlines()[-1]) for out, _ in told]
    # Each job is counted where it was made, and paid for once in all summaries together.
    assert sum(end["made"] for end in ends) == JOBS
    assert [end["made"] + end["reused"] for end in ends] == [JOBS] * len(runs)
    assert {pack: sum(end["units"][pack] for end in ends) for pack in units} == pytest.approx(units)


@pytest.mark.parametrize("count", [2, 4])
def test_runs_at_once_in_one_folder(picture, count):
    """One state folder: who comes second waits for the first one's task instead of sending."""
    picture.write(many(JOBS))
    all_ended(picture, [picture.process(*RUN) for _ in range(count)])
    picture.assert_whole(JOBS)
    assert picture.ledger()["duplicates_refused"] == {}


@pytest.mark.parametrize("count", [2, 4])
def test_runs_at_once_in_folders_of_their_own(picture, tmp_path, count):
    """Nothing is shared but the account: ids are found or refused, and every folder gets every file."""
    picture.write(many(JOBS))
    stages = [picture.elsewhere(tmp_path / f"machine{number}") for number in range(count)]
    all_ended(picture, [stage.process(*RUN) for stage in stages])
    for stage in stages:
        stage.assert_whole(JOBS)


def test_a_run_that_finds_another_one_saving_lets_it_count(picture):
    """What the first one has made and is fetching is the first one's; the second waits for it and has every file."""
    picture.write(many(JOBS))
    picture.faults({"fault": "delay", "seconds": 1.5, "match": {"path": "/media/*"}})
    first = picture.process(*RUN)
    ends = time.monotonic() + 20
    while [record.state for record in picture.workspace.snapshot().ledger.all()].count("succeed") < JOBS:
        assert time.monotonic() < ends
        time.sleep(0.02)
    all_ended(picture, [first, picture.process(*RUN)])
    picture.assert_whole(JOBS)


def test_runs_at_once_share_the_slots_of_the_account(picture):
    """Two processes with one ledger: the second counts the first one's slots, so Kling never has to refuse."""
    picture.write(many(JOBS))
    all_ended(picture, [picture.process(*RUN) for _ in range(2)])
    assert "429" not in picture.ledger()["requests"]["codes"]
