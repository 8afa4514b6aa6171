"""A Chromium for the tests of pages, and pages that must not complain."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from typing import Any

DESKTOP, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 844}
_NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
_QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]


def chromium() -> Iterator[Any]:
    """The system's Chromium, closed at the end."""
    from playwright.sync_api import sync_playwright

    program = next(filter(None, map(shutil.which, _NAMES)))
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=program, args=_QUIET)
        yield found
        found.close()


def opened(browser: Any, address: str, said: list[str], **settings: Any) -> Iterator[Any]:
    """A page at an address; afterwards `said` must be empty: no error, no failed request, no other host."""
    context = browser.new_context(viewport=DESKTOP, **settings)
    page = context.new_page()
    own = address.partition("?")[0]
    page.on("console", lambda message: said.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("requestfailed", lambda request: said.append(f"failed: {request.url}"))
    page.on("request", lambda one: None if one.url.startswith((own, "file:", "data:")) else said.append(one.url))
    page.goto(address)
    yield page
    context.close()
    assert [words for words in said if not words.endswith("/events")] == []


def until(page: Any, condition: str | Callable[[], bool]) -> None:
    """Wait for a condition. Not `wait_for_function`, which evaluates text: the page's own policy forbids that."""
    deadline = time.monotonic() + 10
    while not (condition() if callable(condition) else page.evaluate(f"() => {condition}")):
        assert time.monotonic() < deadline, condition
        page.wait_for_timeout(20)


def axe_findings(page: Any) -> list[tuple[str, list[str]]]:
    """What axe-core finds, by rule, with the first places."""
    from axe_playwright_python.sync_playwright import Axe

    # Axe must see every card, not only those near the window.
    page.add_style_tag(content=".card, .change { content-visibility: visible !important }")
    found = Axe().run(page).response["violations"]
    return [(one["id"], [node["html"][:120] for node in one["nodes"][:3]]) for one in found]
