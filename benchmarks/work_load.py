"""W1, W2, W4 and the real scale: a whole run against the ideal schedule and against hand-written clients."""

from __future__ import annotations

import importlib.util
import statistics
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from benchmarks import campaigns
from benchmarks.figures import Figure, number
from benchmarks.kling import Kling, served
from benchmarks.process import ROOT, Measured, kling_pipe, measured, python
from benchmarks.schedule import Load, longest_first, makespan
from kling_pipe.emulator import Options
from kling_pipe.emulator.task_durations import task_seconds

LIBRARIES = ("httpx", "httpx2", "aiohttp")
TOO_BUSY = 1.10
"""A baseline that is slower than this on W1 says that the machine had other work."""


@dataclass(frozen=True, slots=True)
class Work:
    """One such workload. `pause` is the hand-written client's poll interval; `goals` by the name of a figure."""

    name: str
    build: Callable[[Path, int, int], Path]
    count: int
    slots: int
    options: Mapping[str, Any]
    pause: float
    goals: Mapping[str, float] = field(default_factory=dict)
    longest_first: bool = False
    voids: bool = False

    def emulator(self) -> Options:
        """How the local Kling behaves."""
        slots = {"video": self.slots, "image": self.slots}
        return Options(media="tiny", media_bytes=65536, slots=slots, idle_exit=120, **self.options)


@dataclass(frozen=True, slots=True)
class Run:
    """One process of one client. `emulator` is the share of a core that the emulator used meanwhile."""

    process: Measured
    emulator: float
    ledger: Mapping[str, Any]


def measure(work: Work, folder: Path, repeats: int, libraries: tuple[str, ...] = LIBRARIES) -> Iterator[Figure]:
    """All figures of one workload. Clients take turns, so that a busy moment hits all."""
    home = folder / "campaign"
    home.mkdir()
    manifest = work.build(home, work.count, work.slots)
    forms = campaigns.write_tasks(manifest)
    loads = _loads(forms, work.emulator())
    slots = {"video": float(work.slots), "image": float(work.slots)}
    ideal = makespan(loads, slots)
    ours: list[Run] = []
    theirs: dict[str, list[Run]] = {name: [] for name in libraries if importlib.util.find_spec(name)}
    with served(work.emulator()) as kling:
        for _ in range(repeats):
            for library, runs in theirs.items():
                runs.append(_handwritten(library, work, home, kling))
            ours.append(_ours(home, kling, len(forms)))
    yield from _figures(work, ours, theirs, loads, ideal, len(forms))
    if work.longest_first:
        best = makespan(longest_first(loads), slots)
        yield Figure(work.name, "ideal with every duration known / ideal first come", best / ideal)


def _ours(home: Path, kling: Kling, count: int) -> Run:
    fresh(home)
    run = _run(kling_pipe("run", "-y", "-q"), home, kling)
    made = sum(run.ledger["creates"].values())
    if made != count or len(list((home / "out").rglob("*.mp4"))) != sum(name != "" for name in _films(home)):
        raise RuntimeError(f"{made} of {count} tasks were made")
    return run


def _films(home: Path) -> list[str]:
    import json

    forms = json.loads((home / "tasks.json").read_text(encoding="utf-8"))
    return [form["address"] for form in forms if form["kind"] == "video"]


def _handwritten(library: str, work: Work, home: Path, kling: Kling) -> Run:
    put_away(home / "script-out")
    command = python(
        "-m", "benchmarks.handwritten", library, "tasks.json", "script-out", str(work.slots), str(work.pause)
    )
    return _run(command, home, kling)


def _run(command: list[str], home: Path, kling: Kling) -> Run:
    kling.reset()
    used = kling.cpu()
    process = measured(command, home, kling.environ)
    share = (kling.cpu() - used) / process.wall
    return Run(process, share, kling.ledger())


def fresh(home: Path) -> None:
    """Forget what an earlier run left: ledger, lock and files."""
    for name in (".kling-pipe", "out", "kling-pipe.lock"):
        put_away(home / name)


