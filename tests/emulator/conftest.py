"""A client for the emulator that is nobody's client but these tests': plain httpx."""

from __future__ import annotations

import base64
import contextlib
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from kling_pipe.emulator import Options, ServerInfo
from kling_pipe.emulator.testing import running

VIDEO, IMAGE, ELEMENT = "/v1/videos/omni-video", "/v1/images/omni-image", "/v1/general/advanced-custom-elements"


def clip(name: str, **fields: Any) -> dict[str, Any]:
    """A small valid omni-video request."""
    body = {
        "model_name": "kling-v3-omni",
        "prompt": "a cup of tea",
        "mode": "std",
        "duration": "3",
        "aspect_ratio": "16:9",
    }
    return {**body, "external_task_id": name, **fields}


def still(name: str, **fields: Any) -> dict[str, Any]:
    """A small valid omni-image request."""
    return {"model_name": "kling-v3-omni", "prompt": "a cup", "aspect_ratio": "1:1", "external_task_id": name, **fields}


def picture(colour: str, size: tuple[int, int] = (400, 300)) -> str:
    """A plain picture as Base64."""
    file = io.BytesIO()
    Image.new("RGB", size, colour).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def element(name: str, **fields: Any) -> dict[str, Any]:
    """A small valid element request."""
    pictures = {"frontal_image": picture("purple"), "refer_images": [{"image_url": picture("teal")}]}
    body = {"element_name": "Hana", "element_description": "A tea master", "reference_type": "image_refer"}
    return {**body, "element_image_list": pictures, "external_task_id": name, **fields}


@dataclass
class Kling:
    """An emulator with a client that is logged in."""

    running: ServerInfo
    http: httpx.Client

    def post(self, path: str, body: Any) -> httpx.Response:
        """Send a request."""
        return self.http.post(path, json=body)

    def make(self, path: str, body: Any) -> dict[str, Any]:
        """Create a task and let the clock run until it is done."""
        created = self.post(path, body)
        assert created.status_code == 200, created.text
        self.advance(60)
        return self.get(f"{path}/{created.json()['data']['task_id']}")

    def get(self, path: str, **query: Any) -> Any:
        """The data of a query that succeeds."""
        answer = self.http.get(path, params=query or None)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    def advance(self, seconds: float) -> None:
        """Step the clock, which stands still otherwise."""
        self.http.post("/_emulator/clock", json={"mode": "manual", "advance": seconds}).raise_for_status()

    def faults(self, *rules: dict[str, Any]) -> None:
        """Put rules in force."""
        self.http.put("/_emulator/faults", json=list(rules)).raise_for_status()

    def ledger(self) -> Any:
        """What the emulator counted."""
        return self.http.get("/_emulator/ledger").json()


Start = Callable[..., Kling]


@contextlib.contextmanager
def started(state: Path | None = None, **options: Any) -> Iterator[Kling]:
    """An emulator in this process whose clock stands still."""
    with running(state, Options(**options)) as found:
        headers = {"Authorization": f"Bearer {found.api_key}"}
        with httpx.Client(base_url=found.base_url, headers=headers, trust_env=False, timeout=100) as http:
            kling = Kling(found, http)
            kling.advance(0.001)
            yield kling


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts emulators with options; all end with the test."""
    with contextlib.ExitStack() as stack:
        yield lambda *args, **options: stack.enter_context(started(*args, **options))


@pytest.fixture
def kling(start: Start) -> Kling:
    """An emulator with tiny media, its clock stepped by hand."""
    return start(media="tiny")
