"""Several accounts: nothing twice in any of them, whoever dies, prefers another one, or has no units."""

import json
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from crash import KILLED, Children
from scenario import CHAIN, HEAD, many, tally
from two_accounts import Pair

from kling_pipe import api
from kling_pipe.emulator.testing import running
from kling_pipe.report.result_text import accounts_text

RUN = ("run", "-y", "-q")
JOBS = 16
HANA = CHAIN.removeprefix(HEAD).partition("images:")[0]
PINNED = "images:\n  key: { prompt: '{{ element.hana }} on a hill', account: %s }\n"


@pytest.fixture
def pair(kling, tmp_path):
    """Sixteen pictures and two accounts: that all of them have one home is next to impossible."""
    stage = Pair(kling, tmp_path / "campaign").write(many(JOBS))
    stage.reset()
    yield stage
    stage.end()


def whole(stage, jobs):
    stage.assert_paid_once(jobs)
    stage.assert_whole(jobs)


def test_jobs_are_spread_and_found_again_with_nothing(pair, tmp_path):
    """Both accounts make some; an empty machine finds each in the account that has it; the lock says which."""
    assert tally(pair.run()) == (JOBS, 0, 0, 0)
    whole(pair, JOBS)
    assert set(pair.made_in()) == {"main", "second"}
    posts = pair.posts
    other = pair.elsewhere(tmp_path / "laptop")
    assert tally(other.run()) == (0, JOBS, 0, 0)
    assert other.blocks() == pair.blocks()
    assert pair.posts == posts


def test_with_the_lock_alone_nothing_is_asked(pair):
    """Without the ledger the lock is believed, whichever account made it."""
    pair.run()
    shutil.rmtree(pair.workspace.state)
    requests = pair.ledger()["requests"]["kinds"]
    assert tally(pair.run()) == (0, JOBS, 0, 0)
    assert pair.ledger()["requests"]["kinds"] == requests


def test_sync_rebuilds_both_accounts(pair):
    """The ledger of each, and one lock."""
    pair.run()
    lock = pair.workspace.lock_path.read_text(encoding="utf-8")
    pair.workspace.lock_path.unlink()
    shutil.rmtree(pair.workspace.state)
    done = pair.cli("sync")
    assert (done.returncode, done.stdout.partition(";")[0]) == (0, f"{JOBS} tasks found for {JOBS} jobs")
    assert pair.workspace.lock_path.read_text(encoding="utf-8") == lock


@pytest.mark.timeout(120)
def test_a_kill_around_each_create_costs_nothing(tmp_path):
    """Killed at every effect from before the first intent to after the last answer, in the middle of two accounts.

    Then run again: in the folder, or (every other time) on a machine that has nothing, and prefers the other account.
    Jobs go to their steady homes, or (every other pair) where a slot is free.
    """
    with running(tmp_path / "kling", media="tiny", task_seconds=0.02) as kling, Children() as children:

        def fresh(name, spread):
            stage = Pair(kling, tmp_path / name, spread=spread).write(many(2))
            stage.reset()
            return stage

        seen = children.run(fresh("first", "free"), *RUN).seen
        posts = [number for number, name in enumerate(seen, start=1) if name.endswith("send POST")]
        wrong = []
        for point in range(posts[0] - 2, posts[-1] + 4):
            stage = fresh(str(point), "steady" if point % 4 > 1 else "free")
            killed = children.run(stage, *RUN, crash_at=point)
            again = stage
            if point % 2:
                again = replace(stage, order=("second", "main")).elsewhere(tmp_path / f"{point}-empty")
            ended = again.run()
            created = stage.ledger()["creates"]
            if (killed.code, ended.exit_code) != (KILLED, 0) or list(created.values()) != [1, 1]:
                wrong.append((point, killed.code, tally(ended), ended.error, created))
    assert wrong == []
    assert len(posts) == 4


