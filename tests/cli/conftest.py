"""A campaign in a folder of its own, run by the real command line in real processes against a real emulator."""

from __future__ import annotations

import json
import os
import shutil
import urllib.request
from pathlib import Path

import pytest
from forks import shared

from kling_pipe.emulator import ensure

ROOT = Path(__file__).resolve().parents[2]
OPTIONS = {"media": "tiny", "task_seconds": 0.05, "idle_exit": 60}

SMALL = """\
version: 1
project: small

vars: { look: soft light }

defaults:
  images: { model_name: kling-v3-omni, resolution: 1k, aspect_ratio: 16:9 }
  videos: { model_name: kling-v3-omni, mode: std, sound: off, aspect_ratio: 16:9 }

elements:
  hana:
    element_name: Hana
    element_description: Young tea farmer
    reference_type: image_refer
    frontal: hana.png
    views: [hana.png]

images:
  keyframe:
    takes: 2
    pick: 2
    prompt: "{{ element.hana }} in a field, {{ vars.look }}"
  sheet:
    n: 3
    prompt: three sketches of a kettle

videos:
  teaser:
    first_frame: image.keyframe
    duration: 3
    prompt: "{{ element.hana }} looks up"
  other:
    tags: [extra]
    duration: 3
    prompt: clouds
"""


class Kling:
    """One campaign folder and its account."""

    def __init__(self, folder: Path, server: Path) -> None:
        self.folder, self.server = folder, server
        self.running = ensure(server, **OPTIONS)

    def __call__(self, *args: str, emulator: bool = True, stdin: str = "", env: dict[str, str] | None = None):
        """Run the command line; `--emulator --state` are added for verbs that talk to the API."""
        extra = ["--emulator", "--state", str(self.server)] if emulator else []
        words = (*args, *extra)
        paths = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH", ""))))
        environ = {**os.environ, "PYTHONPATH": paths, **(env or {})}
        return shared().run(*words, cwd=self.folder, environ=environ, stdin=stdin)

    def manifest(self, text: str) -> None:
        (self.folder / "kling-pipe.yaml").write_text(text, encoding="utf-8")

    def read(self, name: str = "kling-pipe.yaml") -> str:
        return (self.folder / name).read_text(encoding="utf-8")

    def ledger(self) -> dict:
        return self.call("ledger")

    def faults(self, *rules: dict) -> None:
        self.call("faults", "PUT", list(rules))

    def call(self, name: str, method: str = "GET", form=None):
        """One of the emulator's own endpoints."""
        url, data = f"{self.running.base_url}/_emulator/{name}", json.dumps(form).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(url, None if method == "GET" else data, method=method, headers=headers)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    @property
    def created(self) -> int:
        return sum(self.ledger()["creates"].values())

    def forget(self) -> None:
        """An empty machine: no ledger, no lock, no objects."""
        shutil.rmtree(self.folder / ".kling-pipe")
        (self.folder / "kling-pipe.lock").unlink(missing_ok=True)


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """The state folder of a local Kling that all these tests share, one after the other."""
    folder = tmp_path_factory.mktemp("server")
    yield folder
    os.kill(ensure(folder, **OPTIONS).pid, 15)


@pytest.fixture
def kling(tmp_path, server):
    """A small campaign: an element, two takes of a key frame, a sheet of three, two videos."""
    from PIL import Image

    folder = tmp_path / "campaign"
    folder.mkdir()
    Image.new("RGB", (320, 320), "teal").save(folder / "hana.png")
    found = Kling(folder, server)
    found.call("reset", "POST")
    found.manifest(SMALL)
    return found
