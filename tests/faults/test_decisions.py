"""What is decided before and after a submission: retry, replace, other machines and keys. Counted by the account."""

import shutil
from dataclasses import replace

import pytest
from crash import KILLED, Children
from scenario import HEAD, PICTURE, Stage, many, tally

from kling_pipe import api
from kling_pipe.emulator.testing import running

RUN = ("run", "-y", "-q")
JOBS = 9
"""As many pictures as the account has slots."""


def attempts(stage) -> list[str]:
    return sorted("a" + name.rpartition("-a")[2] if "-a" in name[-4:] else "a1" for name in stage.ledger()["creates"])


@pytest.mark.parametrize("code", [1201, 1301])
def test_a_refused_create_is_retried_under_its_own_id(picture, tmp_path, code):
    """All creates are refused, the printed `retry` makes one task each, and an empty machine finds each of them."""
    picture.write(many(JOBS)).faults({"fault": "error", "code": code, "match": {"method": "POST"}, "times": JOBS})
    assert tally(picture.run()) == (0, 0, JOBS, 0)
    assert picture.cli("retry", "-y", "-q").returncode == 0
    picture.assert_paid_once(JOBS)
    assert attempts(picture) == ["a1"] * JOBS
    other = picture.elsewhere(tmp_path / "laptop")
    assert other.cli("sync").stdout.startswith(f"{JOBS} tasks found for {JOBS} jobs")
    assert tally(other.run()) == (0, JOBS, 0, 0)
    picture.assert_paid_once(JOBS)


@pytest.mark.parametrize("jobs", [1, JOBS])
def test_a_later_attempt_is_found_although_the_first_is_gone(picture, tmp_path, jobs):
    """The failed one was forgotten by Kling, ids and all: one by one and by the list the second is found."""
    picture.write(many(jobs).replace("prompt:", "retries: 1, prompt:"))
    picture.faults({"fault": "task_failure", "message": "Service busy, try again", "times": jobs})
    assert tally(picture.run()) == (jobs, 0, 0, 0)
    gone = [name for name in picture.ledger()["creates"] if not name.endswith("-a2")]
    for name in gone:
        picture._call("POST", "/_emulator/forget", {"external_id": name, "free_ids": True})
    other = picture.elsewhere(tmp_path / "laptop")
    assert other.cli("sync").stdout.startswith(f"{jobs} tasks found for {jobs} jobs")
    assert tally(other.run()) == (0, jobs, 0, 0)
    assert len(picture.ledger()["creates"]) == 2 * jobs


def test_a_task_that_is_slow_to_be_seen_is_followed_by_the_machine_that_came_second(picture, tmp_path):
    """Its create was refused and nothing was to be seen: every verb believes the account once it shows the task."""
    other = picture.elsewhere(tmp_path / "laptop")
    picture.clock(mode="manual")
    picture.faults({"fault": "invisible", "seconds": 12})
    assert picture.run(settings=replace(picture.settings, detach=True)).at_kling == 1
    refused = other.run()
    assert tally(refused) == (0, 0, 1, 0)
    picture.clock(advance=13)
    picture.clock(mode="real")
    assert "download" in other.cli("plan", "--refresh", "--json").stdout
    assert other.cli("retry", "-y", "-q").returncode == 0
    assert tally(other.run()) == (0, 1, 0, 0)
    assert tally(picture.run()) == (1, 0, 0, 0)
    picture.assert_paid_once(1)


def test_a_proxy_that_sends_twice_makes_one_task(picture):
    """The second answer says that the id is taken, the task is not to be seen for a while: never another id."""
    picture.faults(
        {"fault": "sent_twice", "match": {"method": "POST"}, "times": 1}, {"fault": "invisible", "seconds": 1.0}
    )
    picture.run()
    for _ in range(3):
        picture.cli("retry", "-y", "-q")
        picture.run()
    assert attempts(picture) == ["a1"]
    picture.assert_whole(1)


def test_a_replacement_whose_download_failed_is_finished_by_the_same_command(picture):
    """The paid second attempt is fetched; a third is made only when a finished one is to be replaced."""
    picture.run()
    picture.faults({"fault": "bad_gateway", "match": {"path": "/media/*"}})
    assert picture.run(settings=replace(picture.settings, patience=0.5), replace=["image.kite"]).made == 0
    assert attempts(picture) == ["a1", "a2"]
    picture.faults()
    assert tally(picture.run(replace=["image.kite"])) in [(1, 0, 0, 0), (0, 1, 0, 0)]
    assert attempts(picture) == ["a1", "a2"]
    assert picture.blocks()["image.kite"]["attempt"] == 2
    picture.assert_whole(1)
    assert tally(picture.run(replace=["image.kite"])) == (1, 0, 0, 0)
    assert attempts(picture) == ["a1", "a2", "a3"]


@pytest.mark.timeout(180)
def test_a_replacement_that_is_killed_anywhere_is_finished_by_the_same_command(tmp_path):
    """At every effect up to the one that ends it: two tasks, and the lock has the second."""
    with running(tmp_path / "kling", media="tiny", task_seconds=0.02) as kling, Children() as children:
        again = (*RUN, "--replace", "image.kite")

        def fresh(name):
            stage = Stage(kling, tmp_path / name).write(PICTURE)
            stage.reset()
            stage.run()
            return stage

        seen = children.run(fresh("first"), *again).seen
        ends = max(number for number, name in enumerate(seen, start=1) if "replace" in name)
        wrong = []
        for point in range(1, ends + 1):
            stage = fresh(str(point))
            killed = children.run(stage, *again, crash_at=point)
            ended = stage.cli(*again)
            block = stage.blocks()["image.kite"]
            if (killed.code, ended.returncode, attempts(stage), block["attempt"]) != (KILLED, 0, ["a1", "a2"], 2):
                wrong.append((point, seen[point - 1], killed.code, ended, attempts(stage)))
    assert wrong == []
    assert ends > 10


