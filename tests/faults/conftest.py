"""One emulator for all fault tests, which forgets everything before each, and an empty folder."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from scenario import CHAIN, PICTURE, Stage


@pytest.fixture(scope="session")
def kling(tmp_path_factory):
    """A local Kling with tiny media and tasks of 0.02 s."""
    from kling_pipe.emulator.testing import running

    with running(tmp_path_factory.mktemp("kling"), media="tiny", task_seconds=0.02) as server:
        yield server


@pytest.fixture
def picture(kling, tmp_path):
    """A campaign of one picture."""
    stage = Stage(kling, tmp_path / "campaign").write(PICTURE)
    stage.reset()
    yield stage
    stage.end()


@pytest.fixture
def chain(picture):
    """An element, a picture that uses it, a clip that begins with the picture."""
    return picture.write(CHAIN)
