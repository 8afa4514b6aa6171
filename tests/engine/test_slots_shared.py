"""Processes and one ledger: whatever they do in whatever order, never more than the limit, and all comes to an end."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from kling_pipe.engine.slots import Pool, SlotRequest, Slots


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


@dataclass(eq=False)
class Job:
    """`state`: waiting, granted, crowded (it found so and has not said it yet), under way, done."""

    at: "Side"
    weight: int
    state: str = "waiting"

    @property
    def want(self):
        return SlotRequest((("image", self.weight),))

    def ask(self):
        self.state = "waiting"
        self.at.slots.ask(self.want, self.granted)

    def granted(self):
        self.state = "granted"

    def step(self):
        """What `job_runner` does next with a job; between any two of these the other process may do something."""
        if self.state == "granted":
            self.at.slots.saw(self.at.held_by_others())
            self.state = "crowded" if self.at.slots.crowded(self.want) else "under way"
        elif self.state == "crowded":
            self.state = "waiting"
            self.at.slots.give_back(self.want)
            self.ask()


@dataclass(eq=False)
class Side:
    """One process: its slots, and its jobs with what the ledger says of them."""

    limit: int
    clock: Clock
    jobs: list = field(default_factory=list)

    def __post_init__(self):
        self.others = []
        self.slots = Slots(lambda _: Pool(self.limit, self.limit), others=self.held_by_others, clock=self.clock)

    def held_by_others(self):
        claimed = [job for side in self.others for job in side.jobs if job.state in ("crowded", "under way")]
        return {"image": sum(job.weight for job in claimed)}

    def end(self, job):
        job.state = "done"
        self.slots.release(job.want)


steps = st.lists(st.tuples(st.sampled_from(["ask", "step", "end", "tick"]), st.integers(0, 9)), max_size=60)


@settings(deadline=None)
@given(st.lists(st.integers(1, 9), min_size=2, max_size=3), steps)
def test_never_more_than_the_limit_and_all_comes_to_an_end(limits, steps):
    """A task that is heavier than the limit goes alone."""

    async def work():
        clock = Clock()
        sides = [Side(limit, clock) for limit in limits]
        for side in sides:
            side.others = [one for one in sides if one is not side]

        def alive(*states):
            return [job for side in sides for job in side.jobs if job.state in states]

        def check():
            running = alive("under way")
            assert sum(job.weight for job in running) <= max(limits) or len(running) == 1
            for side in sides:
                assert side.slots.pool("image").in_use >= 0

        def tick():
            clock.now += 0.6
            for side in sides:
                side.slots.grant()

        for word, number in steps:
            side = sides[number % len(sides)]
            if word == "ask":
                side.jobs.append(Job(side, 1 + number % 9))
                side.jobs[-1].ask()
            elif word == "tick":
                tick()
            elif found := alive(*(("under way",) if word == "end" else ("granted", "crowded"))):
                job = found[number % len(found)]
                job.at.end(job) if word == "end" else job.step()
            check()
        rounds = 0
        while alive("waiting", "granted", "crowded", "under way"):
            rounds += 1
            assert rounds < 500, Counter(job.state for side in sides for job in side.jobs)
            for job in alive("granted", "crowded"):
                job.step()
                check()
            for job in alive("under way"):
                job.at.end(job)
            tick()
        for side in sides:
            assert side.slots.pool("image").in_use == 0

    asyncio.run(work())
