"""One plan in the queue twice: one task for each job, nothing that Kling has to refuse, and both campaigns end."""

from __future__ import annotations

import signal
import time

import pytest
from fleet import WORKER, finished, rows, until
from scenario import CHAIN, HEAD, many
from two_accounts import Pair

pytestmark = pytest.mark.needs("postgres")


@pytest.fixture
def url(postgres):
    return postgres.database()


def post(stage, url) -> None:
    done = stage.cli("run", "-y", "-q", "--detach", "--store", url)
    assert done.returncode == 75, done


def machines(stage, tmp_path, count: int) -> list:
    return [stage.elsewhere(tmp_path / f"machine{number}") for number in range(count)]


def stopped(worker) -> tuple[float, str]:
    """How long a worker takes to end after SIGTERM, and what it told."""
    began = time.monotonic()
    worker.send_signal(signal.SIGTERM)
    told = worker.communicate(timeout=30)[1]
    assert worker.returncode == 0, told
    return time.monotonic() - began, told


def assert_sent_once(stage, jobs: int) -> None:
    """So many tasks, and not one create more."""
    stage.assert_paid_once(jobs)
    assert (stage.posts, sum(stage.ledger()["duplicates_refused"].values())) == (jobs, 0)


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("slots", ["", "limits: { image: 1, video: 1 }\n"])
def test_a_plan_that_is_queued_twice_before_anybody_works(picture, tmp_path, url, workers, slots) -> None:
    """A chain and eight pictures, also where there is one slot for all of them."""
    more = "".join(f"  i{n}: {{ prompt: picture {n} }}\n" for n in range(7))
    picture.write(CHAIN.replace("videos:\n  film", f"{more}videos:\n  film") + slots)
    post(picture, url)
    post(picture, url)
    started = [one.process(*WORKER, "--store", url) for one in machines(picture, tmp_path, workers)]
    until(lambda: finished(url, 20), seconds=60)
    assert_sent_once(picture, 10)
    assert [stopped(one)[0] < 5 for one in started] == [True] * workers
    waited = picture.cli("wait", "--timeout", "20s", "--store", url)
    assert waited.returncode == 0, waited
    done = picture.cli("run", "-y", "-q", "--store", url)
    assert done.stdout.startswith("0 made"), done
    picture.assert_whole(10)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_plan_that_is_queued_again_while_its_tasks_run(picture, tmp_path, url, workers) -> None:
    """The steps of the second campaign wait for those of the first, and end with them, in one worker and in another."""
    picture.clock(mode="manual")
    post(picture.write(many(8)), url)
    words = ("worker", "--takeover", "2", "--concurrency", str(16 // workers), "--store", url)
    first, *more = machines(picture, tmp_path, workers)
    started = [first.process(*words)]
    until(lambda: len(picture.ledger()["creates"]) == 8)
    post(picture, url)
    started += [one.process(*words) for one in more]
    until(lambda: rows(url, "SELECT count(*) FROM kling_pipe.pgqueuer WHERE status = 'picked'") == [(16,)])
    assert picture.cli("cancel", "--store", url).stdout == "0 steps are cancelled\n"
    picture.clock(mode="real")
    until(lambda: finished(url, 16))
    assert_sent_once(picture, 8)
    assert [stopped(one)[0] < 5 for one in started] == [True] * workers
    assert picture.cli("wait", "--timeout", "20s", "--store", url).returncode == 0


def test_who_only_waits_for_others_ends_at_once_and_lets_them_go_on(picture, tmp_path, url) -> None:
    """A worker that follows another's tasks, and one whose steps have no slots, end two seconds after SIGTERM."""
    picture.clock(mode="manual")
    post(picture.write(many(4) + "limits: { image: 2 }\n"), url)
    first, second = machines(picture, tmp_path, 2)
    busy = first.process("worker", "--takeover", "2", "--concurrency", "4", "--store", url)
    until(lambda: len(picture.ledger()["creates"]) == 2)
    post(picture, url)
    idle = second.process(*WORKER, "--store", url)
    until(lambda: rows(url, "SELECT count(*) FROM kling_pipe.pgqueuer WHERE status = 'picked'") == [(8,)])
    seconds, told = stopped(idle)
    assert seconds < 3, told
    picture.clock(mode="real")
    until(lambda: finished(url, 8))
    assert_sent_once(picture, 4)
    stopped(busy)


def test_a_worker_that_holds_both_is_killed(picture, tmp_path, url) -> None:
    """Its tasks go on at Kling, and a new worker ends both campaigns with them."""
    picture.clock(mode="manual")
    post(picture.write(many(6)), url)
    post(picture, url)
    first, second = machines(picture, tmp_path, 2)
    killed = first.process(*WORKER, "--store", url)
    until(lambda: len(picture.ledger()["creates"]) == 6)
    killed.kill()
    killed.communicate()
    heir = second.process(*WORKER, "--store", url)
    picture.clock(mode="real")
    until(lambda: finished(url, 12), seconds=60)
    assert_sent_once(picture, 6)
    assert stopped(heir)[0] < 5
    assert picture.cli("wait", "--timeout", "20s", "--store", url).returncode == 0


def test_what_is_not_sent_is_taken_back_in_both(picture, tmp_path, url) -> None:
    """One of five has a task; the others are cancelled while they wait for slots, and are never sent."""
    picture.clock(mode="manual")
    post(picture.write(many(5) + "limits: { image: 1 }\n"), url)
    post(picture, url)
    worker = machines(picture, tmp_path, 1)[0].process(*WORKER, "--concurrency", "20", "--store", url)
    until(lambda: len(picture.ledger()["creates"]) == 1)
    assert picture.cli("cancel", "--store", url).stdout.endswith("4 steps are cancelled\n")
    picture.clock(mode="real")
    until(lambda: finished(url, 2))
    assert picture.cli("wait", "--timeout", "20s", "--store", url).returncode == 0
    assert stopped(worker)[0] < 5
    assert_sent_once(picture, 1)
    states = rows(url, "SELECT state, count(*) FROM kling_pipe.steps GROUP BY 1 ORDER BY 1")
    assert states == [("done", 2), ("failed", 8)]


def test_what_kling_has_no_slot_for_is_taken_back(picture, tmp_path, url) -> None:
    """Steps that were refused with 1303 and wait to be sent again are cancelled, and are not sent again."""
    picture.faults({"fault": "over_limit", "match": {"method": "POST"}})
    post(picture.write(many(3)), url)
    post(picture, url)
    worker = machines(picture, tmp_path, 1)[0].process(*WORKER, "--store", url)
    until(lambda: picture.posts >= 3 and rows(url, "SELECT count(*) FROM kling_pipe.records") == [(0,)])
    until(lambda: picture.cli("cancel", "--store", url).stdout and left(url) == 0)
    picture.faults()
    until(lambda: rows(url, "SELECT count(*) FROM kling_pipe.pgqueuer") == [(0,)])
    assert stopped(worker)[0] < 5
    assert picture.ledger()["creates"] == {}


def left(url) -> int:
    return rows(url, "SELECT count(*) FROM kling_pipe.steps WHERE state IN ('queued', 'waiting')")[0][0]


@pytest.mark.parametrize("spread", ["steady", "free"])
def test_two_accounts_share_a_plan_that_is_queued_twice(kling, tmp_path, url, spread) -> None:
    """A job is in one account only, however often it stands in the queue."""
    pair = Pair(kling, tmp_path / "campaign", spread=spread)
    pair.reset()
    try:
        post(pair.write(many(8)), url)
        post(pair, url)
        worker = pair.elsewhere(tmp_path / "machine").process(*WORKER, "--store", url)
        until(lambda: finished(url, 16))
        assert_sent_once(pair, 8)
        assert stopped(worker)[0] < 5
    finally:
        pair.end()


def test_a_refusal_is_told_to_both(picture, tmp_path, url) -> None:
    """Kling refuses a request once: who waited for it does not ask again."""
    picture.faults({"fault": "error", "code": 1301, "http": 400, "match": {"method": "POST"}})
    post(picture.write(many(3)), url)
    post(picture, url)
    done = machines(picture, tmp_path, 1)[0].cli(*WORKER, "--store", url, "--drain")
    assert done.returncode == 0, done
    assert rows(url, "SELECT state, count(*) FROM kling_pipe.steps GROUP BY 1") == [("failed", 6)]
    assert (picture.posts, picture.ledger()["creates"]) == (3, {})


def test_a_campaign_ends_whose_jobs_were_made_or_adopted_meanwhile(picture, tmp_path, url) -> None:
    """A run on the same ledger made two, one task was adopted for two others: nothing is sent for them."""
    jobs = many(4)
    picture.write(HEAD + "images: { other: { prompt: picture of another job } }\n")
    assert picture.cli("run", "-y", "-q").returncode == 0
    [task] = [record.task_id for record in picture.workspace.store().records().all()]
    post(picture.write(jobs), url)
    done = picture.cli("run", "-y", "-q", "-s", "image.i0", "-s", "image.i1", "--store", url)
    assert done.returncode == 0, done
    for name in ("i2", "i3"):
        adopted = picture.cli("adopt", f"image.{name}", task, "--store", url)
        assert adopted.returncode == 0, adopted
    worker = machines(picture, tmp_path, 1)[0].cli(*WORKER, "--store", url, "--drain")
    assert worker.returncode == 0, worker
    assert finished(url, 4)
    assert_sent_once(picture, 3)
