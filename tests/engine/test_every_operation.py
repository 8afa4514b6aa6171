"""The example manifest of every operation, from YAML to files, and a second time without a single task."""

import json
import urllib.request
from pathlib import Path

import av
import pytest
from PIL import Image

import kling_pipe
from kling_pipe.catalog import operations
from kling_pipe.emulator import ensure

FOLDER = Path(__file__).parents[2] / "pipelines" / "operations"
EXAMPLES = sorted(path.stem for path in FOLDER.glob("*.yaml"))
REAL = {"chain", "video-to-audio", "image-recognize", "virtual-try-on"}
"""Run with real media, the others with small constant files: every medium and every way from one job to another."""


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    """Two local Klings, one that draws and one that does not."""
    folder = tmp_path_factory.mktemp("servers")
    return {
        media: (folder / media, ensure(folder / media, media=media, speed=10, idle_exit=60))
        for media in ("tiny", "real")
    }


def created(running):
    with urllib.request.urlopen(f"{running.base_url}/_emulator/ledger", timeout=10) as answer:
        return sum(json.load(answer)["creates"].values())


def copied(name, folder):
    """The manifest beside its pictures, in a folder of its own."""
    for path in [FOLDER / f"{name}.yaml", *FOLDER.parent.glob("assets/*.png")]:
        target = folder / path.relative_to(FOLDER.parent)
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(path.read_bytes())
    return folder / "operations" / f"{name}.yaml"


def run(path, state):
    manifest = kling_pipe.load(path)
    workspace = kling_pipe.open_workspace(manifest, emulator=True, state=state, environ={})
    planned = kling_pipe.plan(manifest, workspace)
    return manifest, planned, kling_pipe.run(planned, workspace=workspace)


def test_every_operation_has_an_example():
    """Those of the first pages stand in the larger examples."""
    elsewhere = {
        "element",
        "image-generation",
        "image2video",
        "multi-image2video",
        "omni-image",
        "omni-video",
        "text2video",
    }
    assert set(EXAMPLES) - {"chain"} == set(operations.names()) - elsewhere


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_is_made_once(name, servers, tmp_path):
    """Every job is made and saved; the second run finds all of it and sends nothing."""
    state, running = servers["real" if name in REAL else "tiny"]
    path = copied(name, tmp_path)
    manifest, _, result = run(path, state)
    assert [(one.ending, one.message) for one in result.outcomes] == [("made", "")] * len(manifest.jobs)
    files = [path.parent / output.path for one in result.outcomes for output in one.record.outputs if output.path]
    assert all(file.is_file() for file in files)
    if name in REAL:
        assert all(decodes(file) for file in files)
    before = created(running)
    _, _, again = run(path, state)
    assert {one.ending for one in again.outcomes} == {"reused"}
    assert created(running) == before


def decodes(file):
    if file.suffix == ".png":
        Image.open(file).load()
        return True
    with av.open(str(file)) as container:
        return any(True for _ in container.decode())


def test_a_preset_that_kling_has_not_fails_its_job_alone(servers, tmp_path):
    """The name is looked up when it is needed; a wrong one is told with the near one."""
    state, _ = servers["tiny"]
    path = copied("voice", tmp_path)
    path.write_text(path.read_text(encoding="utf-8").replace("Paper Fox", "Paper Fax"), encoding="utf-8")
    _, _, result = run(path, state)
    (failed,) = [one for one in result.outcomes if one.ending == "failed"]
    assert failed.address == "image.meeting"
    assert "did you mean `Paper Fox`?" in failed.message
