"""`@pytest.mark.needs(PROGRAM)`: a test that runs where the program is, and is deselected and counted elsewhere.

Not a skip that scrolls by: the closing lines say how many tests did not run here, and for want of what.
"""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import pytest

PROGRAMS = {
    "chromium": ("chromium", "chromium-browser", "google-chrome", "chrome"),
    "postgres": ("postgres", "usr/lib/postgresql/*/bin/postgres"),
}
"""Programs with other names than their own: any one is enough, on PATH or at a place below the root."""

WANTED = pytest.StashKey[Counter[str]]()
"""Tests that were deselected, counted by the program that this machine has not."""


def has_program(name: str) -> bool:
    """Whether this machine has what `needs(name)` asks for."""
    return any(shutil.which(one) or any(Path("/").glob(one)) for one in PROGRAMS.get(name, (name,)))


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known; nothing is counted yet."""
    config.addinivalue_line("markers", "needs(program): runs where the program is; deselected and counted elsewhere")
    config.stash[WANTED] = Counter()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect what needs a program that is absent."""
    kept, dropped = [], []
    for item in items:
        absent = [name for mark in item.iter_markers("needs") for name in mark.args if not has_program(name)]
        config.stash[WANTED].update(absent[:1])
        (dropped if absent else kept).append(item)
    if dropped:
        config.hook.pytest_deselected(items=dropped)
        items[:] = kept


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A worker of pytest-xdist hands its count to the process that prints the closing lines."""
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["wanted"] = dict(session.config.stash[WANTED])


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: object) -> None:
    """Every worker collects every test, so the count of any one of them is the count."""
    told = getattr(node, "workeroutput", {}).get("wanted", {})
    stash = node.config.stash  # type: ignore[attr-defined]
    stash[WANTED] = stash[WANTED] | Counter(told)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say what could not run here, right above pytest's own last line (which counts it too)."""
    for name, count in sorted(config.stash[WANTED].items()):
        terminalreporter.write_line(f"{count} deselected here for want of {name}", yellow=True)
