"""A process that was stopped, or slept with its machine, counts as gone: what others took over is theirs to count."""

import asyncio
import time
from dataclasses import fields, replace
from typing import ClassVar

from campaigns import image

from kling_pipe.engine.commands import run
from kling_pipe.engine.pause_detection import elapsed
from kling_pipe.engine.workspace import Workspace
from kling_pipe.storage.effects import Effects
from kling_pipe.storage.ledger import SqliteStore


class Asleep(Workspace):
    """A campaign whose ledgers are on a clock that can be turned."""

    turned: ClassVar = [0.0]

    @classmethod
    def clock(cls):
        return time.time() + cls.turned[0]

    def store(self, effects=None):
        return SqliteStore(self.ledger_path, self.account, effects=effects, clock=self.clock)


def test_tasks_that_another_process_has_taken_over_are_its_to_count(bench):
    """Two of three; the third one is still ours, and every file is saved here all the same."""
    bench.clock(mode="manual")
    plan = bench.offline([image(f"i{n}", f"p {n}") for n in range(3)])
    workspace = Asleep(**{one.name: getattr(bench.workspace, one.name) for one in fields(Workspace)})
    Asleep.turned[0] = 0.0
    other = workspace.store()

    async def work():
        running = asyncio.create_task(run(plan, workspace, settings=bench.settings, seams=bench.seams))
        async with asyncio.timeout(20):
            while [one.state for one in other.records().all()] != ["submitted"] * 3:
                await asyncio.sleep(0.02)
        Asleep.turned[0] = 21.0
        names = sorted(one.external_task_id for one in other.records().all())
        assert [other.claim(name, {}) for name in names[:2]] == [True, True]
        bench.clock(mode="real")
        return await running

    result = asyncio.run(work())
    other.close()
    assert (result.made, result.reused, result.by_others, result.units) == (1, 2, 2, {"image": 8.0})
    assert all(bench.path(f"out/image/i{n}.png").exists() for n in range(3))


class Dozing(Effects):
    """Sleeps for 21 s right before the first byte of a create; another process takes the task over meanwhile."""

    def __init__(self, other):
        self.other = other

    def observe(self, name, phase):
        if (name, phase) == ("send POST", "before") and not Asleep.turned[0]:
            Asleep.turned[0] = 21.0
            [record] = self.other.records().all()
            assert self.other.claim(record.external_task_id, {})


def test_a_create_that_another_process_has_taken_over_is_not_sent_from_here(bench):
    """It is followed as long as the other one works on it, and sent once when that gave it back."""
    plan = bench.offline([image("kite")])
    workspace = Asleep(**{one.name: getattr(bench.workspace, one.name) for one in fields(Workspace)})
    Asleep.turned[0] = 0.0
    other = workspace.store()
    sleeps = []

    async def sleep(seconds):
        sleeps.append(bench.creates())
        if len(sleeps) == 3:
            other.release(other.records().all()[0].external_task_id)
            other.beat()
        await asyncio.sleep(0)

    seams = replace(bench.seams, effects=Dozing(other), sleep=sleep, elapsed=lambda: elapsed() + Asleep.turned[0])
    result = asyncio.run(run(plan, workspace, settings=bench.settings, seams=seams))
    other.close()
    assert (result.made, sleeps[:3]) == (1, [{}, {}, {}])
    assert list(bench.creates().values()) == [1]
