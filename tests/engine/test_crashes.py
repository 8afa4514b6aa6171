"""kill -9 at every effect of a run, in real processes; then a second run. Nothing twice, nothing lost."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kling_pipe.outputs.local import file_sha256

CHILD = Path(__file__).parent / "child.py"


def child(bench, campaign, *more, root=None):
    running = bench.running
    where = (str(root or bench.root), running.base_url, running.access_key, running.secret_key)
    return [sys.executable, str(CHILD), *where, campaign, *more]


def finished(command):
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, json.loads(done.stdout) if done.stdout else done.stderr


def fresh(bench, number):
    """A new folder and an emulator that remembers nothing."""
    import urllib.request

    request = urllib.request.Request(bench.running.base_url + "/_emulator/reset", data=b"", method="POST")
    urllib.request.urlopen(request, timeout=5).close()
    root = bench.root / str(number)
    root.mkdir()
    return bench.elsewhere(root)


def check_paid_once_and_whole(bench, jobs):
    """One create per job, units as without a kill, and every file as the lock says."""
    ledger = bench.ledger()
    assert len(ledger["creates"]) == jobs
    assert set(ledger["creates"].values()) == {1}
    for block in bench.workspace.read_lock().blocks.values():
        for output in block["outputs"]:
            assert file_sha256(bench.path(output["path"])) == output["sha256"]
            assert bench.path(output["path"] + ".json").exists()
    return ledger["units"]


def test_every_crash_point_of_one_job(bench):
    """The points are those that an undisturbed run went through, each of them is crashed at, none is sampled."""
    code, told = finished(child(fresh(bench, 0), "picture"))
    assert (code, told["made"]) == (0, 1)
    units = check_paid_once_and_whole(bench.elsewhere(bench.root / "0"), 1)
    points = len(told["seen"])
    assert {"before commit", "after send POST", "before fsync", "after replace", "before link"} <= set(told["seen"])
    for point in range(1, points + 1):
        here = fresh(bench, point)
        code, _ = finished(child(here, "picture", str(point)))
        assert code == -signal.SIGKILL, f"point {point} was not reached"
        code, told = finished(child(here, "picture"))
        assert code == 0, (point, told)
        assert check_paid_once_and_whole(here, 1) == units, point


def test_a_kill_in_the_middle_of_many_jobs(bench):
    """Twenty-four pictures, killed at three moments one after the other, then finished."""
    for moment in (0.5, 0.7, 0.9):
        running = subprocess.Popen(child(bench, "many"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(moment)
        running.kill()
        running.wait(timeout=10)
    code, told = finished(child(bench, "many"))
    assert code == 0, told
    check_paid_once_and_whole(bench, 24)


@pytest.mark.parametrize("count", [2, 4])
def test_runs_at_once_in_one_folder_make_everything_once(bench, count):
    """All end well, and between them each task was made once."""
    runs = [subprocess.Popen(child(bench, "many"), stdout=subprocess.PIPE, text=True) for _ in range(count)]
    told = [json.loads(run.communicate(timeout=60)[0]) for run in runs]
    assert [run.returncode for run in runs] == [0] * count, told
    check_paid_once_and_whole(bench, 24)


def test_runs_at_once_in_two_folders_make_everything_once(bench, tmp_path):
    """Nothing shared but the account: the ids are refused or found, and both get all files."""
    other = tmp_path / "other"
    other.mkdir()
    runs = [
        subprocess.Popen(child(bench, "many", root=root), stdout=subprocess.PIPE, text=True)
        for root in (bench.root, other)
    ]
    told = [json.loads(run.communicate(timeout=60)[0]) for run in runs]
    assert [run.returncode for run in runs] == [0, 0], told
    check_paid_once_and_whole(bench, 24)
    check_paid_once_and_whole(bench.elsewhere(other), 24)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_within_two_seconds_and_the_next_run_goes_on(bench, number):
    """Exit 130 with everything written down."""
    bench.clock(mode="manual")
    running = subprocess.Popen(child(bench, "many"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    running.stderr.readline()
    while not bench.ledger()["tasks"]:
        time.sleep(0.05)
    sent = time.monotonic()
    running.send_signal(number)
    out, _ = running.communicate(timeout=10)
    assert time.monotonic() - sent < 2
    assert (running.returncode, json.loads(out)["waiting"]) == (130, 24)
    bench.clock(mode="real")
    code, told = finished(child(bench, "many"))
    assert (code, told["failed"]) == (0, 0)
    check_paid_once_and_whole(bench, 24)
