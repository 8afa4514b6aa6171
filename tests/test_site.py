"""The documentation site: built strictly, complete, and asking no other host for anything."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted(path.relative_to(ROOT / "docs") for path in (ROOT / "docs").rglob("*.md"))
LOADED = re.compile(r"""<(?:script|img|iframe|source|video|audio)\b[^>]*\bsrc=["']?(?:https?:)?//[^>]*>""")
LINKED = re.compile(r"""<link\b(?![^>]*\brel=["']?canonical)[^>]*\bhref=["']?(?:https?:)?//[^>]*>""")


def built(folder: Path) -> subprocess.CompletedProcess[str]:
    """The site of a folder's `docs`, in its `site`."""
    return subprocess.run(
        [sys.executable, "-m", "zensical", "build", "--strict"],
        cwd=folder,
        env={**os.environ, "NO_COLOR": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=100,
        check=False,
    )


def source(folder: Path) -> Path:
    """A copy of what the site is made from."""
    shutil.copytree(ROOT / "docs", folder / "docs")
    shutil.copy(ROOT / "mkdocs.yml", folder)
    return folder


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site as CI builds it."""
    folder = source(tmp_path_factory.mktemp("docs"))
    done = built(folder)
    assert done.returncode == 0, done.stdout
    return folder / "site"


def test_every_page_is_in_the_site(site: Path) -> None:
    """A page that is written is a page that is published."""
    assert [page for page in PAGES if not (site / page.with_suffix(".html")).is_file()] == []


def test_every_page_can_be_reached_from_the_menu() -> None:
    """A page that no menu names is found by nobody; if this fails, add a line to `nav` in mkdocs.yml."""
    nav = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").partition("\nnav:\n")[2]
    named = re.findall(r": (\S+\.md)$", nav, re.MULTILINE)

    assert sorted(named) == [page.as_posix() for page in sorted(PAGES, key=lambda page: page.as_posix())]


def test_no_page_loads_anything_from_another_host(site: Path) -> None:
    """No font, script, picture or style sheet from elsewhere: links to read on are the only way out."""
    texts = {path: path.read_text(encoding="utf-8") for path in site.rglob("*.html")}

    assert [found for text in texts.values() for found in (*LOADED.findall(text), *LINKED.findall(text))] == []
    # The script that draws it is elsewhere, and its source is no picture.
    assert [path.name for path, text in texts.items() if re.search(r'class="[^"]*mermaid', text)] == []


@pytest.mark.needs("chromium")
def test_a_browser_asks_nobody_else(site: Path) -> None:
    """Pages with diagrams, tables and code, and a search: every request goes to the host of the site."""
    from playwright.sync_api import sync_playwright

    asked: list[str] = []
    with served(site) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page()
        page.on("request", lambda request: asked.append(request.url))
        for name in ("index", "tutorial", "architecture", "manifest", "verbs", "api/omni-video"):
            page.goto(f"{address}/{name}.html", wait_until="networkidle")
            assert page.locator("h1").count() == 1, name
        page.keyboard.press("Control+k")
        page.keyboard.type("budget")
        page.get_by_text("Budget and limits").first.wait_for()
        browser.close()

    assert [url for url in asked if not url.startswith((address, "data:", "blob:"))] == []


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address of a server of files on this machine, which says nothing and ends with the block."""
    handler = partial(Quiet, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


class Quiet(SimpleHTTPRequestHandler):
    """Files without a line for each of them."""

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


def chromium() -> str:
    """The system's browser."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))))
    assert found is not None
    return found


@pytest.mark.parametrize("link", ["no-such-page.md", "manifest.md#no-such-heading"])
def test_a_broken_link_fails_the_build(tmp_path: Path, link: str) -> None:
    """Neither a page nor a heading can go away without somebody noticing."""
    folder = source(tmp_path)
    with (folder / "docs" / "index.md").open("a", encoding="utf-8") as page:
        page.write(f"\n[gone]({link})\n")

    done = built(folder)

    assert done.returncode != 0
    assert "index.md" in done.stdout
