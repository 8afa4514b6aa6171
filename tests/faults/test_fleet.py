"""Workers over a queue in PostgreSQL: killed, or with a database that restarts, they make every task exactly once."""

from __future__ import annotations

import signal
import time

import pytest
from fleet import WORKER, change, finished, rows, until
from scenario import CHAIN, HEAD, many

pytestmark = pytest.mark.needs("postgres")


@pytest.fixture
def url(postgres):
    return postgres.database()


def posted(stage, url, text: str) -> None:
    done = stage.write(text).cli("run", "-y", "-q", "--detach", "--store", url)
    assert done.returncode == 75, done


def brought_home(stage, url, jobs: int, *, fell: bool = False) -> None:
    """Who planned fetches what the workers made: `run` finds everything done.

    A database that `fell` has forgotten its last moment: what was saved in it is saved, and counted, once more.
    """
    done = stage.cli("run", "-y", "-q", "--store", url)
    assert done.returncode == 0, done
    assert fell or done.stdout.startswith("0 made"), done
    stage.assert_paid_once(jobs)
    stage.assert_whole(jobs)


def test_a_chain_is_worked_off_with_its_local_file_on_another_machine(picture, tmp_path, url) -> None:
    """The worker has an empty folder: jobs, upstream results and pictures come from the store."""
    from PIL import Image

    picture.root.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (400, 400), "red").save(picture.root / "front.png")
    posted(picture, url, CHAIN.replace("https://example.com/front.png", "front.png"))
    machine = picture.elsewhere(tmp_path / "machine")
    (machine.root / "kling-pipe.yaml").unlink()
    done = machine.cli(*WORKER, "--store", url, "--drain")
    assert done.returncode == 0, done
    assert len(list((machine.root / "out").rglob("*.mp4"))) == 1
    brought_home(picture, url, 3)


def test_workers_are_killed_and_the_database_restarts(picture, tmp_path, url, postgres) -> None:
    """One is killed in the middle, the server goes down and comes back, and the others end what was begun."""
    chains = 12
    text = f"{many(chains)}videos:\n" + "".join(
        f"  v{n}: {{ first_frame: image.i{n}, prompt: it moves }}\n" for n in range(chains)
    )
    posted(picture, url, text)
    machines = [picture.elsewhere(tmp_path / f"machine{number}") for number in range(3)]
    workers = [machine.process(*WORKER, "--store", url) for machine in machines]
    until(lambda: len(picture.ledger()["creates"]) >= 4)
    workers[0].kill()
    postgres.stop()
    time.sleep(0.5)
    postgres.start()
    until(lambda: finished(url, 2 * chains), seconds=45)
    for worker in workers[1:]:
        worker.send_signal(signal.SIGTERM)
    told = [worker.communicate(timeout=30) for worker in workers]
    assert [worker.returncode for worker in workers[1:]] == [0, 0], told
    brought_home(picture, url, 2 * chains, fell=True)


def test_a_database_restart_does_not_make_a_worker_wait_for_its_films(picture, tmp_path, url, postgres) -> None:
    """Films take minutes: what is queued is begun while they go on, and they are ended by who began them."""
    picture.clock(mode="manual")
    posted(picture, url, many(7))
    worker = picture.elsewhere(tmp_path / "machine").process("worker", "--concurrency", "4", "--store", url)
    until(lambda: len(picture.ledger()["creates"]) == 4)
    postgres.stop()
    postgres.start()
    until(lambda: len(picture.ledger()["creates"]) == 7)
    picture.clock(mode="real")
    until(lambda: finished(url, 7))
    worker.send_signal(signal.SIGTERM)
    told = worker.communicate(timeout=20)[1]
    assert (worker.returncode, told.count("saved ")) == (0, 7), told
    picture.assert_paid_once(7)


