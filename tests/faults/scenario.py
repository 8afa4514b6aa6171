"""A campaign folder and an account on a real emulator: runs here or in processes of their own, and what was counted."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import urllib.request
from dataclasses import dataclass, field, replace
from pathlib import Path

from forks import shared

from kling_pipe import api
from kling_pipe.engine import Dependencies, Settings
from kling_pipe.storage.outputs.local import file_sha256

ROOT = Path(__file__).resolve().parents[2]
HASTE = 20
"""Waits of the client are so many times shorter than in earnest."""

HEAD = """\
version: 1
project: faults
defaults:
  images: { model_name: kling-v3-omni, resolution: 1k, aspect_ratio: "1:1" }
  videos: { model_name: kling-v3-omni, mode: std, sound: off, aspect_ratio: "16:9", duration: 3 }
"""

PICTURE = HEAD + "images: { kite: { prompt: a red kite } }\n"

CHAIN = (
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
  key: { prompt: "{{ element.hana }} on a hill" }
videos:
  film: { first_frame: image.key, prompt: the mist lifts }
"""
)


def many(count: int) -> str:
    """So many pictures that need nothing."""
    return HEAD + "images:\n" + "".join(f"  i{n}: {{ prompt: picture {n} }}\n" for n in range(count))


async def hasty(seconds: float) -> None:
    """`asyncio.sleep`, shorter; what a test itself set to less than half a second is left alone."""
    await asyncio.sleep(seconds if seconds < 0.5 else seconds / HASTE)


@dataclass
class Stage:
    """One user's folder, one account. `settings` and `seams` are for runs in this process."""

    running: object
    root: Path
    settings: Settings = field(default_factory=lambda: Settings(settle=0.2, patience=20.0))
    seams: Dependencies = field(default_factory=lambda: Dependencies(sleep=hasty))
    events: list = field(default_factory=list)
    started: list = field(default_factory=list)

    def write(self, text: str) -> Stage:
        self.root.mkdir(parents=True, exist_ok=True)
        (self.root / "kling-pipe.yaml").write_text(text, encoding="utf-8")
        return self

    def elsewhere(self, root: Path) -> Stage:
        """The same manifest and account, another folder with nothing in it."""
        return replace(self, root=root, events=[]).write((self.root / "kling-pipe.yaml").read_text(encoding="utf-8"))

    @property
    def environ(self) -> dict[str, str]:
        return {
            "KLING_BASE_URL": self.running.base_url,
            "KLING_ACCESS_KEY": self.running.access_key,
            "KLING_SECRET_KEY": self.running.secret_key,
        }

    @property
    def workspace(self):
        return api.open_workspace(self.root / "kling-pipe.yaml", environ=self.environ)

    def plan(self, **options):
        return api.plan(api.load(self.root / "kling-pipe.yaml"), self.workspace, seams=self.seams, **options)

    def run(self, *, settings: Settings | None = None, create: bool = True, **options):
        """Plan and run in this process."""
        chosen = settings or self.settings
        return api.run(
            self.plan(**options),
            self.workspace,
            settings=chosen,
            seams=self.seams,
            on_event=self.events.append,
            create=create,
        )

    def process(self, *words: str, environ: dict[str, str] | None = None, **streams) -> subprocess.Popen:
        """`kling-pipe WORDS` in a process of its own, not waited for."""
        env = self._environ_with(environ)
        wanted = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **streams}
        command = [sys.executable, "-m", "kling_pipe", *words]
        self.started.append(subprocess.Popen(command, cwd=self.root, env=env, **wanted))
        return self.started[-1]

    def end(self) -> None:
        """No process outlives its test."""
        for process in self.started:
            if process.poll() is None:
                process.kill()
                process.communicate()

    def cli(self, *words: str, **more) -> subprocess.CompletedProcess:
        """The same, waited for; forked where nothing asks for another interpreter."""
        environ = more.get("environ") or {}
        if not (more.keys() - {"environ"} or any(name.startswith("PYTHON") for name in environ)):
            return shared().run(*words, cwd=self.root, environ=self._environ_with(environ))
        process = self.process(*words, **more)
        out, err = process.communicate(timeout=60)
        return subprocess.CompletedProcess(words, process.returncode, out, err)

    def _environ_with(self, more: dict[str, str] | None) -> dict[str, str]:
        paths = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH", ""))))
        return {**os.environ, **self.environ, "PYTHONPATH": paths, **(more or {})}

    def ledger(self) -> dict:
        """What the emulator counted: nobody else is believed."""
        return self._call("GET", "/_emulator/ledger")

    def faults(self, *rules: dict) -> None:
        self._call("PUT", "/_emulator/faults", list(rules))

    def reset(self) -> None:
        """A Kling that remembers nothing, with its clock running."""
        self._call("POST", "/_emulator/reset")
        self.clock(mode="real")

    def clock(self, **form) -> None:
        self._call("POST", "/_emulator/clock", form)

    @property
    def posts(self) -> int:
        """How many creates arrived at Kling, refused ones included."""
        return sum(count for route, count in self.ledger()["requests"]["routes"].items() if route.startswith("POST"))

    def blocks(self) -> dict:
        return dict(self.workspace.read_lock().blocks)

    def assert_paid_once(self, jobs: int) -> dict:
        """So many tasks, none twice. Returns the units that were billed."""
        ledger = self.ledger()
        assert {name: count for name, count in ledger["creates"].items() if count != 1} == {}
        assert len(ledger["creates"]) == jobs
        return ledger["units"]

    def assert_whole(self, jobs: int) -> None:
        """So many blocks in the lock, and every file is, byte for byte, the one that it records."""
        blocks = self.blocks()
        assert len(blocks) == jobs
        for name, block in blocks.items():
            for output in block["outputs"]:
                if "path" in output:
                    assert file_sha256(self.root / output["path"]) == output["sha256"], name
                    assert json.loads((self.root / f"{output['path']}.json").read_text(encoding="utf-8"))

    def _call(self, method: str, path: str, form=None):
        data = json.dumps(form).encode() if form is not None else b"" if method == "POST" else None
        request = urllib.request.Request(self.running.base_url + path, data=data, method=method)
        request.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.loads(answer.read() or b"null")


def tally(result) -> tuple[int, int, int, int]:
    """Made, reused, failed, waiting."""
    return result.made, result.reused, result.failed, result.waiting
