"""The ideal: a list schedule of the very durations, with no overhead at all. Not the simulation that predicts a run."""

from __future__ import annotations

import heapq
from collections import defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Load:
    """One task: how long it takes, which pool it holds slots of ("" for none), what must end before, how many slots."""

    name: str
    seconds: float
    pool: str = ""
    needs: tuple[str, ...] = ()
    weight: int = 1


def makespan(loads: Sequence[Load], slots: Mapping[str, float]) -> float:
    """Seconds until all are done when free slots go at once to the first in line that is ready.

    A pool that `slots` does not name has room for all. What is heavier than its whole pool goes alone.
    """
    waiting = {load.name: len(load.needs) for load in loads}
    children: defaultdict[str, list[int]] = defaultdict(list)
    for index, load in enumerate(loads):
        for need in load.needs:
            children[need].append(index)
    free: defaultdict[str, float] = defaultdict(lambda: float("inf"), slots)
    held = [min(load.weight, slots.get(load.pool, load.weight)) for load in loads]
    queues: defaultdict[str, deque[int]] = defaultdict(deque)
    running: list[tuple[float, int]] = []
    now = 0.0

    def admit(ready: Iterable[int]) -> None:
        for index in ready:
            queues[loads[index].pool].append(index)
        for pool, queue in queues.items():
            while queue and free[pool] >= held[queue[0]]:
                index = queue.popleft()
                free[pool] -= held[index]
                heapq.heappush(running, (now + loads[index].seconds, index))

    admit(index for index, load in enumerate(loads) if not load.needs)
    while running:
        now, index = heapq.heappop(running)
        free[loads[index].pool] += held[index]
        ready = []
        for child in children[loads[index].name]:
            waiting[loads[child].name] -= 1
            if not waiting[loads[child].name]:
                ready.append(child)
        admit(ready)
    return now


def longest_first(loads: Sequence[Load]) -> list[Load]:
    """The same line with the longest in front: what could be reached if every duration were known."""
    return sorted(loads, key=lambda load: -load.seconds)
