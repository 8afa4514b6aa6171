"""No ledger, no lock, no files: the account is the shared state, so nothing is made again."""

import shutil

from scenario import CHAIN, tally


def test_an_empty_machine_makes_nothing_again(chain, tmp_path):
    """The same manifest in another folder: every task is found by its id, every file is fetched."""
    chain.run()
    posts = chain.posts
    other = chain.elsewhere(tmp_path / "laptop")
    assert tally(other.run()) == (0, 3, 0, 0)
    other.assert_whole(3)
    assert chain.posts == posts
    assert other.blocks() == chain.blocks()


def test_an_empty_machine_in_the_middle_of_a_run_takes_it_over(chain, tmp_path):
    """Tasks under way are found and waited for; what was not sent is sent. Only that is counted as made here."""
    chain.clock(mode="manual")
    assert chain.cli("run", "-y", "-q", "--detach").returncode == 75
    chain.clock(mode="real")
    other = chain.elsewhere(tmp_path / "laptop")
    assert tally(other.run()) == (2, 1, 0, 0)
    chain.assert_paid_once(3)
    assert tally(chain.run())[2:] == (0, 0)
    chain.assert_paid_once(3)


def test_sync_rebuilds_ledger_and_lock(chain):
    """The command alone brings back what both said; a run afterwards asks nothing to be made."""
    chain.run()
    posts, lock = chain.posts, chain.workspace.lock_path.read_text(encoding="utf-8")
    chain.workspace.lock_path.unlink()
    shutil.rmtree(chain.workspace.state)
    shutil.rmtree(chain.root / "out")
    done = chain.cli("sync")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("3 tasks found for 3 jobs; 3 in the lock")
    assert chain.workspace.lock_path.read_text(encoding="utf-8") == lock
    chain.assert_whole(3)
    assert len(chain.workspace.snapshot().ledger) == 3
    assert tally(chain.run()) == (0, 3, 0, 0)
    assert chain.posts == posts


def test_sync_finds_takes_failed_attempts_and_replacements(chain):
    """The attempt that counts is found again, whatever came before it."""
    chain.write(CHAIN + "  other: { prompt: clouds, takes: 2 }\n")
    chain.faults(
        {
            "fault": "task_failure",
            "message": "internal error, try later",
            "match": {"operation": "omni-image"},
            "times": 1,
        }
    )
    assert chain.run().failed == 2
    assert tally(chain.run(retry=["state:failed"]))[2:] == (0, 0)
    assert tally(chain.run(replace=["video.other#2"])) == (1, 4, 0, 0)
    lock = chain.workspace.lock_path.read_text(encoding="utf-8")
    created = len(chain.ledger()["creates"])
    chain.workspace.lock_path.unlink()
    shutil.rmtree(chain.workspace.state)
    assert chain.cli("sync").returncode == 0
    assert chain.workspace.lock_path.read_text(encoding="utf-8") == lock
    assert tally(chain.run()) == (0, 5, 0, 0)
    assert len(chain.ledger()["creates"]) == created


def test_sync_finds_what_is_frozen_though_the_lock_that_said_so_is_gone(chain):
    """Frozen after it was made; then the machine is lost. Its lock is as before, and the job is frozen by it again."""
    chain.run()
    before = chain.blocks()
    text = (chain.root / "kling-pipe.yaml").read_text(encoding="utf-8")
    frozen = text.replace("{ first_frame: image.key,", "{ frozen: true, first_frame: image.key,")
    other = chain.elsewhere(chain.root / "other").write(frozen)
    assert other.cli("run", "-y", "-q").returncode == 3
    done = other.cli("sync")
    assert (done.returncode, done.stdout) == (0, "3 tasks found for 3 jobs; 3 in the lock, 0 failed\n")
    assert other.blocks() == before
    other.write(frozen.replace("the mist lifts", "something else"))
    assert other.run().exit_code == 0
    assert chain.posts == 3


def test_sync_says_which_frozen_job_the_account_does_not_know_and_adopt_binds_it(chain):
    """It was changed after it was frozen: only the lock knew its key, and a person names the task."""
    chain.run()
    task = chain.blocks()["video.film"]["task_id"]
    text = (chain.root / "kling-pipe.yaml").read_text(encoding="utf-8")
    changed = text.replace("prompt: the mist lifts", "frozen: true, prompt: something else")
    other = chain.elsewhere(chain.root / "other").write(changed)
    done = other.cli("sync")
    assert done.returncode == 1
    assert "`video.film` is frozen, and the account has no result of what it asks for now" in done.stderr
    assert other.cli("adopt", "video.film", task).returncode == 0
    assert other.cli("sync").returncode == 0
    assert tally(other.run()) == (0, 3, 0, 0)
    assert chain.posts == 3