def test_two_machines_that_prefer_different_accounts(pair, tmp_path):
    """Nothing is shared but the accounts, and both begin at once: every id once."""
    other = replace(pair, order=("second", "main")).elsewhere(tmp_path / "machine")
    runs = [stage.process(*RUN) for stage in (pair, other)]
    told = [run.communicate(timeout=60) for run in runs]
    assert [run.returncode for run in runs] == [0, 0], told
    whole(pair, JOBS)
    assert tally(other.run()) == (0, JOBS, 0, 0)


@pytest.mark.parametrize("spread", ["steady", "free"])
def test_two_at_once_in_one_folder(pair, spread):
    """With free slots the two would differ, and they prefer different accounts: the ledger keeps them apart."""
    pair = replace(pair, spread=spread).write(many(JOBS))
    with ThreadPoolExecutor(2) as pool:
        ended = list(pool.map(lambda one: one.run(), (pair, replace(pair, order=("second", "main")))))
    assert [result.exit_code for result in ended] == [0, 0]
    whole(pair, JOBS)


def test_a_machine_with_nothing_waits_for_what_is_not_to_be_seen_yet(pair, tmp_path):
    """Sent wherever there was room, and forgotten, and not shown by Kling: a second look comes before a create."""
    free = replace(pair, spread="free", settings=replace(pair.settings, settle=0.5)).write(many(4))
    free.faults({"fault": "invisible", "seconds": 0.4})
    free.run(settings=replace(free.settings, detach=True))
    other = replace(free, order=("second", "main")).elsewhere(tmp_path / "machine")
    assert other.run().exit_code == 0
    whole(other, 4)


def test_what_another_machine_made_since_the_plan_is_found_right_before_the_create(pair, tmp_path):
    """Two manifests pin one job to two accounts; who comes second takes what the first one made."""
    pinned = HEAD + "images:\n  one: { prompt: a kite, account: main }\n"
    plan = pair.write(pinned).plan()
    assert tally(pair.elsewhere(tmp_path / "machine").write(pinned.replace("main", "second")).run()) == (1, 0, 0, 0)
    result = api.run(plan, pair.workspace, settings=pair.settings, seams=pair.seams)
    assert tally(result) == (0, 1, 0, 0)
    whole(pair, 1)
    assert pair.made_in() == {"second": 1}


def test_what_a_detached_run_left_in_another_account_is_counted_by_the_run_that_saves_it(pair):
    """The plan is older than that run; its tasks are met right before a create, in the ledger of their account."""
    plan = pair.plan()
    only = pair.workspace_of("main")
    early = api.plan(api.load(pair.root / "kling-pipe.yaml", workspace=only), only, seams=pair.seams)
    pair.clock(mode="manual")
    left = api.run(early, only, settings=replace(pair.settings, detach=True), seams=pair.seams)
    assert left.at_kling > 0
    pair.clock(mode="real")
    assert tally(api.run(plan, pair.workspace, settings=pair.settings, seams=pair.seams)) == (JOBS, 0, 0, 0)
    whole(pair, JOBS)


def test_free_slots_are_used_by_their_number(pair):
    """Two slots here, six there: of eight pictures that go at once so many go to each."""
    pair.clock(mode="manual")
    free = replace(pair, spread="free", limits=(("main", 2), ("second", 6))).write(many(8))
    assert free.run(settings=replace(free.settings, detach=True)).waiting == 8
    used = {pool.split("/")[0].rpartition(".")[2]: n for pool, n in free.ledger()["slots"]["used"].items()}
    assert used == {"main": 2, "second": 6}


def test_a_pinned_job_goes_where_it_is_pinned_and_stays_where_it_was_made(pair):
    """A pin decides where a new task is made; it makes nothing again."""
    pins = "".join(f"  i{n}: {{ prompt: picture {n}, account: second }}\n" for n in range(4))
    assert tally(pair.write(HEAD + "images:\n" + pins).run()) == (4, 0, 0, 0)
    assert pair.made_in() == {"second": 4}
    assert tally(pair.write(HEAD + "images:\n" + pins.replace("second", "main")).run()) == (0, 4, 0, 0)
    whole(pair, 4)


