"""`python -m benchmarks [WORKLOAD ...] [--quick]`: measure, and print the table as Markdown."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from benchmarks import work_forecast, work_idle, work_kill, work_load, work_scale
from benchmarks.figures import Figure, machine, table

WORKLOADS = (*work_load.LOADS, "W3", "W5", "KILL", "memory", "startup", "forecast")
LARGE = ("scale",)
"""Run by name only: it takes half an hour."""


def figures(
    name: str, folder: Path, repeats: int, *, quick: bool, libraries: tuple[str, ...], size: work_scale.Size
) -> Iterator[Figure]:
    """One workload; `quick` shrinks it to a smoke test whose times mean nothing."""
    if name in work_load.LOADS:
        work = work_load.LOADS[name]
        yield from work_load.measure(_shrunk(work) if quick else work, folder, repeats, libraries)
    elif name == "W3":
        yield from work_idle.nothing_to_do(folder, repeats, (20,) if quick else (1000, 10_000))
    elif name == "W5":
        yield from work_idle.validate(folder, repeats, *((5, 20) if quick else (1000, 10_000)))
    elif name == "memory":
        yield from work_idle.memory(folder, 20 if quick else 10_000)
    elif name == "startup":
        yield from work_idle.start_up(folder, 1 if quick else 3 * repeats)
    elif name == "forecast":
        yield from work_forecast.forecasts(folder, quick=quick)
    elif name == "scale":
        yield from work_scale.scale(folder, work_scale.QUICK if quick else size)
    else:
        yield from work_kill.kill(folder, *((8, 4, 0.2) if quick else ()))


def _shrunk(work: work_load.Work) -> work_load.Work:
    options = {**work.options, "task_seconds": 0.1, "per_clip_second": 0.0, "latency": 0.0}
    return replace(work, count=6, slots=3, options=options, goals={})


def main() -> None:
    """Read the command line, measure, print. Progress goes to stderr."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "workloads",
        nargs="*",
        metavar="WORKLOAD",
        help=f"any of {', '.join((*WORKLOADS, *LARGE))}; none: all but the last",
    )
    parser.add_argument("--jobs", type=int, default=100_000, help="jobs of the workload `scale`")
    parser.add_argument("--minutes", type=float, default=0, help="end the workload `scale` after so long; 0: never")
    parser.add_argument("--workers", type=int, default=4, help="workers of the workload `scale`")
    parser.add_argument("--quick", action="store_true", help="tiny sizes: shows that it works, times mean nothing")
    parser.add_argument("--repeats", type=int, default=3, help="runs of each client, of which the median counts")
    parser.add_argument(
        "--libraries",
        default=",".join(work_load.LIBRARIES),
        help="of the hand-written clients; those installed are used",
    )
    parser.add_argument("--accounts", type=int, default=1, help="accounts of the workload `scale`")
    given = parser.parse_args()
    if unknown := set(given.workloads) - {*WORKLOADS, *LARGE}:
        parser.error(f"no such workload: {', '.join(sorted(unknown))}")
    size = work_scale.Size(jobs=given.jobs, workers=given.workers, minutes=given.minutes, accounts=given.accounts)
    found: list[Figure] = []
    for name in given.workloads or WORKLOADS:
        print(f"{time.strftime('%H:%M:%S')} {name}", file=sys.stderr, flush=True)
        with tempfile.TemporaryDirectory(prefix="benchmark-", ignore_cleanup_errors=True) as folder:
            repeats = 1 if given.quick else given.repeats
            libraries = tuple(filter(None, given.libraries.split(",")))
            home = Path(folder).resolve()
            for figure in figures(name, home, repeats, quick=given.quick, libraries=libraries, size=size):
                found.append(figure)
                print(figure.row(), file=sys.stderr, flush=True)
    print(f"{time.strftime('%Y-%m-%d')}, {machine()}\n\n{table(found)}")


if __name__ == "__main__":
    main()
