"""The ledger remembers durably, and refuses loudly what it does not understand."""

import sqlite3
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from kling_pipe.errors import LocalStateError
from kling_pipe.model import Output, Record
from kling_pipe.storage.effects import Effects
from kling_pipe.storage.ledger import Learned, PostgresStore, SqliteStore

RECORD = Record("kp1-p-1", "p", "k" * 64, 1, 1, "omni-image", "me", "intent", address="image.a")


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.needs("postgres"))])
def store(request, tmp_path):
    """The same promises, whatever keeps them."""
    if request.param == "sqlite":
        opened = SqliteStore(tmp_path / "state" / "ledger.sqlite", "me")
    else:
        opened = PostgresStore(request.getfixturevalue("postgres").database(), "me")
    yield opened
    opened.close()


@pytest.fixture
def file_store(tmp_path):
    opened = SqliteStore(tmp_path / "state" / "ledger.sqlite", "me")
    yield opened
    opened.close()


def another(store, account="me", **more):
    return type(store)(place(store), account, **more)


def place(store):
    return store.path if isinstance(store, SqliteStore) else store.url


def test_a_record_comes_back_as_it_was(store):
    """Every field, an 18-digit element id included."""
    outputs = (
        Output(1, element_id=860000000000015839),
        Output(2, url="u", url_at=7, sha256="ab", size=3, duration="5.041"),
    )
    record = replace(RECORD, state="succeed", outputs=outputs, units="1.8", message="m", failure="transient")
    assert store.put(record)
    assert store.get("kp1-p-1") == record
    assert store.records("p").of(record.identity) == (record,)
    assert store.records("other").of(record.identity) == ()


def test_a_write_happens_only_from_the_expected_state(store):
    """Compare and set: of two that begin, one wins."""
    assert store.put(RECORD, expected=None)
    assert not store.put(RECORD, expected=None)
    assert not store.put(replace(RECORD, state="succeed"), expected="submitted")
    assert store.put(replace(RECORD, state="submitted"), expected="intent")
    assert not store.forget("kp1-p-1", expected="intent")
    assert store.get("kp1-p-1").state == "submitted"


def test_another_account_sees_nothing(store):
    """One file, two accounts."""
    store.put(RECORD)
    other = another(store, "somebody")
    assert other.get("kp1-p-1") is None
    assert len(other.records()) == 0
    other.close()


def test_a_claim_is_exclusive_while_its_process_lives(store):
    """The second asks in vain until the first gives it back."""
    second = another(store)
    assert store.claim("x", {"video": 1})
    assert store.claim("x", {"video": 1})
    assert not second.claim("x", {"video": 1})
    assert second.slots_of_others() == {"video": 1}
    store.release("x")
    store.beat()
    assert second.claim("x", {})
    second.close()
    assert store.claim("x", {})


def test_many_records_are_written_in_one_transaction(store):
    """What stood there is replaced, and the news are noted with the records."""
    made = replace(RECORD, external_task_id="kp1-p-2", take=2, state="succeed", units="1")
    store.put(RECORD)
    store.put_all([(made, True), (replace(RECORD, state="submitted", task_id="8"), False)])
    assert {one.external_task_id: one.state for one in store.records().all()} == {
        "kp1-p-1": "submitted",
        "kp1-p-2": "succeed",
    }
    assert store.unlocked() == {"kp1-p-2"}


def test_many_claims_are_made_at_once_and_those_of_others_are_left_out(store):
    """Of two that want three tasks each, no task has two owners."""
    second = another(store)
    assert store.claim_all([("b", {"video": 1}), ("a", {"video": 1})]).names == {"a", "b"}
    assert second.claim_all([("c", {"image": 2}), ("b", {}), ("a", {})]).names == {"c"}
    assert store.slots_of_others() == {"image": 2}
    assert second.slots_of_others() == {"video": 2}
    second.close()


