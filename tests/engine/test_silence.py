"""A process that was stopped, or slept with its machine, counts as gone: what others took over is theirs to count."""

import asyncio
import time
from dataclasses import fields
from typing import ClassVar

from campaigns import image

from kling_pipe.engine.run import run
from kling_pipe.ledger import SqliteStore
from kling_pipe.workspace import Workspace


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
