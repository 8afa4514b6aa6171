"""A job survives the way to another machine."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from kling_pipe.core.keys import ExistingId
from kling_pipe.engine.fleet.serialization import files_of, job_form, job_of
from kling_pipe.manifest import compile_manifest
from kling_pipe.model import FileRef, Job, OutputRef, PresetRef

SPRING = Path(__file__).parents[2] / "pipelines" / "spring-tea.yaml"


@pytest.mark.parametrize("job", compile_manifest(SPRING).jobs, ids=lambda job: job.address)
def test_a_real_job_is_the_same_there(job: Job) -> None:
    """Through JSON text; only its place in the manifest stays behind."""
    assert job_of(json.loads(json.dumps(job_form(job)))) == replace(job, position=None)


def test_every_kind_of_value_travels() -> None:
    """Ids of 18 digits stay integers of their own kind, however deep they lie."""
    file = FileRef("/a/b.png", "ab" * 32, 3)
    request = {
        "deep": [{"id": ExistingId(860000000000015839), "file": file}],
        "output": OutputRef("image.a", "image", 2, 3),
        "preset": PresetRef("voice", "Lily"),
        "plain": {"text": "t", "number": 1.5, "no": False, "nothing": None},
    }
    job = Job("video.a", "video.a", "video", "a", 1, "omni-video", request, "k", "p", ("image.a",), {"x": "y"}, ("t",))

    back = job_of(json.loads(json.dumps(job_form(job))))

    assert back == job
    assert type(back.request["deep"][0]["id"]) is ExistingId
    assert list(files_of(back.request)) == [file]
