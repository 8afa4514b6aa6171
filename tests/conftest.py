"""What every test stands on: a clean environment, a home of its own, no network beyond loopback."""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

SUPPORT = Path(__file__).resolve().parent / "support"
pytest_plugins = ("needs", "pytester")
import_module("loopback_only")


def pytest_xdist_auto_num_workers() -> int:
    """Two for each core: most of the time a test waits, for a task of the local Kling, a process or the disk."""
    return 2 * (os.cpu_count() or 1)


@pytest.fixture(scope="session", autouse=True)
def clean_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """No credentials, no settings, a home that is empty: what a newcomer's machine looks like. Children inherit it."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.upper().startswith(("KLING", "XDG_", "OTEL_", "TRACEPARENT"))]:
            patch.delenv(name)
        for name in ("HOME", "USERPROFILE", "APPDATA", "LOCALAPPDATA"):
            patch.setenv(name, str(home))
        # Where this is set every process compiles all modules anew, which takes longer than most of what is tested.
        patch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
        for name in ("NO_COLOR", "FORCE_COLOR", "CLICOLOR", "COLUMNS", "PYTHONWARNINGS"):
            patch.delenv(name, raising=False)
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, (str(SUPPORT), os.environ.get("PYTHONPATH", "")))))
        yield home


@pytest.fixture(scope="session")
def postgres() -> Iterator[object]:
    """A PostgreSQL of the session's own. For tests marked `needs("postgres")`."""
    from postgres import running

    with running() as server:
        yield server
