"""`retry` and `--replace` in the rain: new attempts are made on purpose, and each of them once."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from dataclasses import dataclass, field

from random_faults import JOBS, POST, Storm
from scenario import Stage

from kling_pipe import api
from kling_pipe.core.keys import external_id
from kling_pipe.engine.commands import sync

REFUSALS = (1200, 1201, 1301)
FAILURES = ("Service busy, please try again later", "Failure to pass the risk control system", "nobody knows why")
REPLACEABLE = {
    "image.key": ("image.key",),
    "image.other": ("image.other", "image.other#2"),
    "image.other#2": ("image.other#2",),
    "video.film": ("video.film",),
}
"""What may be replaced, and which jobs that are."""


@dataclass
class VerbStorm(Storm):
    """A person retries what failed, and replaces what is made: `wishes` counts by address how often, `open` are those
    whose attempt is not in the lock yet, with the highest attempt when they were made.

    A command that is given again before the first one is done finishes it: so many tasks may a job have as it was
    wished for, and one more for each that failed at Kling.
    """

    wishes: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    open: dict[str, int] = field(default_factory=dict)
    options: dict[str, list[str]] = field(default_factory=dict)

    def forecast(self, chance: random.Random) -> list[dict]:
        troubles: list[dict] = [{"fault": "error", "code": code, "match": POST} for code in REFUSALS]
        troubles += [{"fault": "task_failure", "message": message} for message in FAILURES]
        chosen = chance.sample(troubles, chance.choice((0, 1, 1, 2)))
        mine = [{**one, "probability": chance.choice((0.3, 0.6)), "seed": chance.randint(0, 999)} for one in chosen]
        return [*super().forecast(chance), *mine]

    def move(self, chance: random.Random) -> None:
        kind = chance.random()
        self.options = {}
        if kind < 0.4:
            wanted = chance.choice([*self.open, *REPLACEABLE])
            for address in REPLACEABLE[wanted]:
                if address not in self.open:
                    self.wishes[address] += 1
                    self.open[address] = max(self.attempts()[address], default=0)
            self.options = {"replace": [wanted]}
        elif kind < 0.7:
            self.options = {"retry": ["state:failed"]}
        self.log.append(f"{self.options}")
        super().move(chance)

    def work(self, stage: Stage) -> None:
        stage.run(**self.options)

    def lose(self, what: str) -> None:
        super().lose(what)
        if not self.stage.workspace.lock_path.exists():
            self.open.clear()  # an empty machine cannot know that nobody saved what was replaced

    def attempts(self) -> dict[str, list[int]]:
        """The numbers of the attempts that Kling has tasks of, by address."""
        creates = self.stage.ledger()["creates"]
        found: dict[str, list[int]] = {}
        for job in api.load(self.stage.root / "kling-pipe.yaml").jobs:
            names = (external_id(job.project, job.key, job.take, number) for number in range(1, 30))
            found[job.address] = [number for number, name in enumerate(names, 1) if name in creates]
        return found

    def failed(self) -> dict[str, int]:
        """How many tasks of each job fail."""
        failing, found = set(self.stage.ledger()["failing"]), {}
        for job in api.load(self.stage.root / "kling-pipe.yaml").jobs:
            names = {external_id(job.project, job.key, job.take, number) for number in range(1, 30)}
            found[job.address] = len(names & failing)
        return found

    def check(self) -> None:
        creates, attempts, failed = self.stage.ledger()["creates"], self.attempts(), self.failed()
        assert set(creates.values()) <= {1}, self.log
        assert len(creates) == sum(map(len, attempts.values())), (self.log, creates)
        for address, numbers in attempts.items():
            assert numbers == list(range(1, len(numbers) + 1)), (self.log, address, numbers)
            most = 1 + failed[address] + self.wishes[address]
            assert len(numbers) <= most, (self.log, address, numbers, failed, dict(self.wishes))
        for address, before in list(self.open.items()):
            block = self.stage.blocks().get(address)
            if block is not None and "outputs" in block and block["attempt"] > before:
                del self.open[address]

    def clear_up(self) -> None:
        """The sun comes out: what failed is retried until nothing fails, and of each job the last result counts."""
        self.stage.faults()
        jobs = api.load(self.stage.root / "kling-pipe.yaml").jobs
        asyncio.run(sync(jobs, self.stage.workspace, seams=self.stage.seams))
        self.log.append("sync, run, retry")
        for options in ({}, {"retry": ["state:failed"]}, {}):
            result = self.stage.run(**options)
        assert (result.failed, result.waiting) == (0, 0), (self.log, [one.message for one in result.outcomes])
        self.check()
        self.stage.assert_whole(JOBS)
        failing = set(self.stage.ledger()["failing"])
        for job in jobs:
            names = [external_id(job.project, job.key, job.take, one) for one in self.attempts()[job.address]]
            made = [name for name in names if name not in failing]
            assert self.stage.blocks()[job.address]["external_task_id"] == made[-1], (self.log, job.address)