def test_the_claim_of_a_dead_process_is_free_at_once(store):
    """Killed without a word: no unlock command, no waiting."""
    code = (
        "import os, sys; from pathlib import Path; from kling_pipe.storage.ledger import PostgresStore, SqliteStore;"
        "place = sys.argv[1]; store = PostgresStore(place, 'me') if ':' in place else SqliteStore(Path(place), 'me');"
        "assert store.claim('x', {'video': 3}); os.kill(os.getpid(), 9)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(place(store))], check=False, timeout=30)
    assert done.returncode == -9
    until(lambda: store.slots_of_others() == {})
    assert store.slots_of_others() == {}
    assert store.claim("x", {})


def until(holds, seconds=5.0):
    """The server of a database notices within moments that a session's other end is gone."""
    ends_at = time.monotonic() + seconds
    while not holds() and time.monotonic() < ends_at:
        time.sleep(0.01)


def test_a_silent_process_loses_its_claims(store):
    """A machine that sleeps is no reason to wait for ever."""
    now = [1000.0]
    first, second = another(store, clock=lambda: now[0]), another(store, clock=lambda: now[0])
    assert first.claim("x", {})
    now[0] += 19
    assert not second.claim("x", {})
    first.beat()
    now[0] += 19
    assert not second.claim("x", {})
    assert not first.was_silent()
    now[0] += 2
    assert second.claim("x", {})
    first.beat()
    assert first.was_silent()  # and it stays so: what others took, they keep
    first.close()
    second.close()


def test_lessons_are_kept(store):
    """Durations, slot limits."""
    one = Learned(0, 0.0, 4.0, 4.0).with_one(4.0).with_one(6.0)
    store.learn({"omni-image": one})
    assert store.learned() == {"omni-image": Learned(2, 5.0, 4.0, 6.0)}
    store.keep_limit("video", 3)
    assert store.limits()["video"][0] == 3


def test_a_newer_ledger_is_refused(tmp_path):
    """Nothing is changed in it."""
    path = tmp_path / "ledger.sqlite"
    SqliteStore(path, "me").close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(LocalStateError, match="version 99") as caught:
        SqliteStore(path, "me")
    assert "update" in caught.value.hint


def test_a_damaged_ledger_is_refused_and_not_treated_as_empty(tmp_path):
    """The message says how to go on without paying again."""
    path = tmp_path / "ledger.sqlite"
    path.write_bytes(b"this is no database, however long one looks at it" * 100)
    with pytest.raises(LocalStateError, match="damaged") as caught:
        SqliteStore(path, "me")
    assert "sync" in caught.value.hint
    assert path.read_bytes().startswith(b"this is no database")


def test_a_locked_ledger_is_waited_for_and_then_named(file_store):
    """A bounded time, then a clear error."""
    impatient = another(file_store, busy_seconds=0.1)
    with file_store.alone(), pytest.raises(LocalStateError, match="another process"):
        impatient.put(RECORD)
    assert impatient.put(RECORD)
    impatient.close()


class Full(Effects):
    """A disk that is full while `full` is set, as SQLite reports it."""

    full = False

    def commit(self, connection):
        if self.full:
            raise sqlite3.OperationalError("database or disk is full")
        super().commit(connection)


def test_a_full_disk_is_named(tmp_path):
    """As SQLite reports it; the transaction is rolled back."""

    effects = Full()
    store = SqliteStore(tmp_path / "ledger.sqlite", "me", effects=effects)
    effects.full = True
    with pytest.raises(LocalStateError, match="disk is full"):
        store.put(RECORD)
    effects.full = False
    assert store.get(RECORD.external_task_id) is None
    assert store.put(RECORD)
    store.close()


def test_claims_that_could_not_be_given_back_are_free_for_the_same_process(tmp_path):
    """A long-lived process whose disk was full when a run ended: its next run does not wait for the last one."""

    effects = Full()
    first = SqliteStore(tmp_path / "ledger.sqlite", "me", effects=effects)
    beside = SqliteStore(tmp_path / "ledger.sqlite", "me")
    assert first.claim("x", {"video": 3})
    assert not beside.claim("x", {})
    effects.full = True
    first.close()

    assert beside.slots_of_others() == {}
    assert beside.claim("x", {})
    beside.close()


def test_an_unusable_folder_is_named(tmp_path):
    """A file where the folder should be."""
    (tmp_path / "state").write_text("")
    with pytest.raises(LocalStateError, match=r"ledger.sqlite"):
        SqliteStore(tmp_path / "state" / "ledger.sqlite", "me")


def test_every_durable_write_passes_the_seam(tmp_path):
    """Tests that crash at each of them rely on it."""
    seen = []

    class Watching(Effects):
        def observe(self, name, phase):
            seen.append((name, phase))

    store = SqliteStore(tmp_path / "ledger.sqlite", "me", effects=Watching())
    seen.clear()
    store.put(RECORD)
    assert seen == [("commit", "before"), ("commit", "after")]
    store.close()
    assert store.path.exists()
