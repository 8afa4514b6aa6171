"""Storms over more than plain runs: few slots, other verbs beside them, callbacks, a bucket, both standards, drafts."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import random
import socket
import threading
import urllib.request
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from crash import Children
from random_faults import JOBS, Storm
from scenario import Stage

from kling_pipe import api
from kling_pipe.engine.commands import adopt
from kling_pipe.errors import KlingPipeError
from kling_pipe.storage.outputs.bucket import opened


@dataclass
class NarrowStorm(Storm):
    """`-j 1` and `-j 2`: who waits for a slot while faults strike, and who has it when the power fails."""

    def move(self, chance: random.Random) -> None:
        self.stage.settings = replace(self.stage.settings, jobs=chance.choice((1, 2)))
        self.log.append(f"-j {self.stage.settings.jobs}")
        super().move(chance)


_one_at_a_time = threading.Lock()
"""A fork server takes one order after the other."""


class Watching(list):
    """In place of a stage's events: calls somebody with each."""

    def __init__(self, told: Any) -> None:
        super().__init__()
        self.append = told


@dataclass
class CallbackStorm(Storm):
    """Kling calls back: calls are lost and doubled, and somebody forges others as soon as a task is known."""

    def begin(self) -> None:
        super().begin()
        with socket.socket() as one:
            one.bind(("127.0.0.1", 0))
            where = f"127.0.0.1:{one.getsockname()[1]}"
        self.stage.settings = replace(self.stage.settings, callback_url=f"http://{where}/", callback_listen=where)

    def forecast(self, chance: random.Random) -> list[dict]:
        wanted = chance.sample(("callback_lost", "callback_doubled"), chance.randint(0, 2))
        calls = [{"fault": one, "probability": 0.5, "seed": chance.randint(0, 999)} for one in wanted]
        return [*calls, *super().forecast(chance)]

    def work(self, stage: Stage) -> None:
        forgers: list[threading.Thread] = []

        def forge(event: Any) -> None:
            if task := event.data.get("task_id"):
                forgers.append(threading.Thread(target=self._call, args=(task,)))
                forgers[-1].start()

        try:
            replace(stage, events=Watching(forge)).run()
        finally:
            for one in forgers:
                one.join()

    def _call(self, task: str) -> None:
        for status in ("failed", "succeed", "gone"):
            body = json.dumps({"task_id": task, "task_status": status, "task_result": {}}).encode()
            with contextlib.suppress(OSError):
                urllib.request.urlopen(self.stage.settings.callback_url, body, timeout=2).close()


@dataclass
class AdoptStorm(Storm):
    """Somebody adopts while a run works: the job's own task, that of another job, or one that was made by hand.

    In this process from another thread, and by the command line; what is refused is refused.
    """

    stranger: ClassVar[str] = "by-hand"
    images: ClassVar[tuple[str, ...]] = ("image.key", "image.other", "image.other#2")
    wanted: list[tuple[str, int, bool]] = field(default_factory=list)

    def begin(self) -> None:
        super().begin()
        self._by_hand()

    def _by_hand(self) -> None:
        """A picture that no pipeline made."""
        body = {"model_name": "kling-v3-omni", "prompt": "a cup", "external_task_id": self.stranger}
        request = urllib.request.Request(
            f"{self.stage.running.base_url}/v1/images/omni-image", json.dumps(body).encode()
        )
        request.add_header("Content-Type", "application/json")
        request.add_header("Authorization", f"Bearer {self.stage.running.api_key}")
        urllib.request.urlopen(request, timeout=5).close()

    def move(self, chance: random.Random) -> None:
        whose = [chance.randint(0, 3) for _ in range(chance.randint(1, 3))]
        self.wanted = [(chance.choice(self.images), one, chance.random() < 0.2) for one in whose]
        self.log.append(f"adopt {self.wanted}")
        super().move(chance)

    def work(self, stage: Stage) -> None:
        racing: list[threading.Thread] = []

        def race(event: Any) -> None:
            if event.type in ("submitted", "adopted", "saved") and self.wanted:
                racing.append(threading.Thread(target=self._adopt, args=self.wanted.pop()))
                racing[-1].start()

        try:
            replace(stage, events=Watching(race)).run()
        finally:
            for one in racing:
                one.join()

    def _adopt(self, address: str, whose: int, from_outside: bool) -> None:
        jobs = {job.address: job for job in api.load(self.stage.root / "kling-pipe.yaml").jobs}
        names = [self.stranger, *(name for name in self.stage.ledger()["creates"] if name != self.stranger)]
        name = names[min(whose, len(names) - 1)]
        if from_outside:
            with _one_at_a_time:
                told = self.stage.cli("adopt", address, name)
            self.log.append(f"adopt {address} {name}: {told.returncode} {told.stderr}")
            return
        with contextlib.suppress(KlingPipeError):
            asyncio.run(adopt(jobs[address], name, self.stage.workspace, seams=self.stage.seams))
            self.log.append(f"adopted {address} {name}")

    def check(self) -> None:
        """What was made by hand is nobody's create; a job that was given another's task needs none of its own."""
        creates = dict(self.stage.ledger()["creates"])
        creates.pop(self.stranger)
        assert set(creates.values()) <= {1}, self.log
        assert len(creates) <= JOBS, self.log

    def clear_up(self) -> None:
        self.stage.faults()
        result = self.stage.run()
        assert (result.failed, result.waiting) == (0, 0), (self.log, [one.message for one in result.outcomes])
        self.check()
        self.stage.assert_whole(JOBS)
        posts = self.stage.posts
        assert self.stage.run().reused == JOBS, self.log
        assert self.stage.posts == posts


