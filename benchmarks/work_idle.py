"""W3, W5, memory and start-up: what kling-pipe costs when Kling is not the one to wait for."""

from __future__ import annotations

import shutil
import statistics
from collections.abc import Iterator
from pathlib import Path

from benchmarks import campaigns
from benchmarks.figures import Figure, number
from benchmarks.kling import Kling, served
from benchmarks.process import Measured, kling_pipe, measured, median, python
from benchmarks.work_load import fresh
from kling_pipe.emulator import Options

_CLICK = """\
import click
@click.group()
@click.version_option("1")
def cli(): pass
@cli.command()
def run(): pass
cli()
"""
_VALIDATE = "import sys, kling_pipe\nfor path in sys.argv[1:]: kling_pipe.load(path)\n"
_SLOTS = 500


def _quick() -> Options:
    """Tasks that end at once: what is left is the client's own work."""
    return Options(media="tiny", idle_exit=120, media_bytes=1024, slots={"video": _SLOTS}, task_seconds=0.3, spread=0.3)


def nothing_to_do(folder: Path, repeats: int, counts: tuple[int, ...] = (1000, 10_000)) -> Iterator[Figure]:
    """W3: everything is made already. The whole process, by matrix and spelt out."""
    goals = {1000: 0.35, 10_000: 1.5}
    with served(_quick()) as kling:
        for count in counts:
            home = folder / str(count)
            home.mkdir()
            campaigns.by_matrix(home, count, _SLOTS)
            matrix = _again(home, kling, campaigns.MANIFEST, repeats)
            fresh(home)
            campaigns.literal(home, count, _SLOTS)
            literal = _again(home, kling, campaigns.LITERAL, repeats)
            make = (
                median([measured(["make", "-s"], _makefile(home / "make", count)) for _ in range(repeats)])
                if shutil.which("make")
                else None
            )
            beside = f"literal {number(literal)} s" + (f", make {number(make)} s" if make is not None else "")
            yield Figure("W3", f"nothing to do, {count:,} jobs", matrix, " s", goals.get(count), beside=beside)


def memory(folder: Path, count: int = 10_000) -> Iterator[Figure]:
    """The largest memory of a run that makes everything."""
    campaigns.by_matrix(folder, count, _SLOTS)
    with served(_quick()) as kling:
        run = measured(kling_pipe("run", "-y", "-q"), folder, kling.environ)
    wall = f"{number(run.wall)} s, {number(1000 * run.cpu / count)} ms CPU a job"
    yield Figure("memory", f"a run of {count:,} jobs", run.megabytes, " MB", 300, beside=wall)


def validate(folder: Path, repeats: int, files: int = 1000, jobs: int = 10_000) -> Iterator[Figure]:
    """W5: check manifests, all rules and positions."""
    small = folder / "small"
    small.mkdir()
    paths = [str(path.name) for path in campaigns.small_files(small, files)]
    many = _runs(python("-c", _VALIDATE, *paths), small, repeats)
    yield Figure("W5", f"validate {files:,} files of one job", median(many), " s", 0.5)
    campaigns.by_matrix(folder, jobs, _SLOTS)
    matrix = _runs(kling_pipe("validate"), folder, repeats)
    campaigns.literal(folder, jobs, _SLOTS)
    literal = _runs(kling_pipe("validate", campaigns.LITERAL), folder, 1)
    beside = f"literal {number(median(literal))} s"
    yield Figure("W5", f"validate {jobs:,} jobs by matrix", median(matrix), " s", 0.5, beside=beside)


def start_up(folder: Path, repeats: int) -> Iterator[Figure]:
    """From the shell to `--version` and `--help`."""
    program = folder / "program.py"
    program.write_text(_CLICK, encoding="utf-8")
    commands = {
        "click": python(str(program), "--help"),
        "--version": kling_pipe("--version"),
        "--help": kling_pipe("--help"),
    }
    runs: dict[str, list[Measured]] = {name: [] for name in commands}
    for _ in range(5 * repeats):
        for name, command in commands.items():
            runs[name].append(measured(command, folder))
    walls = {name: 1000 * statistics.median(run.wall for run in taken[1:] or taken) for name, taken in runs.items()}
    beside = f"bare click {number(walls['click'])} ms"
    yield Figure("start-up", "`--version`", walls["--version"], " ms", 60, beside=beside)
    yield Figure("start-up", "`--help`", walls["--help"], " ms", 90, beside=beside)
    yield Figure("start-up", "`--help` / bare click", walls["--help"] / walls["click"], "", 1.5)


def _again(home: Path, kling: Kling, manifest: str, repeats: int) -> float:
    command = kling_pipe("run", manifest, "-y", "-q")
    measured(command, home, kling.environ)
    return median(_runs(command, home, repeats, kling))


def _runs(command: list[str], folder: Path, repeats: int, kling: Kling | None = None) -> list[Measured]:
    return [measured(command, folder, kling.environ if kling else None) for _ in range(repeats)]


def _makefile(folder: Path, count: int) -> Path:
    """As many targets that are up to date."""
    if not folder.exists():
        folder.mkdir()
        names = [f"film-{number:05d}" for number in range(count)]
        for name in names:
            (folder / f"{name}.txt").touch()
        for name in names:
            (folder / f"{name}.mp4").touch()
        rules = "\n".join(f"{name}.mp4: {name}.txt\n\ttouch $@" for name in names)
        text = "all: " + " ".join(f"{name}.mp4" for name in names) + f"\n{rules}\n"
        (folder / "Makefile").write_text(text, encoding="utf-8")
    return folder
