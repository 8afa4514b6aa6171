"""Random weather over a campaign: what may happen to it, and what must hold whatever happened."""

from __future__ import annotations

import asyncio
import contextlib
import random
import shutil
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar

from scenario import HEAD, Stage

from kling_pipe.errors import KlingPipeError
from kling_pipe.storage.effects import Effects

CAMPAIGN = (
    HEAD
    + """\
elements:
  hana:
    element_name: Hana
    element_description: Young tea farmer
    reference_type: image_refer
    frontal: https://example.com/front.png
    views: [https://example.com/left.png]
images:
  key: { prompt: "{{ element.hana }} on a hill", retries: 1 }
  other: { prompt: a kettle, takes: 2 }
videos:
  film: { first_frame: image.key, prompt: the mist lifts }
"""
)
JOBS = 5
UNITS = {"image": 24.0, "video": 1.8}

POST, ANY = {"method": "POST"}, {}
FAULTS = (
    {"fault": "answer_lost", "match": POST},
    {"fault": "answer_lost", "match": ANY},
    {"fault": "reset_before", "match": POST},
    {"fault": "reset_before", "match": ANY},
    {"fault": "reset_during", "match": POST},
    {"fault": "reset_during", "match": ANY},
    *(
        {"fault": fault, "match": POST, "created": created}
        for fault in ("internal_error", "unavailable", "internal_timeout", "bad_gateway")
        for created in (True, False)
    ),
    {"fault": "timeout", "seconds": 0.05, "created": True, "match": POST},
    {"fault": "timeout", "seconds": 0.05, "created": False, "match": POST},
    {"fault": "unavailable", "match": {"method": "GET"}},
    {"fault": "bad_gateway", "match": {"method": "GET"}},
    {"fault": "rate_limited", "match": ANY},
    {"fault": "rate_limited", "http": 200, "match": POST},
    {"fault": "over_limit", "match": POST, "times": 1},  # its cool-down is real time
    {"fault": "over_limit", "http": 200, "match": POST, "times": 1},
    {"fault": "token_expired", "match": ANY},
    {"fault": "expired_url"},
    {"fault": "truncated"},
    {"fault": "slow", "seconds": 0.1},
    {"fault": "invisible", "seconds": 0.15},
)
"""All that Kling may do, but a failed task and an id that it takes twice."""


class PowerCut(BaseException):
    """The process is gone: no handler may tidy up."""


class Failing(Effects):
    """Ends everything at the n-th effect and lets no later one through."""

    def __init__(self, at: int) -> None:
        self.left = at

    def observe(self, name: str, phase: str) -> None:
        self.left -= 1
        if self.left <= 0:
            raise PowerCut


async def brief(seconds: float) -> None:
    """A wait of a tenth, and never long."""
    await asyncio.sleep(min(0.2, seconds / 10))


@dataclass
class Storm:
    """A campaign in the rain. `log` is what happened so far; `jobs` and `units` are what all of it is and costs."""

    stage: Stage
    log: list[str] = field(default_factory=list)
    campaign: ClassVar[str] = CAMPAIGN
    jobs: ClassVar[int] = JOBS
    units: ClassVar[Mapping[str, float]] = UNITS

    def begin(self) -> None:
        self.stage.reset()
        self.stage.write(self.campaign)
        self.stage.settings = replace(self.stage.settings, settle=0.2, patience=1.5)
        self.stage.seams = replace(self.stage.seams, sleep=brief)

    def weather(self, rules: list[dict]) -> None:
        self.log.append(f"weather {rules}")
        self.stage.faults(*rules)

    def forecast(self, chance: random.Random) -> list[dict]:
        """What the weather will be."""
        return weather(chance)

    def move(self, chance: random.Random) -> None:
        """What the user does next."""
        self.run(cut_at=chance.choice((0, 0, chance.randint(1, 90))))

    def run(self, cut_at: int = 0) -> None:
        """A run that may end in any way; with `cut_at` the power fails at that effect."""
        self.log.append(f"run {cut_at}")
        stage = replace(self.stage, events=[])
        if cut_at:
            stage.seams = replace(stage.seams, effects=Failing(cut_at))
        try:
            self.work(stage)
        except (KlingPipeError, PowerCut):
            pass
        finally:
            end_process(self.stage)
        self.check()

    def work(self, stage: Stage) -> None:
        """What a run is here; `stage` has the effects that may fail."""
        stage.run()

    def lose(self, what: str) -> None:
        """Files, the lock, the ledger, or everything but the manifest goes."""
        self.log.append(f"lose {what}")
        workspace = self.stage.workspace
        if what in ("lock", "all"):
            workspace.lock_path.unlink(missing_ok=True)
        if what in ("ledger", "all"):
            shutil.rmtree(workspace.state, ignore_errors=True)
        if what in ("files", "all"):
            shutil.rmtree(self.stage.root / "out", ignore_errors=True)

    def check(self) -> None:
        """No id twice, nothing billed that was not asked for."""
        ledger = self.stage.ledger()
        assert {name: count for name, count in ledger["creates"].items() if count != 1} == {}, self.log
        assert len(ledger["creates"]) <= self.jobs, self.log
        assert all(units <= self.units[pack] for pack, units in ledger["units"].items()), self.log

    def clear_up(self) -> None:
        """The sun comes out: one quiet run makes the rest, and everything is there exactly once."""
        self.stage.faults()
        result = self.stage.run()
        assert (result.failed, result.waiting) == (0, 0), (self.log, [one.message for one in result.outcomes])
        assert self.stage.assert_paid_once(self.jobs) == self.units, self.log
        self.stage.assert_whole(self.jobs)


def end_process(stage: Stage) -> None:
    """What the end of a process does to its claims; here it lives on."""
    path = stage.workspace.ledger_path
    if path.exists():
        connection = sqlite3.connect(path)
        with contextlib.suppress(sqlite3.OperationalError), connection:
            connection.execute("DELETE FROM processes")
        connection.close()


def weather(chance: random.Random) -> list[dict]:
    """Some faults, each striking now and then."""
    chosen = chance.sample(FAULTS, chance.randint(0, 4))
    return [{**rule, "probability": chance.choice((0.2, 0.5)), "seed": chance.randint(0, 999)} for rule in chosen]


def play(storm: Storm, seed: int, moves: int) -> None:
    """A whole story from a seed."""
    chance = random.Random(seed)
    storm.begin()
    for _ in range(moves):
        storm.weather(storm.forecast(chance))
        storm.move(chance)
        if chance.random() < 0.3:
            storm.lose(chance.choice(("files", "lock", "ledger", "all")))
    storm.clear_up()