BUCKET = "s3://results/storm"


@dataclass
class Away(Stage):
    """A campaign whose results are in a bucket."""

    @property
    def workspace(self):
        return Stage.workspace.fget(self).kept_in(BUCKET)

    def assert_whole(self, jobs: int) -> None:
        blocks, bucket = self.blocks(), opened(BUCKET)
        assert len(blocks) == jobs
        for output in (output for block in blocks.values() for output in block["outputs"] if "path" in output):
            name = output["path"].removeprefix(f"{BUCKET}/")
            assert hashlib.sha256(bytes(bucket.get(name).bytes())).hexdigest() == output["sha256"], name
            assert json.loads(bytes(bucket.get(f"{name}.json").bytes()))


@dataclass
class BucketStorm(Storm):
    """Files live in a bucket, which may be emptied."""

    def begin(self) -> None:
        super().begin()
        self._empty()

    def lose(self, what: str) -> None:
        super().lose(what)
        if what in ("files", "all"):
            self._empty()

    def _empty(self) -> None:
        bucket = opened(BUCKET)
        for page in bucket.list():
            bucket.delete([one["path"] for one in page])


@dataclass
class StandardStorm(Storm):
    """`stage` speaks one of the vendor's standards at a time, with an API key."""

    def move(self, chance: random.Random) -> None:
        self.stage = self.stage.spoken(chance.choice(("v1", "v2")))
        self.log.append(self.stage.standard)
        super().move(chance)


@dataclass
class PromoteStorm(Storm):
    """Drafts, of which one film is promoted, by the command line, which may be killed."""

    children: Children | None = None
    film: ClassVar[str] = "video.film"
    finals: ClassVar[tuple[str, ...]] = ("element.hana", "image.key", "video.film")
    campaign: ClassVar[str] = Storm.campaign.replace("mode: std", "mode: pro") + (
        "profiles:\n  draft:\n    videos: { mode: std }\n"
    )

    def begin(self) -> None:
        super().begin()

    def move(self, chance: random.Random) -> None:
        words = chance.choice(
            (("run", "--profile", "draft"), ("promote", "-s", self.film), ("promote", "-s", self.film))
        )
        crash_at = chance.choice((0, chance.randint(1, 90)))
        self.log.append(f"{words} {crash_at}")
        self.children.run(self.stage, *words, "-y", "-q", "--timeout", "2", crash_at=crash_at)
        self.check()

    def check(self) -> None:
        creates = self.stage.ledger()["creates"]
        assert set(creates.values()) <= {1}, self.log
        assert len(creates) <= JOBS + 1, self.log

    def clear_up(self) -> None:
        """Drafts first, then the film: one more task than there are jobs, and the final one knows its draft."""
        self.stage.faults()
        for words in (("run", "--profile", "draft"), ("promote", "-s", self.film)):
            ended = self.children.run(self.stage, *words, "-y", "-q")
            assert ended.code == 0, (self.log, ended.out)
        assert self.stage.assert_paid_once(JOBS + 1)["image"] == self.units["image"], self.log
        blocks = self.stage.blocks()
        # What is in place in the final folder, and in the lock for the drafts, need not stand there twice.
        assert {self.film} <= {name for name in blocks if "%" not in name} <= set(self.finals), self.log
        assert (self.stage.root / "out" / "image" / "key.png").is_file(), self.log
        self.stage.assert_whole(len(blocks))
        assert blocks[self.film]["draft"] == blocks[f"{self.film}%draft"]["external_task_id"]
