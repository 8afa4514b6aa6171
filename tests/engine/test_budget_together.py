"""Runs that overlap spend one budget together, in whatever order they ask, end or die; on SQLite and PostgreSQL."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kling_pipe.model import Record
from kling_pipe.storage.ledger import PostgresStore, SqliteStore, liveness
from kling_pipe.storage.ledger.reservations import Amounts, Reservation

INTENT = Record("kp1-p-1", "p", "k" * 64, 1, 1, "omni-image", "me", "intent", address="image.a")


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.needs("postgres"))])
def opened(request, tmp_path):
    """A function that opens the ledger once more, each time as another process would."""
    stores = []
    url = request.getfixturevalue("postgres").database() if request.param == "postgres" else ""

    def opens(**more):
        path = tmp_path / "ledger.sqlite"
        stores.append(PostgresStore(url, "me", **more) if url else SqliteStore(path, "me", **more))
        return stores[-1]

    yield opens
    for store in stores:
        store.close()


def asks(run: str, name: str, budget: float | None, *, address: str = "image.a", usd: float = 1.0, per_job=99.0):
    """One task at a price; without a budget nothing bounds it."""

    def refusal(spent) -> str:
        over = spent.all.usd > budget or spent.job.usd > per_job
        return f"{spent.all.usd:g} of {budget:g}{', with others' * spent.with_others}" * over

    return Reservation(run, "me", name, "p", address, Amounts(0, 0, usd), None if budget is None else refusal)


def test_runs_that_overlap_share_what_each_of_them_allows(opened) -> None:
    """Each is held against its own budget, with the sum of both."""
    one, two = opened(), opened()
    first, second = one.begin_run(), two.begin_run()
    assert one.reserve(asks(first, "a", 3)) == ""
    assert two.reserve(asks(second, "b", 3)) == ""
    assert two.reserve(asks(second, "c", 2)) == "3 of 2, with others"
    assert one.reserve(asks(first, "d", 3)) == ""
    assert two.reserve(asks(second, "e", 3)) == "4 of 3, with others"
    assert two.reserve(asks(second, "e", None)) == ""


def test_an_intent_that_may_not_be_is_not_written(opened) -> None:
    """Of many in one transaction those that fit are, and no others."""
    store = opened()
    run = store.begin_run()
    records = [replace(INTENT, external_task_id=f"kp1-p-{number}", take=number) for number in range(1, 5)]
    refused = store.intend([(one, asks(run, one.external_task_id, 2)) for one in records])
    assert refused == {"kp1-p-3": "3 of 2", "kp1-p-4": "3 of 2"}
    assert sorted(one.external_task_id for one in store.records().all()) == ["kp1-p-1", "kp1-p-2"]
    assert store.intend([(records[3], None)]) == {}


def test_a_task_counts_once_however_many_runs_reserve_it(opened) -> None:
    """Whoever asks again gets the same answer, and neither of two can give it back for the other."""
    one, two = opened(), opened()
    first, second = one.begin_run(), two.begin_run()
    for _ in range(2):
        assert one.reserve(asks(first, "a", 1)) == ""
        assert two.reserve(asks(second, "a", 1)) == ""
    one.give_back(first, "a")
    assert one.reserve(asks(first, "b", 1)) == "2 of 1, with others"


@pytest.mark.needs("postgres")
def test_runs_without_a_budget_reserve_one_task_at_once(postgres) -> None:
    """Nobody stands in a queue for sums that nobody asks for, and nobody fails for it."""
    url = _database(postgres)
    stores = [PostgresStore(url, "me") for _ in range(4)]
    runs = [store.begin_run() for store in stores]
    with ThreadPoolExecutor(4) as pool:
        for name in range(20):
            list(pool.map(lambda one: one[0].reserve(asks(one[1], f"t{name}", None)), zip(stores, runs, strict=True)))  # noqa: B023
    assert stores[0].reserve(asks(runs[0], "more", 19)) == "21 of 19, with others"
    for store in stores:
        store.close()


def test_what_came_to_nothing_is_given_back(opened) -> None:
    """The money is there for the next task, of whichever run."""
    one, two = opened(), opened()
    first, second = one.begin_run(), two.begin_run()
    assert one.reserve(asks(first, "a", 1)) == ""
    assert two.reserve(asks(second, "b", 1)) != ""
    one.give_back(first, "a")
    assert two.reserve(asks(second, "b", 1)) == ""


def test_what_a_job_costs_is_the_sum_of_its_attempts_in_all_runs(opened) -> None:
    one, two = opened(), opened()
    first, second = one.begin_run(), two.begin_run()
    assert one.reserve(asks(first, "a", 9, per_job=2)) == ""
    assert two.reserve(asks(second, "a-a2", 9, per_job=2)) == ""
    assert two.reserve(asks(second, "a-a3", 9, per_job=2)) != ""
    assert two.reserve(asks(second, "b", 9, address="image.b", per_job=2)) == ""


def test_a_run_that_begins_after_all_have_ended_has_its_whole_budget(opened) -> None:
    one = opened()
    assert one.reserve(asks(one.begin_run(), "a", 1)) == ""
    one.close()
    two = opened()
    assert two.reserve(asks(two.begin_run(), "b", 1)) == ""


def test_what_ended_while_a_command_planned_overlaps_with_it(opened) -> None:
    """A run begins with its command, not with its first task; but no clock of next year joins runs for a year."""
    now = [1000.0]
    one = opened(clock=lambda: now[0])
    assert one.reserve(asks(one.begin_run(), "a", 1)) == ""
    now[0] += 5
    one.close()
    two = opened(clock=lambda: now[0] + 1)
    assert two.reserve(asks(two.begin_run(since=1004.0), "b", 1)) != ""
    three = opened(clock=lambda: now[0] - 900)
    run = three.begin_run(since=90.0)
    two.close()
    assert three.reserve(asks(run, "c", 1)) != ""  # the second was at work
    three.close()
    four = opened(clock=lambda: now[0] - 800)
    assert four.reserve(asks(four.begin_run(since=200.0), "d", 1)) == ""


def test_a_run_that_slept_joins_those_that_began_meanwhile(opened) -> None:
    """It counted as gone; when it wakes, both know of both."""
    now = [1000.0]
    sleeper = opened(clock=lambda: now[0])
    first = sleeper.begin_run()
    assert sleeper.reserve(asks(first, "a", 2)) == ""
    now[0] += 60
    other = opened(clock=lambda: now[0])
    second = other.begin_run()
    assert other.reserve(asks(second, "b", 2)) == ""
    assert sleeper.reserve(asks(first, "a", 2)) == ""
    assert sleeper.reserve(asks(first, "c", 2)) == "3 of 2, with others"
    assert other.reserve(asks(second, "d", 2)) == "3 of 2, with others"


def test_a_series_is_forgotten_a_month_after_its_last_run(opened) -> None:
    now = [1000.0]
    clock = {"clock": lambda: now[0]}
    one = opened(**clock)
    assert one.reserve(asks(one.begin_run(), "a", 9)) == ""
    one.close()
    now[0] += 31 * 86_400
    two = opened(**clock)
    two.begin_run()
    tables = two.whole(lambda tables: list(tables._execute("SELECT external_task_id FROM reservations", ())), change=0)
    assert tables == []


ACTS = st.one_of(
    st.tuples(st.just("begin"), st.integers(1, 6)),
    st.tuples(st.just("reserve"), st.integers(0, 5), st.integers(0, 9)),
    st.tuples(st.just("give"), st.integers(0, 5), st.integers(0, 9)),
    st.tuples(st.just("end"), st.integers(0, 5)),
    st.tuples(st.just("die"), st.integers(0, 5)),
)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(ACTS, min_size=5, max_size=40))
def test_no_run_sends_what_brings_the_sum_above_its_own_budget(tmp_path_factory, acts) -> None:
    """Whatever the order in which runs begin, ask, give back, end and die; and what fits is never refused."""
    path = tmp_path_factory.mktemp("ledger") / "ledger.sqlite"
    now, runs, alive, number = [1000.0], [], [], [0]

    def tick() -> None:
        """Those that live say so; the dead fall silent."""
        now[0] += 1
        for run in alive:
            run["store"].beat()

    for act, *rest in acts:
        tick()
        if act == "begin":
            store = SqliteStore(path, "me", clock=lambda: now[0])
            series = {"tasks": {}}
            for run in alive:  # whatever lives becomes one series
                for name, holders in run["series"]["tasks"].items():
                    series["tasks"].setdefault(name, set()).update(holders)
            number[0] += 1
            mine = {"store": store, "token": store.begin_run(), "budget": rest[0], "series": series}
            alive.append(mine)
            runs.append(mine)
            for run in alive:
                run["series"] = series
        elif not alive:
            continue
        else:
            run = alive[rest[0] % len(alive)]
            tasks = run["series"]["tasks"]
            if act == "reserve":
                name = f"t{rest[1]}"
                said = run["store"].reserve(asks(run["token"], name, run["budget"]))
                held = tasks.get(name) == {run["token"]}
                fits = held or len(tasks.keys() | {name}) <= run["budget"]
                assert (said == "") == fits, (acts, said)
                if fits:
                    tasks.setdefault(name, set()).add(run["token"])
            elif act == "give":
                name = f"t{rest[1]}"
                run["store"].give_back(run["token"], name)
                if tasks.get(name) == {run["token"]}:
                    del tasks[name]
            else:
                alive.remove(run)
                if act == "end":
                    run["store"].close()
                else:  # nobody hears of it any more
                    for _ in range(21):
                        tick()
    for run in runs:
        run["store"].close()


@pytest.mark.needs("postgres")
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 6), st.lists(st.integers(0, 9), min_size=1, max_size=12))
def test_many_that_ask_a_database_at_once_spend_what_the_budget_allows_and_no_more(postgres, allowed, wanted) -> None:
    """Four connections, in whatever order, and however often for the same task."""
    url = _database(postgres)
    stores = [PostgresStore(url, "me") for _ in range(4)]
    runs = [store.begin_run() for store in stores]
    with ThreadPoolExecutor(4) as pool:
        asked = [
            pool.submit(stores[one % 4].reserve, asks(runs[one % 4], f"t{name}", allowed))
            for one, name in enumerate(wanted)
        ]
        said = [one.result() for one in asked]
    granted = {name for name, why_not in zip(wanted, said, strict=True) if not why_not}
    for store in stores:
        store.close()
    assert len(granted) == min(allowed, len(set(wanted)))


_databases: dict = {}


def _database(postgres) -> str:
    """One database for all examples: runs that have ended count no more."""
    return _databases.setdefault(id(postgres), postgres.database())


def test_an_old_ledger_is_brought_up_to_date_in_its_place(tmp_path) -> None:
    """What it knows stays, and overlapping runs are counted in it from then on."""
    path = tmp_path / "ledger.sqlite"
    store = SqliteStore(path, "me")
    store.put(INTENT)
    store.close()
    connection = sqlite3.connect(path)
    connection.executescript("DROP TABLE runs; DROP TABLE reservations; PRAGMA user_version = 1")
    connection.close()
    store = SqliteStore(path, "me")
    assert store.get("kp1-p-1") == INTENT
    assert store.reserve(asks(store.begin_run(), "a", 1)) == ""
    store.close()


@pytest.mark.needs("postgres")
def test_a_database_of_an_earlier_version_keeps_what_its_campaigns_have_reserved(postgres) -> None:
    """A campaign that is under way while the workers are brought up to date has not its whole budget again."""
    import psycopg

    url = postgres.database()
    store = PostgresStore(url, "me")
    store.put(replace(INTENT, external_task_id="x", state="submitted", created_at=2**42))
    store.close()
    cost = '{"cost": {"units": 2, "pack": "image", "usd": 1}}'
    with psycopg.connect(url, options="-c search_path=kling_pipe") as connection:
        connection.execute("DROP TABLE runs, reservations")
        connection.execute("DELETE FROM migrations WHERE name LIKE '0005%'")
        for name in (file for file in Path(liveness.__file__).parent.glob("migrations/0004*.sql")):
            connection.execute(name.read_text(encoding="utf-8"))
        for one, state in (("c", "queued"), ("d", "done")):
            connection.execute("INSERT INTO campaigns (id, account, project, form) VALUES (%s, 'me', 'p', '{}')", [one])
            connection.execute("INSERT INTO steps VALUES (%s, 'image.a', %s, 0, %s, 'x', '')", [one, cost, state])
            connection.execute("INSERT INTO reservations VALUES (%s, 'image.a', 2, 0, 2, 1)", [one])
    store = PostgresStore(url, "me")
    assert store.reserve(asks("c", "b", 2)) == "3 of 2"
    with psycopg.connect(url, options="-c search_path=kling_pipe") as connection:
        assert connection.execute("SELECT sum(usd), count(*) FROM reservations").fetchone() == (2, 2)
    store.close()
