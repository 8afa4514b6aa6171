"""FORECAST: what `plan` and `simulate` say before a run, against what the run then takes, for several shapes."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks import campaigns
from benchmarks.figures import Figure, number
from benchmarks.kling import Kling, served
from benchmarks.process import ProcessError, environment, kling_pipe, measured
from benchmarks.work_load import fresh
from kling_pipe.emulator import Options
from kling_pipe.engine.workspace import open_workspace

_POOLS = """\
version: 1
project: benchmark
limits: {{ video: {video}, image: {image} }}
defaults:
  images: {{ api: omni-image, model_name: kling-v3-omni, resolution: 1k, aspect_ratio: 16:9 }}
  videos: {{ api: omni-video, model_name: kling-v3-omni, mode: std, sound: off, aspect_ratio: 16:9 }}
images:
  sheet: {{ matrix: {{ row: [{rows}] }}, n: 3, prompt: "sheet {{{{ matrix.row }}}}" }}
  key: {{ matrix: {{ row: [{rows}] }}, prompt: "key {{{{ matrix.row }}}}" }}
videos:
  film: {{ matrix: {{ row: [{rows}] }}, duration: 5, first_frame: image.key, prompt: "film {{{{ matrix.row }}}}" }}
  alone: {{ matrix: {{ row: [{rows}] }}, duration: 10, prompt: "alone {{{{ matrix.row }}}}" }}
"""


@dataclass(frozen=True, slots=True)
class Shape:
    """A campaign of `count` rows. `slots` are what the limits say, `given` what Kling has when that is less."""

    name: str
    count: int
    slots: int
    seconds: float
    pools: bool = False
    chains: bool = False
    given: int = 0

    def write(self, folder: Path, count: int) -> None:
        """The manifest with so many rows, whose requests no other number shares."""
        if self.pools:
            rows = ", ".join(f"r{count}_{row}" for row in range(count))
            text = _POOLS.format(video=self.slots, image=2 * self.slots, rows=rows)
            (folder / campaigns.MANIFEST).write_text(text, encoding="utf-8")
        elif self.chains:
            campaigns.chains(folder, count, self.slots)
        else:
            campaigns.by_matrix(folder, count, self.slots)

    @property
    def options(self) -> Options:
        """The local Kling: times with a spread of 30 percent that nobody can know."""
        have = self.given or self.slots
        slots = {"video": have, "image": 2 * have if self.pools else have}
        return Options(media="tiny", idle_exit=120, slots=slots, task_seconds=self.seconds, spread=0.3)


SHAPES = (
    Shape("a matrix", 400, 20, 2.0),
    Shape("chains element, image, film", 60, 20, 2.0, chains=True),
    Shape("two pools, some need each other", 60, 10, 2.0, pools=True),
    Shape("limits twice too high (code 1303)", 400, 40, 2.0, given=20),
)


def forecasts(folder: Path, *, quick: bool = False) -> Iterator[Figure]:
    """The share that was foreseen of the time that it took; 1 is right, less is too hopeful."""
    for shape in [replace(SHAPES[1], seconds=0.3)] if quick else SHAPES:
        home = folder / shape.name.partition(" ")[2].partition(",")[0].replace(" ", "-")
        home.mkdir()
        with served(shape.options) as kling:
            yield from _one(shape, home, kling, 6 if quick else shape.count)


def _one(shape: Shape, home: Path, kling: Kling, count: int) -> Iterator[Figure]:
    shape.write(home, max(2, count // 4))
    _run(home, kling)  # what is learned from
    shape.write(home, count)
    kling.reset()
    _forget_tasks(home, kling)
    plan = _told(home, kling, "plan", "--json")
    paper = _told(home, kling, "simulate", "--json", "--runs", "9")
    took = _run(home, kling)
    foreseen = plan["time"]["seconds"]
    beside = f"{number(foreseen)} s foreseen, {number(took)} s taken; learned: {plan['time']['learned']}"
    yield Figure("FORECAST", f"plan / run, {shape.name}", foreseen / took, beside=beside)
    half, most = paper["seconds"]["p50"], paper["seconds"]["p90"]
    beside = f"{number(half)} s in half of the simulated runs, {number(most)} s in nine of ten"
    yield Figure("FORECAST", f"simulate / run, {shape.name}", half / took, beside=beside)


def _run(home: Path, kling: Kling) -> float:
    return measured(kling_pipe("run", "-y", "-q"), home, kling.environ).wall


def _told(home: Path, kling: Kling, *words: str) -> Mapping[str, Any]:
    done = subprocess.run(
        kling_pipe(*words), cwd=home, env=environment(kling.environ), capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise ProcessError(f"{words} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    found: Mapping[str, Any] = json.loads(done.stdout)
    return found


def _forget_tasks(home: Path, kling: Kling) -> None:
    """Keep what was learned of times and slots, and nothing of what was made."""
    workspace = open_workspace(home, environ=kling.environ)
    old = workspace.store()
    times, limits = old.learned(), old.limits()
    old.close()
    fresh(home)
    new = workspace.store()
    new.learn(times)
    for pool, (limit, _) in limits.items():
        new.keep_limit(pool, limit)
    new.close()
