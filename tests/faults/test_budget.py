"""Runs at once under one budget: together they make what it allows, whoever of them is killed, and nothing is lost."""

from __future__ import annotations

import json
import signal
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace

import pytest
from scenario import PICTURE, many, tally

from kling_pipe import api

JOBS, FIT = 8, 5
PAIRS = [(f"image.i{2 * number}", f"image.i{2 * number + 1}") for number in range(JOBS // 2)]
SAID = "with it the runs at work cost"


def until(holds, seconds: float = 30.0) -> None:
    ends_at = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < ends_at
        time.sleep(0.02)


def price(stage) -> float:
    return stage.write(many(JOBS)).plan(refresh=False).steps[0].cost.usd


@pytest.fixture
def tight(picture):
    """Eight pictures, and money for five of them."""
    usd = FIT * price(picture)
    return picture.write(many(JOBS) + f"budget: {{ usd: {usd:.6f} }}\n")


def begun(stage, *addresses: str, **more):
    """A run of some jobs in a process of its own."""
    chosen = [word for address in addresses for word in ("-s", address)]
    return stage.process("run", "-y", "--progress", "plain", *chosen, **more)


def runs_in(stage) -> int:
    """How many runs the ledger has seen."""
    if not stage.workspace.ledger_path.exists():
        return 0
    with closing(sqlite3.connect(stage.workspace.ledger_path)) as connection:
        try:
            return connection.execute("SELECT count(*) FROM runs").fetchone()[0]
        except sqlite3.OperationalError:  # not made yet
            return 0


def made(stage) -> int:
    return len(stage.ledger()["creates"])


def test_four_runs_at_once_make_what_their_budget_allows(tight):
    """Each for itself would be within it; together they make five, and the last ones end with 5 and the sums."""
    tight.clock(mode="manual")
    runs = [begun(tight, *pair) for pair in PAIRS]
    until(lambda: runs_in(tight) == len(PAIRS) and made(tight) == FIT)
    tight.clock(mode="real")
    told = [run.communicate(timeout=60) for run in runs]
    codes = sorted(run.returncode for run in runs)
    assert codes[-2:] == [5, 5], told
    assert set(codes) <= {0, 5}, told
    assert sum(SAID in err for _, err in told) == codes.count(5), told
    assert "next: run again once the runs beside it have ended" in "".join(err for _, err in told)
    tight.assert_paid_once(FIT)
    assert tight.cli("run", "-y", "-q").returncode == 0
    tight.assert_paid_once(JOBS)
    tight.assert_whole(JOBS)


@pytest.mark.parametrize("count", [2, 3])
def test_what_killed_runs_have_sent_counts_as_long_as_others_overlap(tight, count):
    """Killed while their tasks are under way; those that are begun in their place find the money spent."""
    tight.clock(mode="manual")
    runs = [begun(tight, *pair) for pair in PAIRS]
    until(lambda: runs_in(tight) == len(PAIRS) and made(tight) == FIT)
    # One of them may have ended, with no money for either of its jobs: it overlaps with nobody any more.
    addresses = {step.external_task_id: step.job.address for step in tight.plan(refresh=False).steps}
    sent = {addresses[name] for name in tight.ledger()["creates"]}
    runs.sort(key=lambda run: not sent & set(run.args))
    for run in runs[1 : 1 + count]:
        run.kill()
        run.communicate()
    more = [begun(tight, *pair) for pair in (*PAIRS[2:], *PAIRS[:2])]
    until(lambda: runs_in(tight) == 2 * len(PAIRS))
    tight.clock(mode="real")
    others = [runs[0], *runs[1 + count :], *more]
    told = [run.communicate(timeout=60) for run in others]
    assert {run.returncode for run in others} <= {0, 5}, told
    tight.assert_paid_once(FIT)
    assert tight.cli("run", "-y", "-q").returncode == 0
    tight.assert_paid_once(JOBS)
    tight.assert_whole(JOBS)


@pytest.mark.parametrize("sent", range(FIT))
def test_runs_that_are_killed_on_the_way_never_make_the_others_spend_more(tight, sent):
    """One is killed after so many tasks in all: what it had reserved and not sent is all that may be missing."""
    tight.clock(mode="manual")
    runs = [begun(tight, *pair) for pair in PAIRS]
    until(lambda: made(tight) >= sent)
    runs[sent % len(runs)].kill()
    others = [run for run in runs if run is not runs[sent % len(runs)]]
    until(lambda: runs_in(tight) >= len(others))
    tight.clock(mode="real")
    told = [run.communicate(timeout=60) for run in runs]
    assert {run.returncode for run in others} <= {0, 5}, told
    assert made(tight) <= FIT, told
    assert set(tight.ledger()["creates"].values()) == {1}


def test_four_runs_in_threads_share_a_budget_too(picture):
    """One process, four event loops, one ledger; the result says what kept each from going on."""
    usd = FIT * price(picture)
    picture.clock(mode="manual")
    chosen = replace(picture.settings, budget={"usd": usd})
    plans = [picture.plan(select=pair) for pair in PAIRS]
    with ThreadPoolExecutor(len(plans)) as pool:
        running = [
            pool.submit(api.run, plan, picture.workspace, settings=chosen, seams=picture.seams) for plan in plans
        ]
        until(lambda: runs_in(picture) == len(plans) and made(picture) == FIT)
        picture.clock(mode="real")
        results = [one.result() for one in running]
    picture.assert_paid_once(FIT)
    assert sum(result.made for result in results) == FIT
    assert sum(result.failed for result in results) == JOBS - FIT
    messages = [one.message for result in results for one in result.outcomes if one.ending == "failed"]
    assert all(one.startswith(SAID) for one in messages), messages
    assert {result.exit_code for result in results if result.failed} == {5}


def test_a_run_without_a_budget_is_counted_by_those_that_have_one(picture):
    """It is bounded by nothing itself."""
    usd = FIT * price(picture)
    picture.clock(mode="manual")
    free = begun(picture, *(address for pair in PAIRS[:3] for address in pair))
    until(lambda: made(picture) == 6)
    bound = begun(picture.write(many(JOBS) + f"budget: {{ usd: {usd:.6f} }}\n"), *PAIRS[3])
    until(lambda: runs_in(picture) == 2)
    picture.clock(mode="real")
    told = [run.communicate(timeout=60) for run in (bound, free)]
    assert (bound.returncode, free.returncode) == (5, 0), told
    picture.assert_paid_once(6)


def test_runs_one_after_the_other_have_their_whole_budget(tight):
    """What has ended counts no more: over time the account's owner counts, not a run."""
    assert tight.cli("run", "-y", "-q", *[word for pair in PAIRS[:2] for one in pair for word in ("-s", one)]).stdout
    assert tight.cli("run", "-y", "-q").returncode == 0
    tight.assert_paid_once(JOBS)


def test_what_is_refused_for_sure_gives_its_money_back(picture):
    """There is money for one: the first is against the rules, so the second is made."""
    picture.write(many(2))
    usd = picture.plan(refresh=False).steps[0].cost.usd
    chosen = replace(picture.settings, jobs=1, budget={"usd": usd})
    picture.faults({"fault": "error", "code": 1301, "http": 400, "match": {"method": "POST"}, "times": 1})
    assert tally(picture.run(settings=chosen)) == (1, 0, 1, 0)
    picture.assert_paid_once(1)


def test_what_turns_out_to_exist_gives_its_money_back(picture, tmp_path):
    """Another folder made it after the plan was made: it costs this run nothing."""
    picture.write(many(2))
    plan = picture.plan()
    assert picture.elsewhere(tmp_path / "other").run(select=["image.i0"]).made == 1
    chosen = replace(picture.settings, jobs=1, budget={"usd": plan.steps[0].cost.usd})
    result = api.run(plan, picture.workspace, settings=chosen, seams=picture.seams)
    assert (result.failed, result.exit_code) == (0, 0)
    picture.assert_paid_once(2)


@pytest.mark.parametrize(
    "budget", [{"usd": 0.001}, {"image": 1}, {"per_job": {"usd": 0.001}}], ids=["usd", "image", "per_job"]
)
def test_nothing_is_written_of_what_is_not_sent(picture, budget):
    """No intent, no record: the next run, allowed more, begins as if nothing had been."""
    result = picture.run(settings=replace(picture.settings, budget=budget))
    assert (tally(result), result.exit_code) == ((0, 0, 1, 0), 5)
    assert "the budget allows" in result.outcomes[0].message
    assert picture.posts == 0
    assert picture.workspace.snapshot().ledger.all() == []
    assert tally(picture.run()) == (1, 0, 0, 0)
    picture.assert_paid_once(1)


@pytest.mark.needs("postgres")
def test_two_campaigns_of_one_fleet_share_a_budget(tight, tmp_path, postgres):
    """Four workers, one killed on the way; five tasks, and the steps that had no money left say so."""
    url = postgres.database()
    tight.clock(mode="manual")
    for some in (PAIRS[:2], PAIRS[2:]):
        chosen = [word for pair in some for address in pair for word in ("-s", address)]
        done = tight.cli("run", "-y", "-q", "--detach", "--store", url, *chosen)
        assert done.returncode == 75, done
    machines = [tight.elsewhere(tmp_path / f"machine{number}") for number in range(4)]
    words = ("worker", "--takeover", "2", "--concurrency", "2", "--store", url)
    workers = [machine.process(*words) for machine in machines]
    until(lambda: made(tight) >= 2)
    workers[0].kill()
    tight.clock(mode="real")
    until(lambda: rows(url, "SELECT count(*) FROM kling_pipe.steps WHERE state IN ('queued', 'waiting')") == [(0,)])
    for worker in workers[1:]:
        worker.send_signal(signal.SIGTERM)
    told = [worker.communicate(timeout=30) for worker in workers]
    assert made(tight) <= FIT, told
    assert set(tight.ledger()["creates"].values()) == {1}, told
    failed = rows(url, "SELECT message FROM kling_pipe.steps WHERE state = 'failed'")
    assert sum(message.startswith(SAID) for (message,) in failed) == JOBS - made(tight), failed


@pytest.mark.needs("postgres")
def test_runs_on_several_machines_share_a_budget_in_their_database(tight, tmp_path, postgres):
    """Four machines with one ledger in PostgreSQL, no queue."""
    url = postgres.database()
    tight.clock(mode="manual")
    machines = [tight.elsewhere(tmp_path / f"machine{number}") for number in range(len(PAIRS))]
    runs = [begun(one, *pair, environ={"KLING_PIPE_STORE": url}) for one, pair in zip(machines, PAIRS, strict=True)]
    until(lambda: made(tight) == FIT and rows(url, "SELECT count(*) FROM kling_pipe.runs") == [(len(PAIRS),)])
    tight.clock(mode="real")
    told = [run.communicate(timeout=60) for run in runs]
    assert sorted(run.returncode for run in runs)[-2:] == [5, 5], told
    tight.assert_paid_once(FIT)


BUSY = "Service busy, please try again later"


def kite(retries: int) -> str:
    return PICTURE.replace("a red kite", f"a red kite, retries: {retries}")


def test_a_saved_plan_makes_what_it_shows_at_most(picture):
    """Price and worst case are told in every form; the runs of the file together make four tasks and no more."""
    picture.write(kite(3))
    picture.faults({"fault": "task_failure", "message": BUSY})
    shown = picture.cli("plan", "--out", "saved.json")
    assert "($0.03), at most $0.11 with retries" in shown.stdout
    assert "runs just this, at most $0.11 with retries" in shown.stderr
    assert "at most $0.11 with retries" in picture.cli("plan", "--format", "markdown").stdout
    form = json.loads(picture.cli("plan", "--json").stdout)
    assert (form["totals"]["usd"], form["totals"]["at_most"]["usd"]) == (0.028, 0.112)
    assert form["steps"][0]["most_tasks"] == 4
    for _ in range(3):
        assert picture.cli("run", "saved.json", "-y", "-q").returncode in (1, 3)
    picture.assert_paid_once(4)


def test_a_saved_plan_without_retries_sends_no_second_task(picture):
    """Also where the manifest allows some by now; a plan that is made now shows them."""
    picture.write(kite(0)).faults({"fault": "task_failure", "message": BUSY})
    assert "at most" not in picture.cli("plan", "--out", "saved.json").stdout
    picture.write(kite(3))
    for _ in range(2):
        assert picture.cli("run", "saved.json", "-y", "-q").returncode in (1, 3)
    picture.assert_paid_once(1)


def test_a_saved_plan_that_was_cut_short_goes_on_within_what_it_shows(picture):
    """Killed after its first task had been sent: the next run of the file makes the other two, and none beyond."""
    picture.write(kite(2)).faults({"fault": "task_failure", "message": BUSY})
    assert picture.cli("plan", "--out", "saved.json").returncode == 0
    picture.write(kite(9)).clock(mode="manual")
    run = picture.process("run", "saved.json", "-y", "-q")
    until(lambda: made(picture) == 1)
    run.kill()
    run.communicate()
    picture.clock(mode="real")
    for _ in range(2):
        assert picture.cli("run", "saved.json", "-y", "-q").returncode in (1, 3)
    picture.assert_paid_once(3)


def test_a_saved_plan_stays_within_the_budget_where_that_is_less(picture):
    picture.write(kite(3) + "budget: { image: 16 }\n").faults({"fault": "task_failure", "message": BUSY})
    assert picture.cli("plan", "--out", "saved.json").returncode == 0
    done = picture.cli("run", "saved.json", "-y", "-q")
    assert "no new attempt: with it the run costs 24 image units, the budget allows 16" in done.stderr
    picture.assert_paid_once(2)


def rows(url: str, query: str) -> list:
    import psycopg

    with psycopg.connect(url) as connection:
        return connection.execute(query).fetchall()
