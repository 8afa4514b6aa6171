"""Whatever is in a manifest, compiling it succeeds or says what is wrong: never a traceback."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import kling_pipe
from kling_pipe.errors import ManifestInvalid
from kling_pipe.manifest import Manifest
from kling_pipe.manifest.keywords import BUDGET, KINDS, MATRIX, RECIPE, TOP_LEVEL
from kling_pipe.model import Problem
from kling_pipe.report.problem_text import FORMATS

PIPELINES = Path(__file__).parents[2] / "pipelines"
SOURCES = [
    path.read_text("utf-8") for path in sorted(PIPELINES.rglob("*.yaml")) if "project:" in path.read_text("utf-8")
]
QUIET = settings(
    deadline=None, max_examples=int(os.environ.get("FUZZ_EXAMPLES", "150")), suppress_health_check=list(HealthCheck)
)

NAMES = ["hana", "logo", "frame", "film", "a", "b"]
TEXTS = st.sampled_from(
    [
        "",
        "x",
        "16:9",
        "on",
        "5",
        "{{ vars.look }}",
        "{{ vars }}",
        "{{ matrix.a }}",
        "{{ image.logo }}",
        "{{ video.film.x.y }}",
        "{{ element.hana['x'] }}",
        "{{ image.frame.output(2) }}",
        "{{ image.frame.take(0) }}",
        "{{ image }}",
        "{{ loop }}",
        "{{ self }}",
        "{{ vars.items() }}",
        "{{ vars.look.upper }}",
        "{{ take }}",
        "{{ job.address }}",
        "{{",
        "}}",
        "{% if %}",
        "{{ 1/0 }}",
        "{{ [image.logo] }}",
        "{{ 'x' * 9**9 }}",
        "{{ 1e400 }}",
        "{{ ().__class__ }}",
        "image.logo",
        "image.frame['16:9']#2:3",
        "video.film@x",
        "element.hana",
        "image.",
        "image.a.b.c",
        "image.frame[",
        "../../../etc/passwd",
        "/dev/zero",
        "con",
        "a/b/../../..",
        "\u0000",
        "\ud7ff",
        "😀",
        "é" * 300,
        "<<<image_9>>>",
        "https://example.com/a.png",
        "http://",
        "data:image/png;base64,AAAA",
        "assets/logo.png",
        "assets",
        "omni-video",
        "element",
        "text2video",
        "kling-v3-omni",
        "image2video",
        "kling-v3",
        "A" * 600,
        "batch/teas.csv",
        "library.yaml",
        "brand/brand.yaml",
        ".",
        "~",
        "null",
    ]
)
SCALARS = st.one_of(TEXTS, st.none(), st.booleans(), st.integers(-3, 10**19), st.floats(), st.integers(0, 12))
KEYS = st.one_of(
    st.sampled_from(
        [
            *RECIPE,
            *MATRIX,
            *BUDGET,
            *NAMES,
            "prompt",
            "model_name",
            "duration",
            "first_frame",
            "end_frame",
            "continues",
            "edits",
            "image_list",
            "element_list",
            "video_list",
            "multi_prompt",
            "tag_list",
            "frontal",
            "views",
            "image",
            "sound",
            "index",
            "aspect_ratio",
            "image_url",
            "type",
            "n",
            "x-mine",
        ]
    ),
    st.integers(-1, 3),
    st.booleans(),
    st.none(),
    TEXTS,
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(KEYS, inner, max_size=5)),
    max_leaves=12,
)
RECIPES = st.one_of(VALUES, st.dictionaries(KEYS, VALUES, max_size=8))
TOPS = st.fixed_dictionaries(
    {"version": st.one_of(st.just(1), SCALARS), "project": st.one_of(st.just("p"), SCALARS)},
    optional={
        word: st.one_of(VALUES, st.dictionaries(st.sampled_from([*NAMES, "look", *KINDS]), RECIPES, max_size=4))
        for word in TOP_LEVEL
        if word not in ("version", "project")
    },
)


@cache
def beside_the_pipelines() -> Path:
    """A copy of the example pipelines, so that their assets, tables and includes are at hand."""
    folder = Path(tempfile.mkdtemp(prefix="kling-pipe-fuzz-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(shutil.copytree(PIPELINES, folder / "pipelines"))


def _is_well_told(problems: Sequence[Problem]) -> None:
    assert any(one.level == "error" for one in problems)
    assert all(one.position and one.message and one.id for one in problems)
    for form in FORMATS.values():
        form(problems)


def compiled(text: str | bytes, **how: Any) -> Manifest | None:
    """Compile a text beside the example pipelines; None when it is refused as a manifest should be."""
    raw = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
    file = beside_the_pipelines() / "fuzz.yaml"
    file.write_bytes(raw)
    try:
        found = kling_pipe.load(file, **how)
    except ManifestInvalid as invalid:
        _is_well_told(invalid.problems)
        return None
    assert all(one.level != "error" for one in found.problems)
    assert len({job.address for job in found.jobs}) == len(found.jobs)
    done: set[str] = set()
    for job in found.jobs:
        assert done.issuperset(job.needs)
        done.add(job.address)
    return found


@given(data=VALUES)
@QUIET
def test_any_data(data: Any) -> None:
    """A document of any shape at all."""
    compiled(yaml.safe_dump(data, allow_unicode=True, sort_keys=False))


@given(data=TOPS)
@QUIET
def test_any_manifest(data: dict[str, Any]) -> None:
    """The right words with any values."""
    compiled(yaml.safe_dump(data, allow_unicode=True, sort_keys=False))


@given(text=st.text(max_size=200))
@example("\ufeff")
@example("%YAML 9.9\n---\na: b")
@example("&a [*a, *a]")
@example("? ? ? a")
@example("a: !!python/object:os.system x")
@example("--- |\n\x85\u2028")
@QUIET
def test_any_text(text: str) -> None:
    """Anything that a file can hold as text."""
    compiled(text)


@given(raw=st.binary(max_size=100))
@QUIET
def test_any_bytes(raw: bytes) -> None:
    """Anything that a file can hold."""
    compiled(raw)


@given(st.data())
@QUIET
def test_a_pipeline_with_a_piece_replaced(data: st.DataObject) -> None:
    """A good manifest with some characters cut, doubled or exchanged."""
    text = data.draw(st.sampled_from(SOURCES))
    start = data.draw(st.integers(0, len(text)))
    end = min(len(text), start + data.draw(st.integers(0, 40)))
    piece = data.draw(
        st.one_of(
            st.just(""),
            st.just(text[start:end] * 2),
            TEXTS,
            st.sampled_from(["\t", "\n", ": ", "- ", "{", "[", "'", '"', "#", "&a ", "*a", "<<: "]),
        )
    )
    compiled(text[:start] + piece + text[end:])


@given(st.data())
@QUIET
def test_a_pipeline_with_a_value_replaced(data: st.DataObject) -> None:
    """A good manifest in which one value, anywhere, is another one."""
    manifest = yaml.load(data.draw(st.sampled_from(SOURCES)), yaml.BaseLoader)  # our own files, as text
    manifest["version"] = 1
    node: Any = manifest
    while isinstance(node, dict | list) and node:
        place = data.draw(st.sampled_from(list(node) if isinstance(node, dict) else range(len(node))))
        if not isinstance(node[place], dict | list) or not node[place] or data.draw(st.integers(0, 3)) == 0:
            node[place] = data.draw(VALUES)
            break
        node = node[place]
    compiled(yaml.safe_dump(manifest, allow_unicode=True, sort_keys=False))


@pytest.mark.parametrize("depth", [50, 1_000, 100_000])
@pytest.mark.parametrize("piece", ["[", "{a: ", "- ", "? "])
def test_nesting_without_end(depth: int, piece: str) -> None:
    """Brackets in brackets, as deep as somebody likes."""
    assert compiled(piece * depth) is None


@pytest.mark.parametrize(
    "variables",
    [{"look": "{{ x }}"}, {"look": object()}, {"look": "\ud800"}, {"nothing": 1}, {"look": [1, {"a": None}]}],
)
def test_variables_of_any_kind(variables: dict[str, Any]) -> None:
    """What comes from the command line or from Python is no better than what stands in the file."""
    compiled(SOURCES[-1], vars=variables)
    compiled((PIPELINES / "quickstart.yaml").read_text("utf-8"), vars=variables)
