"""A full disk, a ledger that is held, damaged or newer, a lock that cannot be read: exit 74, and nothing is lost."""

import errno
import resource
import shutil
import sqlite3
import subprocess
import threading
from contextlib import suppress
from dataclasses import replace

import pytest
from scenario import many, tally

from kling_pipe.errors import KlingPipeError, LocalStateError
from kling_pipe.storage.effects import Effects
from kling_pipe.storage.ledger import SqliteStore


class Full(Effects):
    """A disk on which nothing can be written any more from the n-th durable effect on (counted from 1; 0: never)."""

    def __init__(self, full_from):
        self.full_from = full_from
        self.count = 0

    def observe(self, name, phase):
        if phase == "before" and not name.startswith("send"):
            self.count += 1
            if 0 < self.full_from <= self.count:
                if name == "commit":
                    raise sqlite3.OperationalError("database or disk is full")
                raise OSError(errno.ENOSPC, "No space left on device")


def forget_processes(stage):
    """What the end of a process does to its claims; here it lives on."""
    connection = sqlite3.connect(stage.workspace.ledger_path)
    with suppress(sqlite3.OperationalError), connection:  # the disk was full before there was a table
        connection.execute("DELETE FROM processes")
    connection.close()


def test_a_disk_that_fills_at_any_point_loses_nothing(picture, tmp_path):
    """Full from each durable write on: a clear error with exit 74, and with room again the next run goes on."""
    disk = Full(0)
    picture.seams = replace(picture.seams, effects=disk)
    assert tally(picture.run()) == (1, 0, 0, 0)
    points, codes = disk.count, []
    for point in range(1, points + 1):
        stage = picture.elsewhere(tmp_path / str(point))
        stage.reset()
        stage.seams = replace(picture.seams, effects=Full(point))
        try:
            codes.append(stage.run().exit_code)
        except KlingPipeError as error:
            codes.append(error.exit_code)
        forget_processes(stage)
        stage.seams = replace(picture.seams, effects=None)
        result = stage.run()
        assert (result.failed, result.waiting) == (0, 0), (point, [one.message for one in result.outcomes])
        stage.assert_paid_once(1)
        stage.assert_whole(1)
    # The very last write gives back what the process held; without it nothing is missing.
    assert codes == [74] * (points - 1) + [0]


def test_a_disk_that_is_really_full_is_a_clear_error(picture):
    """The system refuses to let files grow: the command says which file, keeps the task, and the next run goes on."""
    picture.faults()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    run = picture.process(
        "run", "-y", "-q", preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (8192, before[1]))
    )
    _, err = run.communicate(timeout=30)
    assert run.returncode == 74, err
    assert "error: " in err
    assert "next: " in err
    assert "Traceback" not in err
    assert picture.cli("run", "-y", "-q").returncode == 0
    picture.assert_paid_once(1)
    picture.assert_whole(1)


def test_a_file_where_the_output_folder_should_be_is_a_clear_error(chain):
    """The task is kept; with the way free the next run only fetches."""
    (chain.root / "out").write_text("in the way")
    result = chain.run()
    assert result.exit_code == 74
    assert "nothing is paid twice" in result.error.hint
    (chain.root / "out").unlink()
    assert chain.run().exit_code == 0
    chain.assert_paid_once(3)
    chain.assert_whole(3)


def test_a_ledger_that_is_held_for_a_while_is_waited_for(picture):
    """Another program looks into the file for half a second: nobody notices."""
    picture.workspace.store().close()
    held = sqlite3.connect(picture.workspace.ledger_path, isolation_level=None, check_same_thread=False)
    held.execute("BEGIN IMMEDIATE")
    threading.Timer(0.5, held.rollback).start()
    assert tally(picture.run()) == (1, 0, 0, 0)
    held.close()


