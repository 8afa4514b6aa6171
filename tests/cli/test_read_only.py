"""Folders that cannot be written: verbs that look work, verbs that make say what to do."""

import os
from pathlib import Path

import pytest
from program import call

from kling_pipe.errors import LocalStateError
from kling_pipe.model import Record
from kling_pipe.storage.ledger import SqliteStore
from kling_pipe.storage.ledger.read_only import peek


@pytest.mark.parametrize(
    ("state", "why"), [("/proc/x", "No such file or directory"), ("file/x", "Not a directory")], ids=["proc", "file"]
)
def test_a_place_where_the_local_kling_cannot_be_is_named_with_the_next_step(tmp_path, state, why):
    """`--state` somewhere impossible: exit 74, the place, the reason, and the flag."""
    (tmp_path / "file").write_text("", encoding="utf-8")
    (tmp_path / "kling-pipe.yaml").write_text("project: x\nimages: {}\n", encoding="utf-8")

    done = call("run", "--emulator", "--state", state, folder=tmp_path)

    assert (done.code, done.out) == (74, "")
    where = str((tmp_path / state).resolve())
    assert f"error: the local Kling cannot keep its state in `{where}`: {why}\n" in done.err
    assert "  next: Make that folder writable, or name another one with --state.\n" in done.err


def test_a_damaged_account_of_the_local_kling_is_told(tmp_path):
    """Half a file is no bug report."""
    (tmp_path / "kling-pipe.yaml").write_text("project: x\nimages: {}\n", encoding="utf-8")
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "account.json").write_text('{"acc', encoding="utf-8")

    done = call("plan", "--emulator", "--state", "state", folder=tmp_path)

    assert done.code == 74
    assert "its `account.json` is damaged" in done.err


def record(name):
    facts = {"project": "p", "key": "k", "take": 1, "attempt": 1, "operation": "omni-image", "account": "a"}
    return Record(external_task_id=name, state="succeed", **facts)


@pytest.mark.parametrize("live", [False, True], ids=["closed", "in-use"])
def test_a_ledger_is_read_without_writing_a_byte(tmp_path, live):
    """Also the part that a running process has not yet brought into the file."""
    path = tmp_path / "ledger.sqlite"
    store = SqliteStore(path, "a")
    store.put(record("one"), unlocked=True)
    if not live:
        store.close()
    before = {one.name: one.stat().st_mtime_ns for one in tmp_path.iterdir() if not one.name.endswith("-shm")}

    records, unlocked = peek(path, "a")

    assert [one.external_task_id for one in records.all()] == ["one"]
    assert unlocked == {"one"}
    assert len(peek(path, "b")[0]) == 0
    after = {one.name: one.stat().st_mtime_ns for one in tmp_path.iterdir() if not one.name.endswith("-shm")}
    assert after == before
    if live:
        store.close()


def test_a_ledger_that_is_none_is_told(tmp_path):
    """Never taken for an empty one."""
    path = tmp_path / "ledger.sqlite"
    path.write_bytes(os.urandom(4096))

    with pytest.raises(LocalStateError, match="cannot be written, nor read without that"):
        peek(Path(path), "a")
