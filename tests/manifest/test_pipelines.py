"""The example pipelines compile, and `spring-tea` into these very requests."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path

import pytest

import kling_pipe
from kling_pipe.manifest import Manifest
from kling_pipe.report.requests import request_form

ROOT = Path(__file__).parents[2]
PIPELINES = sorted(path for path in (ROOT / "pipelines").rglob("*.yaml") if "\nproject:" in path.read_text("utf-8"))
GOLDENS = Path(__file__).parent.parent / "cases" / "manifest" / "render"


def rendered(manifest: Manifest) -> str:
    """All requests by address, as `render` shows them."""
    return (
        json.dumps(
            {job.address: request_form(job.request, manifest.root) for job in manifest.jobs},
            ensure_ascii=False,
            indent=1,
        )
        + "\n"
    )


@pytest.mark.parametrize("path", PIPELINES, ids=lambda path: path.stem)
def test_every_pipeline_compiles(path: Path) -> None:
    """Without errors; a warning is one of those that the examples are meant to show."""
    manifest = kling_pipe.load(path)
    assert manifest.jobs
    assert {problem.rule for problem in manifest.problems if problem.level == "warn"} <= {"OV-19"}
    assert kling_pipe.load(path).jobs == manifest.jobs


@pytest.mark.parametrize(("name", "profile"), [("spring-tea", ""), ("spring-tea", "draft"), ("quickstart", "")])
def test_requests_are_frozen(name: str, profile: str) -> None:
    """Field by field; UPDATE_GOLDENS=1 writes what comes out now, and the keys' own goldens say whether it may."""
    found = rendered(kling_pipe.load(ROOT / "pipelines" / f"{name}.yaml", profile=profile))
    golden = GOLDENS / f"{name}{f'.{profile}' if profile else ''}.json"
    if os.environ.get("UPDATE_GOLDENS"):
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(found, encoding="utf-8", newline="\n")
    assert found == golden.read_text(encoding="utf-8")


def test_the_batch_has_sixty_films() -> None:
    """Ten teas in three languages and two formats, each with a place of its own."""
    jobs = kling_pipe.load(ROOT / "pipelines" / "batch" / "batch.yaml").jobs
    assert len(jobs) == len({job.key for job in jobs}) == len({job.place for job in jobs}) == 60
    assert Counter(job.cell["language"] for job in jobs) == {"en": 20, "ja": 20, "de": 20}


def test_the_library_makes_what_is_used() -> None:
    """Two elements under the library's own project, and the films under the campaign's."""
    jobs = kling_pipe.load(ROOT / "pipelines" / "library.yaml").jobs
    assert {job.address: job.project for job in jobs} == {
        "element.brand.hana": "tea-brand",
        "element.brand.kettle": "tea-brand",
        "video.greeting": "library-campaign",
        "video.pouring": "library-campaign",
    }