def test_a_paid_attempt_is_owed_whatever_the_lock_says_by_then(picture, tmp_path):
    """One machine has replaced and not saved, another one replaces again: the first still fetches what it paid."""
    picture.run()
    picture.clock(mode="manual")
    detached = replace(picture.settings, detach=True)
    assert picture.run(settings=detached, replace=["image.kite"]).at_kling == 1
    picture.clock(mode="real")
    other = picture.elsewhere(tmp_path / "laptop")
    shutil.copy(picture.workspace.lock_path, other.root)
    assert other.run(replace=["image.kite"]).failed == 0
    assert other.run(replace=["image.kite"]).failed == 0
    assert attempts(picture)[-1] == "a3"
    shutil.copy(other.workspace.lock_path, picture.root)
    assert picture.run().exit_code == 0
    store = picture.workspace.store()
    owed = [record for record in store.records().all() if record.attempt == 2]
    store.close()
    assert [bool(output.sha256) for record in owed for output in record.outputs] == [True]
    assert picture.blocks()["image.kite"]["attempt"] == 3
    picture.assert_whole(1)


def rotated(stage):
    """The same folder with another access key, whose account has none of the records."""
    running = replace(stage.running, access_key=f"{stage.running.access_key}.rotated")
    return replace(stage, running=running, events=[])


def test_after_a_new_access_key_nothing_is_made_without_being_asked_for(picture):
    """Told and blocked with exit 1; `adopt` takes the results over, and the next run has nothing to do."""
    picture.write(many(2)).run()
    stage = rotated(picture)
    done = stage.cli("run", "-y")
    assert done.returncode == 1, done
    assert "another access key" in done.stderr
    assert "take that result over with `kling-pipe adopt image.i0`" in done.stderr
    assert "`kling-pipe run --new-account`" in done.stderr
    picture.assert_paid_once(2)
    assert "create" not in stage.cli("plan", "--json").stdout
    taken = stage.cli("adopt")
    assert (taken.returncode, taken.stdout.count("is bound to")) == (0, 2), taken
    assert tally(stage.run()) == (0, 2, 0, 0)
    picture.assert_paid_once(2)
    shutil.rmtree(stage.workspace.state)
    assert tally(stage.run()) == (0, 2, 0, 0)


def test_a_new_account_makes_it_anew_when_asked(picture):
    """Each job once more, under the new key; both blocks stand in the lock."""
    picture.write(many(2)).run()
    done = rotated(picture).cli("run", "-y", "-q", "--new-account")
    assert (done.returncode, done.stdout.partition(",")[0]) == (0, "2 made"), done
    assert sorted(picture.ledger()["creates"].values()) == [2, 2]
    assert tally(rotated(picture).run()) == (0, 2, 0, 0)


def test_an_empty_machine_posts_nothing_that_runs_already(picture, tmp_path):
    """The plan says resume, and no create leaves the machine, under a budget of nothing too."""
    picture.write(many(JOBS)).clock(mode="manual")
    picture.run(settings=replace(picture.settings, detach=True))
    posts = picture.posts
    other = picture.elsewhere(tmp_path / "laptop")
    plan = other.plan()
    assert {step.action for step in plan.steps} == {"resume"}
    picture.clock(mode="real")
    broke = replace(picture.settings, budget={"usd": 0, "image": 0})
    result = api.run(plan, other.workspace, settings=broke, seams=other.seams)
    assert (result.failed, result.waiting, result.made + result.reused) == (0, 0, JOBS)
    assert picture.posts == posts
    picture.assert_paid_once(JOBS)
    other.assert_whole(JOBS)


@pytest.mark.parametrize("code", [1102, 1200, 1301])
def test_whatever_words_refuse_a_taken_id_its_paid_task_is_followed(tmp_path, code):
    """Two machines plan before either sends; the second one's creates are refused, and its files are those tasks'."""
    with running(tmp_path / "kling", media="tiny", task_seconds=0.02, taken_id_code=code) as kling:
        first = Stage(kling, tmp_path / "campaign").write(many(4))
        second = first.elsewhere(tmp_path / "laptop")
        plan = second.plan()
        assert tally(first.run()) == (4, 0, 0, 0)
        result = api.run(plan, second.workspace, settings=second.settings, seams=second.seams)
        assert tally(result) == (0, 4, 0, 0), [one.message for one in result.outcomes]
        first.assert_paid_once(4)
        second.assert_whole(4)


@pytest.mark.needs("postgres")
def test_a_fleet_is_handed_what_runs_already(picture, tmp_path, postgres):
    """The account showed the tasks to who planned; the workers follow them and post nothing."""
    picture.write(many(4)).clock(mode="manual")
    picture.run(settings=replace(picture.settings, detach=True))
    posts, url = picture.posts, postgres.database()
    other = picture.elsewhere(tmp_path / "laptop")
    assert other.cli("run", "-y", "-q", "--detach", "--store", url).returncode == 75
    picture.clock(mode="real")
    worker = picture.elsewhere(tmp_path / "machine")
    assert worker.cli("worker", "--concurrency", "8", "--store", url, "--drain").returncode == 0
    assert picture.posts == posts
    picture.assert_paid_once(4)


def test_a_renamed_project_is_told(picture):
    """The request did not change: the project did, which is part of each id."""
    picture.run()
    picture.write(PICTURE.replace(HEAD, HEAD.replace("project: faults", "project: renamed")))
    assert "the project was `faults`" in picture.cli("plan", "--why").stdout
