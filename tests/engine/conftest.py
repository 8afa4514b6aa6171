"""A fresh emulator and a fresh folder for each test of the engine."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from bench import Bench


@pytest.fixture
def bench(tmp_path):
    """An account on an emulator of its own, tiny media, tasks of 0.05 s."""
    from kling_pipe.emulator.testing import running

    root = tmp_path / "campaign"
    root.mkdir()
    with running(tmp_path / "kling", media="tiny", task_seconds=0.05) as server:
        yield Bench(server, root)