def test_a_ledger_that_is_held_for_good_is_a_clear_error_and_nothing_was_sent(picture):
    """The wait is bounded (15 s unless told otherwise), and what cannot be written down is not sent."""
    workspace = picture.workspace
    workspace.store().close()
    held = sqlite3.connect(workspace.ledger_path, isolation_level=None)
    held.execute("BEGIN IMMEDIATE")
    store = SqliteStore(workspace.ledger_path, workspace.account, busy_seconds=0.2)
    with pytest.raises(LocalStateError, match="held by another process"):
        store.claim("kp1-faults-1", {})
    store.close()
    held.close()
    assert tally(picture.run()) == (1, 0, 0, 0)


def damage_header(path):
    path.write_bytes(b"this is no ledger" * 100)


def damage_middle(path):
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    path.write_bytes(content)


def make_newer(path):
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()


@pytest.mark.parametrize(
    ("harm", "said"), [(damage_header, "damaged"), (damage_middle, "damaged"), (make_newer, "version 99")]
)
def test_a_ledger_that_cannot_be_believed_is_refused_and_never_taken_as_empty(chain, harm, said):
    """Exit 74 before anything is sent; moved away, `sync` brings everything back, and nothing is made again."""
    chain.run()
    ledger, posts = chain.workspace.ledger_path, chain.posts
    harm(ledger)
    before = ledger.read_bytes()
    done = chain.cli("run", "-y", "-q")
    assert done.returncode == 74, done.stderr
    assert said in done.stderr
    assert "next: " in done.stderr
    assert ledger.read_bytes() == before
    shutil.rmtree(ledger.parent)
    assert chain.cli("sync").returncode == 0
    assert tally(chain.run()) == (0, 3, 0, 0)
    assert chain.posts == posts


def conflict(text):
    return text.replace("\nimage.key:", "\n<<<<<<< ours\nimage.key:") + "=======\n>>>>>>> theirs\n"


def newer(text):
    return text.replace("version: 1", "version: 9")


def torn(text):
    return text[: len(text) // 2]


@pytest.mark.parametrize(
    ("harm", "said"), [(conflict, "merge conflict"), (newer, "version 9"), (torn, "kling-pipe.lock")]
)
def test_a_lock_that_cannot_be_read_is_refused_and_left_as_it_is(chain, harm, said):
    """Exit 74, nothing sent, not a byte changed; put right, the campaign is as it was."""
    chain.run()
    lock, posts = chain.workspace.lock_path, chain.posts
    good = lock.read_text(encoding="utf-8")
    lock.write_text(harm(good), encoding="utf-8")
    done = chain.cli("run", "-y", "-q")
    assert done.returncode == 74, done.stderr
    assert said in done.stderr
    assert lock.read_text(encoding="utf-8") == harm(good)
    assert chain.posts == posts
    lock.write_text(good, encoding="utf-8")
    assert tally(chain.run()) == (0, 3, 0, 0)


def test_a_lock_that_cannot_be_written_is_exit_74_and_the_next_run_writes_it(picture):
    """The results are saved and in the ledger; only the committed record is late."""
    picture.workspace.lock_path.mkdir()
    done = picture.cli("run", "-y", "-q")
    assert done.returncode == 74
    picture.workspace.lock_path.rmdir()
    assert picture.run().exit_code == 0
    picture.assert_paid_once(1)
    picture.assert_whole(1)


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 8 MB where this machine lets us make one, else a folder with files that may not grow."""
    folder = tmp_path / "disk"
    folder.mkdir()
    made = shutil.which("mount") and subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)], capture_output=True, check=False
    ).returncode == 0  # fmt: skip
    yield folder, bool(made)
    if made:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_campaign_larger_than_the_disk_stops_and_goes_on_with_more_room(picture, small_disk):
    """Forty pictures do not fit: exit 74; with another file gone the same tasks are fetched."""
    folder, is_small = small_disk
    stage = picture.elsewhere(folder / "campaign")
    stage.write(many(40))
    ballast = folder / "ballast"
    free = shutil.disk_usage(folder).free
    ballast.write_bytes(b"\0" * (free - 260_000 if is_small else 10))
    result = stage.cli("run", "-y", "-q")
    assert result.returncode == (74 if is_small else 0), result.stderr
    ballast.unlink()
    assert stage.cli("run", "-y", "-q").returncode == 0
    stage.assert_paid_once(40)
    stage.assert_whole(40)