def put_away(path: Path) -> None:
    """Out of the way, and deleted with all at the end: ext4 makes files slowly for a while after deletions."""
    if path.exists():
        path.rename(path.parent.parent / f"away-{uuid.uuid4().hex}")


def _loads(forms: list[dict[str, Any]], options: Options) -> list[Load]:
    return [
        Load(
            form["address"],
            task_seconds(form["kind"], form["external_task_id"], options, form["seconds"]),
            form["pool"],
            tuple(form["needs"]),
        )
        for form in forms
    ]


def _figures(
    work: Work, ours: list[Run], theirs: Mapping[str, list[Run]], loads: list[Load], ideal: float, count: int
) -> Iterator[Figure]:
    def middle(runs: list[Run], of: Callable[[Run], float]) -> float:
        return statistics.median(map(of, runs))

    def row(what: str, of: Callable[[Run], float], unit: str = "", *, at_least: bool = False) -> Figure:
        beside = ", ".join(f"{name} {number(middle(runs, of))}{unit}" for name, runs in theirs.items())
        return Figure(work.name, what, middle(ours, of), unit, work.goals.get(what), at_least, beside)

    ratio = row("wall / ideal", lambda run: run.process.wall / ideal)
    best = min((middle(runs, lambda run: run.process.wall / ideal) for runs in theirs.values()), default=0.0)
    void = f"; **void: the machine is too busy** (baseline over {TOO_BUSY})" if work.voids and best > TOO_BUSY else ""
    walls = [run.process.wall / ideal for run in ours]
    spread = f"{number(min(walls))} to {number(max(walls))}"
    beside = "; ".join(filter(None, (ratio.beside, f"ideal {number(ideal)} s", f"range {spread}"))) + void
    yield Figure(work.name, ratio.what, ratio.value, "", ratio.goal, beside=beside)
    yield row("utilisation", lambda run: _utilisation(run.ledger, work.slots), at_least=True)
    yield row("requests a job", lambda run: sum(run.ledger["requests"]["kinds"].values()) / count)
    yield row("CPU a job", lambda run: 1000 * run.process.cpu / count, " ms")
    busy = max(run.emulator for run in ours)
    limit = "**the emulator is the limit here**" if busy > 0.85 else ""
    yield Figure(work.name, "share of a core that the emulator used", busy, beside=limit)


def _utilisation(ledger: Mapping[str, Any], slots: int) -> float:
    """Slot time in use over slot time there was, from the first start to the last end, in the worst pool."""
    shares = []
    by_pool: dict[str, list[tuple[int, int]]] = {}
    for moment, pool, used in ledger["slots"]["samples"]:
        by_pool.setdefault(pool, []).append((moment, used))
    for samples in by_pool.values():
        area = sum(used * (later - moment) for (moment, used), (later, _) in pairwise(samples))
        shares.append(area / (slots * max(1, samples[-1][0] - samples[0][0])))
    return min(shares, default=0.0)


_ONE_SECOND = {"task_seconds": 1.0, "spread": 0.3}

LOADS = {
    "W1": Work(
        "W1", campaigns.by_matrix, 1000, 50, _ONE_SECOND, 0.015,
        {"wall / ideal": 1.07, "utilisation": 0.90, "requests a job": 2.5, "CPU a job": 3.0}, voids=True,
    ),
    "W2": Work("W2", campaigns.by_matrix, 5000, 500, _ONE_SECOND, 0.03, {"wall / ideal": 1.15}),
    "W4": Work("W4", campaigns.chains, 200, 20, _ONE_SECOND, 0.015, {"wall / ideal": 1.10}),
    "real": Work(
        "real", campaigns.by_matrix, 200, 50, {"per_clip_second": 2.0, "spread": 0.05, "latency": 0.15}, 0.3,
        {"wall / ideal": 1.0}, longest_first=True,
    ),
}  # fmt: skip

__all__ = ["LIBRARIES", "LOADS", "ROOT", "Work", "fresh", "measure"]
