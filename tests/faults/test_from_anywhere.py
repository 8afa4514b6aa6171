"""A campaign that workers carried out, seen from a machine that has its manifest and nothing else."""

from __future__ import annotations

import json

import obstore
import psycopg
import pytest
from program import call
from s3server import bucket_server
from scenario import HEAD, PICTURE

from kling_pipe.storage.ledger import PostgresStore
from kling_pipe.storage.outputs.bucket import opened
from tests.media.test_mp4_header import film
from tests.storage.test_export import RECORD

pytestmark = pytest.mark.needs("postgres")
PAIR = HEAD + "images:\n  kite: { prompt: a red kite }\n  rope: { prompt: a long rope }\n"


@pytest.fixture
def account(picture):
    """The account's credentials in the environment of this process."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in picture.environ.items():
            patch.setenv(name, value)
        yield picture


@pytest.fixture
def anywhere(account, postgres, tmp_path):
    """Calls verbs in an empty folder with the manifest, with the store of a campaign of which one job failed."""
    url, picture = postgres.database(), account
    picture.write(PAIR)
    assert call("run", "-y", "-q", "--detach", "--store", url, folder=picture.root).code == 75
    picture.faults({"fault": "task_failure", "message": "the service is busy", "times": 1})
    machine = picture.elsewhere(tmp_path / "machine")
    assert call("worker", "--drain", "--store", url, folder=machine.root).code == 0
    third = picture.elsewhere(tmp_path / "third")

    def verb(*words: str):
        return call(*words, "--store", url, folder=third.root)

    return verb, third.root, url


def test_every_verb_that_looks_sees_what_the_workers_did(anywhere) -> None:
    """States, costs, the sheet, and where a task came from."""
    verb, root, _ = anywhere
    states = {one["address"]: one["state"] for one in json.loads(verb("status", "--json").out)["jobs"]}
    assert sorted(states.values()) == ["failed", "made"]
    (made,) = [address for address, state in states.items() if state == "made"]

    done = verb("report", "--single-file")
    assert done.code == 0, done
    page = (root / "out" / "contact-sheet.html").read_text(encoding="utf-8")
    assert "the service is busy" in page

    charged = json.loads(verb("cost", "--json").out)
    assert "charged" in json.dumps(charged)
    assert "task" in verb("explain", made).out
    assert call("explain", made, folder=root).code == 64
    plan = verb("plan")
    assert "1 blocked" in plan.out, plan


def test_what_failed_is_tried_again_and_waited_for(anywhere, picture) -> None:
    """`retry` makes a second attempt, of that job alone; then there is nothing to wait for or to cancel."""
    verb, _, _ = anywhere
    done = verb("retry", "-y", "-q")
    assert (done.code, done.out.split(",")[0]) == (0, "1 made"), done
    assert sorted(picture.ledger()["creates"].values()) == [1, 1, 1]
    assert verb("wait", "-q").code == 0
    assert verb("cancel").out == "0 steps are cancelled\n"
    assert verb("run", "-y", "-q").out.startswith("0 made, 2 reused")


def test_who_waits_waits_for_the_workers(account, postgres, tmp_path) -> None:
    """Nothing is under way yet when the plan is handed over: the queue counts, too."""
    url = postgres.database()
    account.write(PAIR)
    assert call("run", "-y", "-q", "--detach", "--store", url, folder=account.root).code == 75
    done = call("wait", "-q", "--timeout", "0.2s", "--store", url, folder=account.root)
    assert (done.code, "2 steps are not done yet" in done.err) == (75, True), done
    waiting = account.process("wait", "-q", "--store", url)
    assert waiting.stderr.readline() == "2 steps are with the workers\n"
    machine = account.elsewhere(tmp_path / "machine")
    assert call("worker", "--drain", "--store", url, folder=machine.root).code == 0
    out, err = waiting.communicate(timeout=30)
    assert (waiting.returncode, "2 jobs are made and not fetched here" in err) == (0, True), (out, err)


def test_a_worker_says_why_a_step_waits_for_somebody_to_act(account, postgres, tmp_path) -> None:
    """An account without money is no failure of the step: it stays in the queue, and the reason is told once."""
    url = postgres.database()
    account.write(PICTURE)
    assert call("run", "-y", "-q", "--detach", "--store", url, folder=account.root).code == 75
    account.faults({"fault": "error", "code": 1102, "http": 429, "match": {"method": "POST"}})
    worker = account.elsewhere(tmp_path / "machine").process("worker", "--store", url)
    lines = [worker.stderr.readline() for _ in range(2)]
    worker.kill()
    worker.communicate()
    assert lines[1].startswith("waiting   image.kite "), lines
    assert call("cancel", "--store", url, folder=account.root).out.endswith("1 step is cancelled\n")


def test_a_page_that_is_served_notices_what_happens_in_the_database(anywhere) -> None:
    """Its stamp is another one as soon as a record changes, and stays while nothing does."""
    _, _, url = anywhere
    store = PostgresStore(url, "me")
    before = store.stamp()
    assert store.stamp() == before
    other = PostgresStore(url, "somebody")
    other.put(RECORD)
    assert store.stamp() != before
    store.close()
    other.close()


def test_a_local_film_reaches_the_workers_by_its_link_alone(account, postgres, tmp_path) -> None:
    """Who plans uploads it, nothing of it is in the database, and a worker with an empty folder signs for it."""
    url = postgres.database()
    with bucket_server("inputs"):
        account.write(HEAD + "videos: { ending: { continues: ./clip.mp4, prompt: the cup is empty } }\n")
        film(account.root / "clip.mp4", size=(1280, 720), frames=72)
        (account.root / "kling-pipe.toml").write_text('[publish]\nto = "s3://inputs/x"\n', encoding="utf-8")
        assert call("run", "-y", "-q", "--detach", "--store", url, folder=account.root).code == 75
        (name,) = [one["path"] for page in obstore.list(opened("s3://inputs/x")) for one in page]
        assert name.endswith(".mp4")
        with psycopg.connect(url) as connection:
            assert connection.execute("SELECT count(*) FROM kling_pipe.blobs").fetchall() == [(0,)]
            assert "X-Amz" not in str(connection.execute("SELECT form FROM kling_pipe.steps").fetchall())

        machine = tmp_path / "machine"
        machine.mkdir()
        done = call("worker", "--takeover", "2", "--drain", "--store", url, folder=machine)
        assert (done.code, "saved" in done.err) == (0, True), done
        account.assert_paid_once(1)
        (sidecar,) = machine.rglob("ending*.json")
        assert '"clip.mp4"' in sidecar.read_text(encoding="utf-8")
