"""The live sheet: who may see it, what a click writes, and that it follows a campaign."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from browser import axe_findings, chromium, opened, until

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Served:
    """A campaign's folder and the address of its live sheet, token included."""

    folder: Path
    address: str

    @property
    def home(self) -> str:
        """The address without the token."""
        return self.address.partition("?")[0]

    @property
    def token(self) -> str:
        """The secret part."""
        return self.address.partition("token=")[2]


@pytest.fixture(scope="module")
def served(campaign, tmp_path_factory) -> Iterator[Served]:
    """`kling-pipe report --serve` in a process of its own, over a copy of the campaign."""
    folder = tmp_path_factory.mktemp("served") / "copy"
    shutil.copytree(campaign.path.parent, folder)
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH", ""))))
    command = [sys.executable, "-m", "kling_pipe", "report", "--emulator", "--serve"]
    process = subprocess.Popen(
        command, cwd=folder, env={**os.environ, "PYTHONPATH": path}, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    with process, process.stdout:
        yield Served(folder, process.stdout.readline().strip())
        process.terminate()


def ask(served: Served, path: str = "", *, data: Any = None, token: str = "", **headers: str) -> tuple[int, str]:
    """Status and body of one request; the token as the cookie that a browser has."""
    cookie = {"Cookie": f"kling-pipe={token}"} if token else {}
    body = None if data is None else json.dumps(data).encode()
    request = urllib.request.Request(served.home + path, body, {**cookie, **headers})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read().decode("utf-8", "replace")
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode("utf-8", "replace")


@pytest.mark.parametrize("path", ["", "events", "media/x.png"])
def test_without_the_token_nothing_is_shown(served, path):
    """Other users of this machine see nothing of the campaign."""
    assert ask(served, path)[0] == 403
    assert ask(served, path, token="wrong")[0] == 403


def test_other_names_and_other_sites_are_refused(served):
    """A page of another site cannot ask in a visitor's name, not even by a name that it points at this machine."""
    assert ask(served, token=served.token, Host="evil.example")[0] == 421
    assert ask(served, token=served.token, Origin="https://evil.example")[0] == 403
    assert ask(served, token=served.token)[0] == 200


@pytest.mark.parametrize(
    "path", ["../kling-pipe.yaml", "media/../../kling-pipe.yaml", "media/%2e%2e%2fkling-pipe.yaml", "nothing"]
)
def test_only_files_of_the_page_are_served(served, path):
    """A path leads nowhere but to what the page shows."""
    assert ask(served, path, token=served.token)[0] == 404


@pytest.mark.parametrize(
    ("data", "status"),
    [([], 400), ({"address": 1, "take": 1}, 400), ({"address": "image.keyframe", "take": True}, 400),
     ({"address": "image.keyframe", "take": 9}, 409), ({"address": "image.nothing", "take": 1}, 409)],
)  # fmt: skip
def test_a_bad_pick_is_refused_and_writes_nothing(served, data, status):
    """What cannot be picked is told, and the manifest stays."""
    before = (served.folder / "kling-pipe.yaml").read_bytes()

    assert ask(served, "pick", data=data, token=served.token)[0] == status
    assert ask(served, "pick", data={"address": "image.keyframe", "take": 1})[0] == 403
    assert (served.folder / "kling-pipe.yaml").read_bytes() == before


@pytest.mark.parametrize(
    "target", [b"/%00", b"/media/%00", b"/media/%ff", b"/media/\xff", b"/?token=%ff", b"/?token=\xff", b"/?token=%00"]
)
def test_odd_bytes_on_the_line_are_no_error_of_the_server(served, target):
    """As a program sends them that is no browser; `test_serve_odd` asks for more."""
    host, _, port = served.home.removeprefix("http://").rstrip("/").partition(":")
    with socket.create_connection((host, int(port)), 10) as line:
        line.sendall(b"GET " + target + b" HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
        answer = b"".join(iter(lambda: line.recv(4096), b""))

    assert answer.split(b" ")[1] in (b"400", b"403", b"404"), answer


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    yield from chromium()


@pytest.mark.needs("chromium")
def test_a_click_picks_and_the_page_follows(served, browser):
    """The pick stands in the manifest where `pick` writes it; every window shows it without being asked."""
    manifest = served.folder / "kling-pipe.yaml"
    for page in opened(browser, served.address, []):
        assert "token" not in page.url
        until(page, "document.querySelector('.live').textContent === '● live'")
        card = page.locator('[id="image.keyframe@16x9"]')
        card.get_by_role("button", name="pick take 1 of image.keyframe@16x9").click()

        until(page, lambda: 'pick: { 16x9: 1, "*": 2 }' in manifest.read_text(encoding="utf-8"))
        until(page, "document.querySelector('[id=\"image.keyframe@16x9\"] .picked').dataset.take === '1'")
        assert axe_findings(page) == []


@pytest.mark.needs("chromium")
def test_the_page_follows_a_change_from_outside(served, browser):
    """Somebody edits the manifest, a run goes on: the page shows it, with the filters as they were."""
    manifest = served.folder / "kling-pipe.yaml"
    for page in opened(browser, served.address, []):
        until(page, "document.querySelector('.live').textContent === '● live'")
        page.fill("input[type=search]", "new words")
        until(page, "document.querySelectorAll('.card:not([hidden])').length === 0")
        text = manifest.read_text(encoding="utf-8")
        manifest.write_text(text.replace("fades in", "fades in, new words"), encoding="utf-8")

        until(page, "document.querySelectorAll('.card:not([hidden])').length === 4")
        assert page.locator(".card:visible .state.new").count() == 4
