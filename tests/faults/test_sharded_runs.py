"""A CI matrix: machines that share nothing but the account, one of them killed, and their locks brought together."""

import shutil
import time

from scenario import HEAD

SHARDS = 5
CHAINS = 8
JOBS = 2 * CHAINS


def campaign() -> str:
    """Pictures, each with a clip that begins with it."""
    pictures = "".join(f"  i{n}: {{ prompt: picture {n} }}\n" for n in range(CHAINS))
    clips = "".join(f"  v{n}: {{ first_frame: image.i{n}, prompt: it moves }}\n" for n in range(CHAINS))
    return f"{HEAD}images:\n{pictures}videos:\n{clips}"


def test_five_shards_at_once_with_one_killed_pay_nothing_twice(picture, tmp_path):
    """The rest goes on, the shard runs again from nothing, and `merge-lock` says what one machine would have said."""
    whole = picture.write(campaign())
    machines = [whole.elsewhere(tmp_path / f"machine{number}") for number in range(1, SHARDS + 1)]
    runs = [machine.process("run", "-y", "-q", "--shard", f"{n}/{SHARDS}") for n, machine in enumerate(machines, 1)]
    while not whole.ledger()["creates"] or sum(whole.ledger()["creates"].values()) < 3:
        time.sleep(0.01)
    runs[0].kill()
    told = [run.communicate(timeout=60) for run in runs]
    assert [run.returncode for run in runs[1:]] == [0] * (SHARDS - 1), told

    shutil.rmtree(machines[0].root)
    again = whole.elsewhere(machines[0].root)
    done = again.cli("run", "-y", "-q", "--shard", f"1/{SHARDS}")
    assert done.returncode == 0, done.stderr
    whole.assert_paid_once(JOBS)

    locks = [str(machine.root / "kling-pipe.lock") for machine in machines if machine.blocks()]
    assert whole.cli("merge-lock", *locks).returncode == 0
    last = whole.cli("run", "-y", "-q")
    whole.assert_whole(JOBS)
    assert (last.returncode, last.stdout.split(";")[0]) == (0, f"0 made, {JOBS} reused, 0 failed, 0 waiting")
    whole.assert_paid_once(JOBS)
