"""Two accounts and two machines in the rain: keys die and come back, packs run empty, plans grow old."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar

from crash import Children
from random_faults import CAMPAIGN, JOBS, UNITS, Failing, PowerCut, Storm, end_process
from two_accounts import Pair

from kling_pipe import api
from kling_pipe.errors import KlingPipeError
from kling_pipe.model import Plan

MORE = 6
"""Pictures that follow nobody: their homes are in both accounts."""

CODES = (1000, 1002, 1002, 1101, 1102, 1102, 1103, 1304)


@dataclass
class PairStorm(Storm):
    """`stage` is a `Pair`, the one of the `machines` that moves; `kept` are plans that they made some moves ago."""

    children: Children | None = None
    machines: list[Pair] = field(default_factory=list)
    kept: dict[Path, Plan] = field(default_factory=dict)
    campaign: ClassVar[str] = CAMPAIGN.replace(
        "videos:\n  film", "".join(f"  i{n}: {{ prompt: picture {n} }}\n" for n in range(MORE)) + "videos:\n  film"
    )
    jobs: ClassVar[int] = JOBS + MORE
    units: ClassVar[Mapping[str, float]] = {**UNITS, "image": UNITS["image"] + 8.0 * MORE}

    def begin(self) -> None:
        super().begin()
        first = self.stage
        other = replace(first, order=tuple(reversed(first.order)))
        self.machines = [first, other.elsewhere(first.root.parent / "machine")]
        for machine in reversed(self.machines):
            self.stage = machine
            self.plan()

    def forecast(self, chance: random.Random) -> list[dict]:
        general = super().forecast(chance)[: chance.randint(0, 2)]
        return [*(trouble(chance) for _ in range(chance.choice((0, 1, 1, 2)))), *general]

    def move(self, chance: random.Random) -> None:
        self.stage = chance.choice(self.machines)
        self.stage.settings = replace(self.stage.settings, jobs=chance.choice((None, None, 1, 2)))
        cut_at, kind = chance.choice((0, 0, chance.randint(1, 120))), chance.random()
        old = self.kept.pop(self.stage.root, None) if kind < 0.5 else None
        if old is not None:
            self.carry_out(old, cut_at)
        elif kind < 0.3:
            self.plan()
        elif kind > 0.9:
            self.kill(chance.randint(1, 160))
        else:
            self.run(cut_at)

    def plan(self) -> None:
        self.log.append(f"plan in {self.stage.root.name}")
        try:
            self.kept[self.stage.root] = self.stage.plan()
        except KlingPipeError as error:
            self.log.append(f"no plan: {error}")

    def run(self, cut_at: int = 0) -> None:
        self.log.append(f"in {self.stage.root.name}:")
        super().run(cut_at)

    def carry_out(self, plan: Plan, cut_at: int) -> None:
        """What the machine planned some moves ago; the other one may have done it since."""
        self.log.append(f"old plan in {self.stage.root.name} {cut_at}")
        seams = replace(self.stage.seams, effects=Failing(cut_at)) if cut_at else self.stage.seams
        try:
            api.run(plan, self.stage.workspace, settings=self.stage.settings, seams=seams)
        except (KlingPipeError, PowerCut):
            pass
        finally:
            end_process(self.stage)
        self.check()

    def kill(self, crash_at: int) -> None:
        self.log.append(f"in {self.stage.root.name}: kill -9 at {crash_at}")
        self.children.run(self.stage, "run", "-y", "-q", "--timeout", "2", crash_at=crash_at)
        self.check()

    def lose(self, what: str) -> None:
        super().lose(what)
        if what == "all":
            self.kept.pop(self.stage.root, None)

    def clear_up(self) -> None:
        """The sun comes out: each machine ends with everything, and each job has one task, in one account."""
        self.stage.faults()
        for machine in self.machines:
            result = machine.run()
            assert (result.failed, result.waiting) == (0, 0), (self.log, [one.message for one in result.outcomes])
        assert self.stage.assert_paid_once(self.jobs) == self.units, self.log
        for machine in self.machines:
            machine.assert_whole(self.jobs)


def trouble(chance: random.Random) -> dict:
    """What befalls one account: all the time, now and then, or from some request on and until some other."""
    scope = chance.choice(({}, {}, {"method": "POST"}, {"method": "GET"}))
    match = {"account": chance.choice(("main", "second")), **scope}
    if chance.random() < 0.4:
        first = chance.randint(1, 20)
        match["nth"] = list(range(first, first + chance.randint(1, 40)))
    refusals = [{"fault": "error", "code": code} for code in CODES]
    fault = chance.choice([*refusals, {"fault": "bad_gateway", "http": 403}, {"fault": "reset_before"}])
    return {**fault, "match": match, "probability": chance.choice((0.3, 1.0, 1.0)), "seed": chance.randint(0, 999)}
