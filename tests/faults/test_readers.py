"""Whoever reads a run's output may go away: the run goes on, and ends with its own exit code."""

import json
import os
import subprocess
import sys

from scenario import ROOT, many


def test_a_run_whose_reader_is_gone_makes_everything(chain):
    """`run --json | head -1`: the first line is read, the rest is work."""
    process = chain.process("run", "-y", "--json", bufsize=0)
    first = json.loads(process.stdout.readline())
    process.stdout.close()
    told = process.stderr.read()
    process.stderr.close()

    assert (process.wait(timeout=30), first["type"], told) == (0, "planned", "")
    chain.assert_paid_once(3)
    chain.assert_whole(3)


def test_its_exit_code_says_how_it_ended_though_nobody_reads_it(picture):
    """`run 2>&1 | head -1` of a campaign in which a job fails is exit 1, as without the pipe."""
    picture.write(many(2))
    picture.faults({"fault": "error", "code": 1301, "http": 400, "match": {"method": "POST"}, "times": 1})
    process = picture.process("run", "-y", stderr=subprocess.STDOUT)
    process.stdout.readline()
    process.stdout.close()

    assert process.wait(timeout=30) == 1
    assert sorted("outputs" in block for block in picture.blocks().values()) == [False, True]


def test_a_run_without_any_streams_works(picture):
    """Started with `>&- 2>&-`, as some supervisors do: no socket gets the number of stdout."""
    words = ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", sys.executable, "-m", "kling_pipe", "run", "-y"]
    environ = {**os.environ, **picture.environ, "PYTHONPATH": str(ROOT)}

    done = subprocess.run(words, cwd=picture.root, env=environ, timeout=30, check=False)

    assert done.returncode == 0
    picture.assert_whole(1)
