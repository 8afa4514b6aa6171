"""The ledger in PostgreSQL when the database goes away, is newer, or is shared by machines that start at once."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import psycopg
import pytest

from kling_pipe.errors import LocalStateError
from kling_pipe.model import Record
from kling_pipe.storage.effects import Effects
from kling_pipe.storage.ledger import PostgresStore

pytestmark = pytest.mark.needs("postgres")
RECORD = Record("kp1-p-1", "p", "k" * 64, 1, 1, "omni-image", "me", "intent", address="image.a")


@pytest.fixture
def url(postgres):
    return postgres.database()


def test_a_restart_of_the_database_is_waited_for(postgres, url) -> None:
    """Neither a reading nor a writing step fails, and claims outlive it, because their process does."""
    one, two = PostgresStore(url, "me"), PostgresStore(url, "me")
    assert one.put(RECORD, expected=None)
    assert one.claim("x", {"video": 2})
    postgres.stop()
    restarting = threading.Timer(0.3, postgres.start)
    restarting.start()
    assert two.get(RECORD.external_task_id) == RECORD
    restarting.join()
    assert two.slots_of_others() == {"video": 2}
    assert not two.claim("x", {})
    one.beat()
    assert not two.claim("x", {})
    assert one.put(replace(RECORD, state="submitted"), expected="intent")
    one.close()
    assert two.claim("x", {})
    two.close()


def test_a_claim_that_a_fallen_server_brings_back_is_given_back_again(postgres, url) -> None:
    """A crash forgets the last commits: a task that is over must not hold slots as long as its process lives."""
    one, two = PostgresStore(url, "me"), PostgresStore(url, "me")
    assert one.claim_all([("over", {"video": 1}), ("going on", {"video": 2})]).names == {"over", "going on"}
    with psycopg.connect(url) as connection:
        before = connection.execute("SELECT * FROM kling_pipe.claims WHERE external_task_id = 'over'").fetchone()
    one.release("over")
    one.beat()
    postgres.stop()
    postgres.start()
    with psycopg.connect(url) as connection:  # what was not yet on the disk
        connection.execute("DELETE FROM kling_pipe.claims WHERE external_task_id = 'over'")
        values = (*before[:3], '{"video": 1}')
        connection.execute("INSERT INTO kling_pipe.claims VALUES (%s, %s, %s, %s)", values)
    one.beat()
    assert two.slots_of_others() == {"video": 2}
    assert not two.claim("going on", {})
    assert two.claim("over", {})
    one.close()
    two.close()


def test_a_commit_whose_answer_was_lost_counts_once(url) -> None:
    """The step is done again, and says what the first one would have said."""

    class Lossy(Effects):
        lose = False

        def observe(self, name, phase):
            if self.lose and phase == "after":
                self.lose = False
                raise psycopg.OperationalError("the connection is lost")

    effects = Lossy()
    store = PostgresStore(url, "me", effects=effects)
    effects.lose = True
    assert store.put(RECORD, expected=None)
    assert not store.put(RECORD, expected=None)
    effects.lose = True
    assert store.put(replace(RECORD, state="submitted"), expected="intent")
    assert not store.put(replace(RECORD, state="submitted"), expected="intent")
    store.close()


def test_a_database_that_stays_away_is_named_without_its_password() -> None:
    with pytest.raises(LocalStateError, match=r"127\.0\.0\.1:1/campaigns") as caught:
        PostgresStore("postgresql://me:secret@127.0.0.1:1/campaigns", "me", patience=0.1)
    assert "secret" not in str(caught.value) + caught.value.hint
    with pytest.raises(LocalStateError, match="URL"):
        PostgresStore("postgresql://[secret", "me", patience=0.1)


def test_machines_that_start_at_once_migrate_once(url) -> None:
    with ThreadPoolExecutor(8) as pool:
        stores = list(pool.map(lambda _: PostgresStore(url, "me"), range(8)))
    assert sum(store.put(RECORD, expected=None) for store in stores) == 1
    for store in stores:
        store.close()


def test_a_newer_ledger_is_refused(url) -> None:
    """Nothing is changed in it."""
    PostgresStore(url, "me").close()
    with psycopg.connect(url) as connection:
        connection.execute("INSERT INTO kling_pipe.migrations VALUES ('9999_later.sql')")
    with pytest.raises(LocalStateError, match="newer"):
        PostgresStore(url, "me")


def test_alone_keeps_others_out(url) -> None:
    """Of two that want the lock file, the second waits for the first."""
    one, two = PostgresStore(url, "me"), PostgresStore(url, "me")
    order = []

    def second() -> None:
        with two.alone():
            order.append("second")

    with one.alone():
        thread = threading.Thread(target=second)
        thread.start()
        time.sleep(0.1)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]
    one.close()
    two.close()