def test_a_job_follows_the_element_that_it_uses(pair):
    """One element, four pictures of it: all in the element's account."""
    pictures = "".join(f"  i{n}: {{ prompt: '{{{{ element.hana }}}} {n}' }}\n" for n in range(4))
    assert tally(pair.write(HEAD + HANA + "images:\n" + pictures).run()) == (5, 0, 0, 0)
    assert len(pair.made_in()) == 1
    whole(pair, 5)


def test_an_element_is_made_again_where_a_pinned_job_needs_it(pair):
    """Once, said beforehand, and both stand in the lock."""
    first = HANA + "  \n" + PINNED % "main"
    assert tally(pair.write(HEAD + first).run()) == (2, 0, 0, 0)
    pair.write(
        HEAD + first + PINNED.removeprefix("images:\n").replace("key", "other").replace("hill", "hut") % "second"
    )
    plan = pair.plan()
    (copy,) = (step for step in plan.steps if step.job.address == "element.hana!second")
    assert (copy.action, copy.account) == ("create", pair.workspace.each[1].account)
    assert copy.reasons == ("`element.hana` lives in another account: it is made again in `second`, for `image.other`",)
    assert tally(pair.run()) == (2, 2, 0, 0)
    assert sorted(pair.ledger()["creates"].values()) == [1, 1, 2]
    assert pair.made_in() == {"main": 2, "second": 2}
    assert sum(name.startswith("element.hana") for name in pair.blocks()) == 2
    assert tally(pair.run()) == (0, 3, 0, 0)


def test_an_account_without_units_gets_no_more(kling, tmp_path):
    """Its refusal sends the rest to the other one, nothing twice, and the summary says so."""
    with running(tmp_path / "kling", media="tiny", task_seconds=0.02, packs={"second/image": 8}) as server:
        stage = Pair(server, tmp_path / "campaign").write(many(JOBS))
        result = stage.run()
        assert (tally(result), result.exit_code) == ((JOBS, 0, 0, 0), 0)
        assert result.accounts["second"]["made"] == 1
        assert "1102" in result.accounts["second"]["stopped"]
        whole(stage, JOBS)
        text = accounts_text(stage.write(many(JOBS + 2)).run())
        assert (
            "account second: 0 made, 0 video units, 0 image units (1000000 video, 0 image units were left before)"
            in text
        )
        assert "the image pack of the account `second` is empty" in text
        whole(stage, JOBS + 2)


def test_a_new_attempt_goes_on_in_the_other_account_when_the_first_is_empty(pair):
    """With the number that it has, paid for once by the budget; the other account does not count as stopped."""
    pair.write(many(1).replace("picture 0", "picture 0, retries: 1")).faults(
        {"fault": "task_failure", "message": "Service busy, please try again later", "times": 1},
        {"fault": "error", "code": 1102, "match": {"method": "POST", "external_id": "*-a2"}, "times": 1},
    )
    result = pair.run(settings=replace(pair.settings, budget={"image": 16}))
    assert (tally(result), result.exit_code) == ((1, 0, 0, 0), 0), result.outcomes
    assert sorted(bool(form["stopped"]) for form in result.accounts.values()) == [False, True]
    pair.assert_paid_once(2)
    pair.assert_whole(1)


