"""kill -9 at every effect of a whole campaign, by the real command line in real processes; then it is run again.

The points are those that undisturbed runs went through: each commit, fsync, rename, link, request and download, right
before and right after it. None is sampled.
"""

import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from queue import SimpleQueue
from subprocess import DEVNULL

import pytest
from crash import KILLED, Children
from random_faults import Failing, PowerCut, end_process
from scenario import CHAIN, Stage, many

from kling_pipe.emulator.testing import running

JOBS = 3
RUN = ("run", "-y", "-q")
PARTS, WORKERS = 2, 2
"""The points are dealt to so many tests, which may run at once, with so many processes each."""


@dataclass(frozen=True)
class Bay:
    """A Kling and a fork server: where one point after the other is tried."""

    children: Children
    kling: object

    def fresh(self, folder):
        stage = Stage(self.kling, folder).write(CHAIN)
        stage.reset()
        return stage

    def record(self, folder):
        """An undisturbed run: its effects, and the units that Kling billed for it."""
        stage = self.fresh(folder)
        ended = self.children.run(stage, *RUN)
        assert ended.code == 0, ended.out
        # Nothing goes round the seam: no rename or link without it, and as many requests as Kling counted.
        assert ended.loose == []
        kinds = stage.ledger()["requests"]["kinds"]
        sent = [ended.seen.count(f"before send {name}") for name in ("POST", "GET", "download")]
        assert sent == [kinds["create"], kinds["get"] + kinds.get("list", 0), kinds["download"]]
        stage.assert_whole(JOBS)
        return ended.seen, stage.assert_paid_once(JOBS)

    def crash(self, folder, point, units):
        """Killed at one point, then run again as a user would: what is wrong afterwards, or ""."""
        stage = self.fresh(folder)
        killed = self.children.run(stage, *RUN, crash_at=point)
        again = self.children.run(stage, *RUN)
        try:
            assert killed.code == KILLED
            assert again.code == 0, again.out
            assert stage.assert_paid_once(JOBS) == units
            stage.assert_whole(JOBS)
            assert list(stage.root.rglob("*.part")) == []
        except AssertionError as error:
            return f"point {point}: {error}"
        return ""


@contextmanager
def bays(folder, count):
    with ExitStack() as stack:
        queue = SimpleQueue()
        for number in range(count):
            kling = stack.enter_context(running(folder / f"kling{number}", media="tiny", task_seconds=0.02))
            queue.put(Bay(stack.enter_context(Children()), kling))
        yield queue


@pytest.mark.timeout(300)
@pytest.mark.parametrize("part", range(PARTS))
def test_a_kill_at_every_effect_costs_nothing_and_loses_nothing(tmp_path, part):
    """0 tasks twice, 0 lost, the units of a run without a kill, and every file right by its checksum."""
    with bays(tmp_path, WORKERS) as free, ThreadPoolExecutor(WORKERS) as pool:
        bay = free.get()
        runs = [bay.record(tmp_path / name) for name in ("first", "second")]
        free.put(bay)
        seen, units = min(runs, key=lambda run: len(run[0]))

        def trial(point):
            bay = free.get()
            try:
                return bay.crash(tmp_path / str(point), point, units)
            finally:
                free.put(bay)

        wrong = [one for one in pool.map(trial, range(1 + part, len(seen) + 1, PARTS)) if one]

    assert wrong == []
    effects = ("commit", "fsync", "replace", "link", "send POST", "send GET", "send download")
    assert {f"{phase} {effect}" for effect in effects for phase in ("before", "after")} == set(seen)


def test_a_campaign_that_is_killed_again_and_again_is_made_once(picture):
    """Twenty-four pictures at once, killed when Kling has 1, 8 and 16 of them, then finished."""
    picture.write(many(24))
    for count in (1, 8, 16):
        run = picture.process(*RUN, stdout=DEVNULL, stderr=DEVNULL)
        while picture.ledger()["tasks"] < count and run.poll() is None:
            time.sleep(0.01)
        run.kill()
        run.wait(timeout=10)
    assert picture.run().exit_code == 0
    picture.assert_paid_once(24)
    picture.assert_whole(24)


def test_files_that_come_back_are_whole_wherever_the_power_fails(chain):
    """Lock and ledger say made, the folder is gone, and each effect of fetching it again may be the last one."""
    chain.run()
    seams, cut_at, is_cut = chain.seams, 0, True
    while is_cut:
        cut_at, is_cut = cut_at + 1, False
        shutil.rmtree(chain.root / "out")
        chain.seams = replace(seams, effects=Failing(cut_at))
        try:
            chain.run()
        except PowerCut:
            is_cut = True
            end_process(chain)
        chain.seams = seams
        assert chain.run().exit_code == 0
        chain.assert_whole(JOBS)
    chain.assert_paid_once(JOBS)
    assert cut_at > 4