def test_what_cannot_be_made_fails_with_all_below_it_and_nothing_else(picture, tmp_path, url) -> None:
    """The reason stands on the board, and the queue is empty in the end."""
    picture.faults({"fault": "error", "code": 1301, "http": 400, "match": {"method": "POST"}})
    below = "images: { a: { prompt: a } }\nvideos: { b: { first_frame: image.a, prompt: b } }\n"
    posted(picture, url, HEAD + below)
    done = picture.elsewhere(tmp_path / "machine").cli(*WORKER, "--store", url, "--drain")
    assert done.returncode == 0, done
    states = rows(url, "SELECT address, state FROM kling_pipe.steps ORDER BY 1")
    assert states == [("image.a", "failed"), ("video.b", "failed")]
    assert rows(url, "SELECT count(*) FROM kling_pipe.pgqueuer") == [(0,)]


def test_what_is_not_sent_can_be_taken_back(picture, tmp_path, url) -> None:
    """With all that needs it; planning again queues it again."""
    below = "images: { a: { prompt: a }, c: { prompt: c } }\nvideos: { b: { first_frame: image.a, prompt: b } }\n"
    posted(picture, url, HEAD + below)
    done = picture.cli("cancel", "--store", url, "-s", "image.a+")
    assert (done.returncode, done.stdout) == (0, "image.a\nvideo.b\n2 steps are cancelled\n"), done
    machine = picture.elsewhere(tmp_path / "machine")
    assert machine.cli(*WORKER, "--store", url, "--drain").returncode == 0
    assert len(picture.ledger()["creates"]) == 1
    assert picture.cli("cancel", "--store", url).stdout == "0 steps are cancelled\n"

    posted(picture, url, HEAD + below)
    assert machine.cli(*WORKER, "--store", url, "--drain").returncode == 0
    brought_home(picture, url, 3)


def test_a_bug_holds_a_step_and_loses_none(picture, tmp_path, url) -> None:
    """A step that breaks the worker's code stays in the queue, held; the others are made."""
    posted(picture, url, many(3))
    change(url, "UPDATE kling_pipe.steps SET form = '{}' WHERE address = 'image.i1'")
    done = picture.elsewhere(tmp_path / "machine").cli(*WORKER, "--store", url, "--drain")
    assert done.returncode == 0, done
    assert rows(url, "SELECT status, count(*) FROM kling_pipe.pgqueuer GROUP BY 1") == [("failed", 1)]
    assert rows(url, "SELECT address FROM kling_pipe.steps WHERE state = 'queued'") == [("image.i1",)]
    assert len(picture.ledger()["creates"]) == 2


def test_two_workers_and_a_third_after_a_crash_stay_within_the_budget_together(picture, tmp_path, url) -> None:
    """Every task fails in passing; four first attempts are planned, and there is money for three more."""
    text = many(4).replace('"1:1" }', '"1:1", retries: 5 }', 1)
    each = picture.write(text).plan(refresh=False).steps[0].cost.units
    picture.faults({"fault": "task_failure", "message": "Service busy, please try again later"})
    posted(picture, url, f"{text}budget: {{ image: {7 * each} }}\n")
    machines = [picture.elsewhere(tmp_path / f"machine{number}") for number in range(3)]
    workers = [machine.process(*WORKER, "--store", url, "--drain") for machine in machines[:2]]
    until(lambda: len(picture.ledger()["creates"]) >= 3)
    workers[0].kill()
    # What the dead one had in hand is in no queue until it counts as dead: a worker that drains may end before that.
    workers.append(machines[2].process(*WORKER, "--store", url))
    until(lambda: rows(url, "SELECT count(*) FROM kling_pipe.steps WHERE state = 'failed'") == [(4,)])
    workers[2].send_signal(signal.SIGTERM)
    told = [worker.communicate(timeout=30) for worker in workers]
    creates = picture.ledger()["creates"]
    assert set(creates.values()) == {1}, (creates, told)
    assert len(creates) == 7
    messages = rows(url, "SELECT message FROM kling_pipe.steps")
    assert all(f"the budget allows {7 * each:g} image units" in message for (message,) in messages), messages
