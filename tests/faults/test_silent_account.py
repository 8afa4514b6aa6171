"""An account that cannot be asked may have a task: nothing is sent to another one, whatever the plan knew."""

from collections import Counter
from dataclasses import replace

import pytest
from scenario import many, tally
from test_fleet import change, rows, until
from two_accounts import Pair

from kling_pipe import api

JOBS = 10
DEAD = {"fault": "error", "code": 1002, "match": {"account": "main"}}


@pytest.fixture
def pair(kling, tmp_path):
    """Ten pictures and two accounts."""
    stage = Pair(kling, tmp_path / "x").write(many(JOBS))
    stage.reset()
    yield stage
    stage.end()


def by_account(stage):
    """How many tasks each account has: the emulator's own count."""
    return Counter({name: sum(made.values()) for name, made in stage.ledger()["owners"].items()})


def carried_out(stage, plan, **options):
    return api.run(plan, stage.workspace, settings=stage.settings, seams=stage.seams, **options)


def made_by_another_machine(stage, *names):
    """All of it, in these accounts."""
    only = stage.workspace_of(*names)
    plan = api.plan(api.load(stage.root / "kling-pipe.yaml", workspace=only), only, seams=stage.seams)
    assert api.run(plan, only, settings=stage.settings, seams=stage.seams).exit_code == 0


@pytest.mark.parametrize("spread", ["steady", "free"])
def test_what_another_machine_made_since_the_plan_is_not_made_again_when_its_account_dies(pair, tmp_path, spread):
    """X asks all and plans, Y makes all of it in `main`, the key of `main` dies, X goes on: nothing is sent."""
    pair = replace(pair, spread=spread).write(many(JOBS))
    plan = pair.plan()
    made_by_another_machine(pair.elsewhere(tmp_path / "y"), "main")
    assert by_account(pair) == {"main": JOBS}
    pair.faults(DEAD)
    result = carried_out(pair, plan)
    assert by_account(pair) == {"main": JOBS}
    assert (tally(result), result.exit_code) == ((0, 0, 0, JOBS), 4)


@pytest.mark.parametrize(
    ("trouble", "code"),
    [
        *(({"fault": "error", "code": code}, 4) for code in (1002, 1102, 1103, 1304)),
        *(({"fault": "error", "code": code}, 69) for code in (1203, 5000)),
        ({"fault": "bad_gateway", "http": 403}, 69),
        ({"fault": "reset_before"}, 69),
    ],
    ids=str,
)
def test_whatever_keeps_an_account_from_telling_keeps_its_tasks_from_being_made_again(pair, tmp_path, trouble, code):
    """All answers of `main` are of one kind from the plan on; later it tells, and one run takes over what it has."""
    pair.write(many(4))
    pair.settings = replace(pair.settings, patience=0.3)
    plan = pair.plan()
    made_by_another_machine(pair.elsewhere(tmp_path / "y"), "main")
    pair.faults({**trouble, "match": {"account": "main"}})
    result = carried_out(pair, plan)
    assert (by_account(pair), result.made) == ({"main": 4}, 0)
    assert result.exit_code == code
    pair.faults()
    assert pair.run().exit_code == 0
    pair.assert_paid_once(4)
    pair.assert_whole(4)


def test_what_cannot_be_asked_is_told_once_with_what_to_do(pair):
    """A dead key: one question is asked, not one for each job; the reason says how to go on, and that it costs."""
    plan = pair.plan()
    pair.faults(DEAD)
    pair.settings = replace(pair.settings, jobs=1)
    result = carried_out(pair, plan)
    assert (tally(result), by_account(pair)) == ((0, 0, 0, JOBS), {})
    assert result.error.message.startswith("account `main` cannot be asked: Kling refuses:")
    assert result.error.hint.endswith("or leave it out with --account second: what only it knows is then made again")
    assert pair.ledger()["rules"][0]["fired"] <= 4, pair.ledger()["rules"]
    assert result.accounts["main"]["stopped"]


def test_an_account_that_is_in_trouble_for_a_moment_is_waited_for(pair):
    """Its look-ups fail now and then: every job is made in the same run all the same."""
    plan = pair.plan()
    pair.faults({"fault": "unavailable", "match": {"method": "GET"}, "probability": 0.4, "seed": 3, "times": 12})
    assert tally(carried_out(pair, plan)) == (JOBS, 0, 0, 0)
    pair.assert_paid_once(JOBS)


def test_an_empty_pack_that_still_answers_is_passed_on_from(pair, tmp_path):
    """Y made four in `main`; `main` is out of units and tells so: X finds the four and makes six in `second`."""
    plan = pair.plan()
    made_by_another_machine(pair.elsewhere(tmp_path / "y").write(many(4)), "main")
    pair.faults({"fault": "error", "code": 1102, "match": {"account": "main", "method": "POST"}})
    assert tally(carried_out(pair, plan)) == (6, 4, 0, 0)
    assert by_account(pair) == {"main": 4, "second": 6}
    pair.assert_paid_once(JOBS)


def test_leaving_an_account_out_is_a_decision(pair, tmp_path):
    """With `--account second` the rest is made there, and what only `main` knows is made again, as was said."""
    made_by_another_machine(pair.elsewhere(tmp_path / "y").write(many(2)), "main")
    pair.faults(DEAD)
    assert pair.cli("run", "-y", "-q").returncode == 4
    assert by_account(pair) == {"main": 2}
    assert pair.cli("run", "-y", "-q", "--account", "second").returncode == 0
    assert by_account(pair) == {"main": 2, "second": JOBS}


@pytest.mark.needs("postgres")
def test_a_worker_waits_for_an_account_that_may_have_what_it_was_handed(pair, tmp_path, postgres):
    """Queued by X, four made by Y in `main`, whose key dies and comes back: nothing is sent while it is dead."""
    url = postgres.database()
    assert pair.cli("run", "-y", "-q", "--detach", "--store", url).returncode == 75
    made_by_another_machine(pair.elsewhere(tmp_path / "y").write(many(4)), "main")
    pair.faults(DEAD)
    machine = pair.elsewhere(tmp_path / "worker")
    worker = machine.process("worker", "--store", url)
    put_off = "FROM kling_pipe.pgqueuer WHERE status = 'queued' AND execute_after > now() + interval '20 s'"
    until(lambda: rows(url, f"SELECT count(*) {put_off}") == [(JOBS,)])
    worker.terminate()
    told = worker.communicate(timeout=30)
    assert (worker.returncode, by_account(pair)) == (0, {"main": 4}), told
    assert "leave it out with --account second" in told[1]

    pair.faults()
    change(url, "UPDATE kling_pipe.pgqueuer SET execute_after = now()")
    assert machine.cli("worker", "--store", url, "--drain").returncode == 0
    assert pair.cli("run", "-y", "-q", "--store", url).returncode == 0
    pair.assert_paid_once(JOBS)
    pair.assert_whole(JOBS)
