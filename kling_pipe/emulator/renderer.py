"""Has results drawn by other processes, once each, and keeps the files. The event loop never draws."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

from kling_pipe.emulator.frame_content import FrameContents
from kling_pipe.emulator.media import tiny
from kling_pipe.emulator.media.card import Card, Shot
from kling_pipe.emulator.state import State
from kling_pipe.emulator.task import Task

PACKAGE_PARENT = Path(__file__).parent.parent.parent


class RenderError(Exception):
    """A file could not be drawn; the message says why."""


def child_environment() -> dict[str, str]:
    """The environment in which a child process finds this very package, installed or not."""
    path = os.pathsep.join(filter(None, (str(PACKAGE_PARENT), os.environ.get("PYTHONPATH", ""))))
    return {**os.environ, "PYTHONPATH": path}


class Renderer:
    """The files of all results. `file` answers when one is there."""

    def __init__(self, world: State) -> None:
        self._world = world
        self._folder = world.state / "media"
        (self._folder / "clips").mkdir(parents=True, exist_ok=True)
        self.cards = FrameContents(world, self._folder)
        self._under_way: dict[tuple[str, int, str], asyncio.Task[Path]] = {}
        self._tiny: dict[str, bytes] = {}
        workers = max(1, min(4, (os.cpu_count() or 2) - 1))
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="render")
        self._local = threading.local()
        self._processes: list[subprocess.Popen[str]] = []

    def begin(self, task: Task) -> None:
        """Start drawing a task's results, if they are files and are to be real."""
        real = self._world.options.media == "real" and not task.failure
        if real and "media" in self._world.operations[task.operation].kling["result"]:
            for number in range(1, task.outputs + 1):
                self._started(task, number)

    async def file(self, task: Task, number: int, extension: str = "") -> Path:
        """The file of a result, drawn if it is not there yet; a copy in another format by its extension.

        Raises RenderError.
        """
        own = self.cards.file(task, number)
        return await asyncio.shield(self._started(task, number, "" if own.suffix == f".{extension}" else extension))

    async def tiny(self, extension: str, name: str) -> bytes:
        """The small file that stands for every result with this extension; padding holds its name."""
        size = self._world.options.media_bytes
        if extension == "png":
            return tiny.png(size, name)
        if extension not in self._tiny:
            self._tiny[extension] = await self._tiny_file(extension)
        return tiny.padded(self._tiny[extension], extension, size, name)

    def clear(self) -> None:
        """Forget the results of all tasks; clips stay, they depend on nothing but what they show."""
        self.cards.clear()
        self._under_way.clear()
        for path in self._folder.glob("*-*.*"):
            path.unlink(missing_ok=True)

    def close(self) -> None:
        """End the processes."""
        for process in self._processes:
            process.kill()
        self._threads.shutdown(wait=True, cancel_futures=True)
        for process in self._processes:
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe:
                    pipe.close()

    def _started(self, task: Task, number: int, extension: str = "") -> asyncio.Task[Path]:
        key = (task.task_id, number, extension)
        if key not in self._under_way:
            made = asyncio.get_running_loop().create_task(self._draw(task, number, extension))
            made.add_done_callback(lambda done: self._finished(key, done))
            self._under_way[key] = made
        return self._under_way[key]

    def _finished(self, key: tuple[str, int, str], done: asyncio.Task[Path]) -> None:
        """A failure is forgotten, so that the next download tries again."""
        if done.cancelled() or done.exception():
            self._under_way.pop(key, None)

    async def _draw(self, task: Task, number: int, extension: str) -> Path:
        target = self.cards.file(task, number, extension)
        if target.exists():
            return target
        for source in self.cards.sources(task):
            if source[0].seq < task.seq:  # a result cannot show one that is younger than itself
                await self._drawn_if_possible(*source)
        card = self.cards.card(task, number)
        await self._render(card, target, task.external_id or task.task_id)
        return target

    async def _drawn_if_possible(self, task: Task, number: int) -> None:
        with contextlib.suppress(RenderError):  # a swatch stands for what could not be drawn
            await self.file(task, number)

    async def _tiny_file(self, extension: str) -> bytes:
        card = Card("tiny", "", 320, 180, (Shot("", 1.0),), seconds=1.0)
        target = self._folder / "clips" / f"tiny.{extension}"
        await self._render(card, target, "tiny")
        return target.read_bytes()

    async def _render(self, card: Card, target: Path, comment: str) -> None:
        clip = str(self._folder / "clips" / f"{card.digest[:32]}.mp4") if target.suffix == ".mp4" else ""
        job = {"card": asdict(card), "clip": clip, "target": str(target), "comment": comment}
        answer = await asyncio.get_running_loop().run_in_executor(self._threads, self._ask, job)
        if answer["error"]:
            raise RenderError(answer["error"])

    def _ask(self, job: dict[str, Any]) -> dict[str, Any]:
        """In a thread of the pool: hand one job to the process that belongs to this thread."""
        process = self._process()
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(json.dumps(job) + "\n")
            process.stdin.flush()
            answer: dict[str, Any] = json.loads(process.stdout.readline() or '{"error": "the process ended"}')
        except (OSError, ValueError) as error:
            return {"error": f"the process that draws ended: {error}"}
        return answer

    def _process(self) -> subprocess.Popen[str]:
        process: subprocess.Popen[str] | None = getattr(self._local, "process", None)
        if process is None or process.poll() is not None:
            process = subprocess.Popen(
                [sys.executable, "-m", "kling_pipe.emulator.render_worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                encoding="utf-8",
                env=child_environment(),
            )
            self._local.process = process
            self._processes.append(process)
        return process