def test_a_refusal_counts_for_the_account_that_has_the_job(pair, tmp_path):
    """Another machine made it in `second` since the plan, it failed there in passing, and `second` is empty."""
    pinned = HEAD + "images:\n  one: { prompt: a kite, retries: 1, account: main }\n"
    plan = pair.write(pinned).plan()
    pair.faults({"fault": "task_failure", "message": "Service busy, please try again later", "times": 1})
    pair.elsewhere(tmp_path / "machine").write(pinned.replace("retries: 1, account: main", "account: second")).run()
    pair.faults({"fault": "error", "code": 1102, "match": {"method": "POST"}, "times": 1})
    result = api.run(plan, pair.workspace, settings=pair.settings, seams=pair.seams)
    assert (tally(result), result.exit_code) == ((0, 0, 0, 1), 4)
    assert not result.accounts["main"]["stopped"]


@pytest.mark.parametrize("code", [1102, 1002])
def test_what_an_account_may_have_made_unseen_goes_to_no_other(pair, code):
    """The answer is lost, the task not to be seen, and then the account refuses: it may have taken the last units."""
    pair.write(many(1)).faults(
        {"fault": "invisible", "seconds": 0.6},
        {"fault": "answer_lost", "match": {"method": "POST"}, "times": 1},
        {"fault": "error", "code": code, "match": {"method": "POST"}, "times": 1},
    )
    assert pair.run().exit_code == 4
    time.sleep(0.6)
    assert pair.run().exit_code == 0
    whole(pair, 1)


def test_an_account_that_cannot_be_asked_keeps_what_it_may_have_from_being_made(pair):
    """No credentials, no answer: nothing is sent, with the exit code of each; --account leaves it out on purpose."""
    environ = {"SECRET_OF_SECOND": ""}
    told = pair.cli(*RUN, environ=environ)
    assert told.returncode == 4
    assert "account `second` cannot be asked: account `second` has no credentials" in told.stderr
    assert "leave it out with --account main" in told.stderr
    assert told.stdout.startswith(f"0 made, 0 reused, 0 failed, {JOBS} waiting")
    assert pair.posts == 0
    down = replace(pair, hosts=(("second", "http://127.0.0.1:9"),)).write(many(JOBS))
    assert down.run().exit_code == 69
    assert pair.posts == 0
    assert pair.cli(*RUN, "--account", "main", environ=environ).returncode == 0
    assert pair.made_in() == {"main": JOBS}


def test_a_key_that_is_refused_half_way_stops_its_account_alone(pair):
    """What was asked for before counts: the others make it, and the end says which account did not."""
    pair.faults({"fault": "error", "code": 1002, "match": {"method": "POST"}, "times": 1})
    result = pair.run()
    assert (tally(result), result.exit_code) == ((JOBS, 0, 0, 0), 0)
    stopped = [name for name, form in result.accounts.items() if form["stopped"]]
    assert len(stopped) == 1
    whole(pair, JOBS)


@pytest.mark.needs("postgres")
def test_a_worker_serves_both_accounts(pair, tmp_path, postgres):
    """A queue for all accounts together, and free slots; the worker's settings have them in another order."""
    url = postgres.database()
    assert pair.cli(*RUN, "--detach", "--store", url).returncode == 75
    machine = replace(pair, order=("second", "main")).elsewhere(tmp_path / "machine")
    told = machine.cli("worker", "--takeover", "2", "--drain", "--store", url)
    assert told.returncode == 0, told
    done = pair.cli(*RUN, "--store", url)
    assert (done.returncode, done.stdout.split(",")[0]) == (0, "0 made"), done
    whole(pair, JOBS)


def test_the_summary_tells_of_each_account(pair):
    """Made, units, units left and the use of slots, by name."""
    told = pair.cli("run", "-y", "--json")
    summary = json.loads(told.stdout.splitlines()[-1])
    forms = summary["accounts"]
    assert sum(form["made"] for form in forms.values()) == JOBS
    assert sum(form["units"]["image"] for form in forms.values()) == summary["units"]["image"] == 8 * JOBS
    assert set(summary["counters"]["slots"]) == {"main:image/kling-v3-omni", "second:image/kling-v3-omni"}
    assert forms["main"]["left"] == {"image": 1_000_000, "video": 1_000_000}
