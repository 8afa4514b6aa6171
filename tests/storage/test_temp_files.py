"""What a killed process left half written goes; what somebody may still be writing stays."""

import os
import subprocess
import sys
import time

import pytest

from kling_pipe.storage.temp_files import lives, part_of, sweep

NEVER = 2**22 + 1
"""A process number that Linux does not give."""


def left(folder, name="film.mp4", *, pid=NEVER, place=""):
    """A part of a process; of this machine unless `place` says."""
    mine = part_of(folder / name).name
    _, _, tail = mine.rpartition(f".{os.getpid()}-")
    path = folder / f"{name}.{pid}-{place or tail[:6]}{tail[6:]}"
    path.write_bytes(b"half a fi")
    return path


def test_a_part_of_a_process_that_is_gone_is_removed_and_nothing_below(tmp_path):
    """From the folders that are named, and from no others."""
    below = tmp_path / "below"
    below.mkdir()
    gone, kept = left(tmp_path), left(below)

    assert sweep([tmp_path, tmp_path / "absent"]) == [gone]

    assert not gone.exists()
    assert kept.exists()


def test_what_is_not_ours_is_left_alone(tmp_path):
    """A browser's download, a part of another tool, a folder with such a name."""
    for name in ("film.part", "film.mp4.4711.part", "4711-abcdef-0.part", f"film.{NEVER}-abcdeg-0.part"):
        (tmp_path / name).write_bytes(b"x")
    left(tmp_path).rename(tmp_path / "spare")
    folder = left(tmp_path)
    folder.unlink()
    folder.mkdir()

    assert sweep([tmp_path]) == []


def test_two_runs_at_once_leave_each_other_alone(tmp_path):
    """A part whose process lives stays: ours, and that of another process until it ends."""
    code = "import sys; from pathlib import Path\n"
    code += f"from kling_pipe.storage.temp_files import part_of; part = part_of(Path({str(tmp_path)!r}, 'film.mp4'))\n"
    code += "part.write_bytes(b'half'); print('there', flush=True); sys.stdin.read()"
    mine = part_of(tmp_path / "mine.mp4")
    mine.write_bytes(b"half")
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"there\n"
        assert sweep([tmp_path]) == []
        other.kill()
    assert [path.name.startswith("film.mp4.") for path in sweep([tmp_path])] == [True]
    assert mine.exists()


@pytest.mark.parametrize("place", ["000000", ""], ids=["another-machine", "a-number-in-use-again"])
def test_what_cannot_be_known_goes_after_a_day(tmp_path, place):
    """Not before: a machine that shares the folder may be at work."""
    part = left(tmp_path, pid=os.getpid(), place=place)
    tomorrow = time.time() + 86_500

    assert sweep([tmp_path]) == []
    assert sweep([tmp_path], now=tomorrow) == [part]


def test_names_differ_and_lie_beside_their_target(tmp_path):
    """Two threads that write the same file do not meet."""
    one, two = part_of(tmp_path / "a.mp4"), part_of(tmp_path / "a.mp4")

    assert one != two
    assert {one.parent, two.parent} == {tmp_path}
    assert lives(os.getpid())
