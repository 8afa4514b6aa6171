"""What changes a key and what never does, through the whole compiler."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from kling_pipe.core.keys import external_id
from kling_pipe.manifest import Manifest, compile_manifest

ROOT = Path(__file__).parents[2]
QUIET = settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))

# The ids of the example campaign. A change here would make its users pay again.
SPRING_TEA = {
    "element.hana": "kp1-spring-tea-e562f6a29666a0c8c503",
    "element.kettle": "kp1-spring-tea-d4548b80337c205a038e",
    "image.keyframe@16x9": "kp1-spring-tea-f442dc86ae5f89fd1dc6",
    "image.keyframe@16x9#2": "kp1-spring-tea-f442dc86ae5f89fd1dc6-t2",
    "image.keyframe@9x16": "kp1-spring-tea-a2ab0139ec6b0c17d48d",
    "image.keyframe@9x16#2": "kp1-spring-tea-a2ab0139ec6b0c17d48d-t2",
    "video.teaser@jp-16x9": "kp1-spring-tea-d6300eff47b103c23b3a",
    "video.teaser@us-16x9": "kp1-spring-tea-58f4f79a215fdf46257a",
    "video.teaser@jp-9x16": "kp1-spring-tea-8ceaf4d0c0d432df5ff2",
    "video.teaser_ending@jp-16x9": "kp1-spring-tea-60c757c2092ae04ea300",
    "video.teaser_ending@us-16x9": "kp1-spring-tea-675d2ff74bc3260da21b",
}

BASE: dict[str, Any] = {
    "version": 1,
    "project": "p",
    "vars": {"look": "soft"},
    "defaults": {
        "videos": {"model_name": "kling-v3-omni", "sound": "off", "aspect_ratio": "16:9"},
        "images": {"model_name": "kling-v3-omni"},
    },
    "elements": {"hana": 829836802793406551},
    "images": {
        "logo": "a.png",
        "frame": {
            "prompt": "A cup in {{ vars.look }} light, {{ image.logo }}",
            "matrix": {"ratio": ["16:9", "9:16"]},
            "aspect_ratio": "{{ matrix.ratio }}",
        },
    },
    "videos": {
        "film": {
            "first_frame": "image.frame['16:9']",
            "prompt": "{{ element.hana }} by {{ image.logo }}",
            "duration": 5,
        },
        "shots": {"shots": [{"duration": 2, "prompt": "{{ element.hana }}"}, {"duration": 3, "prompt": "A pot"}]},
        "next": {"continues": "video.film", "prompt": "After {{ video.film }}", "mode": "std"},
    },
}


@pytest.fixture(name="folder", scope="module")
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        for number, file in enumerate(("a.png", "b.png", "deep/a.png")):
            (Path(name) / file).parent.mkdir(exist_ok=True)
            Image.new("RGB", (400, 400), (number % 2 * 90, 0, 0)).save(Path(name) / file)
        yield Path(name)


def compiled(folder: Path, data: dict[str, Any] | str) -> Manifest:
    """Compile data, or a text as it is."""
    text = data if isinstance(data, str) else yaml.safe_dump(data, sort_keys=False, allow_unicode=True)
    (folder / "m.yaml").write_text(text, encoding="utf-8", newline="")
    return compile_manifest(folder / "m.yaml")


def keys(folder: Path, data: dict[str, Any] | str) -> list[str]:
    """All keys, sorted: what is asked for, not what it is called."""
    return sorted(job.key for job in compiled(folder, data).jobs)


def changed(**paths: Any) -> dict[str, Any]:
    """The base with values replaced; `videos__film__mode="std"` names a place, None takes it away."""
    data = yaml.safe_load(yaml.safe_dump(BASE))
    for path, value in paths.items():
        *above, last = path.split("__")
        node = data
        for step in above:
            node = node.setdefault(step, {})
        node[last] = value
    assert isinstance(data, dict)
    return data


def test_the_ids_of_the_example_campaign_are_frozen() -> None:
    """From YAML to `external_task_id`, coercion, numbering and dropped defaults included."""
    manifest = compile_manifest(ROOT / "pipelines" / "spring-tea.yaml")
    assert {job.address: external_id(job.project, job.key, job.take) for job in manifest.jobs} == SPRING_TEA


@given(st.randoms(use_true_random=False))
@QUIET
def test_the_order_of_names_never_changes_a_key(folder: Path, chance: random.Random) -> None:
    """Mappings may be written in any order; lists may not."""

    def shuffled(value: Any) -> Any:
        if isinstance(value, dict):
            items = [(name, shuffled(item)) for name, item in value.items()]
            chance.shuffle(items)
            return dict(items)
        return [shuffled(item) for item in value] if isinstance(value, list) else value

    assert keys(folder, shuffled(BASE)) == keys(folder, BASE)


@given(
    style=st.sampled_from([True, False, None]),
    quote=st.sampled_from(["'", '"', "|", ">", None]),
    width=st.integers(20, 500),
    indent=st.integers(2, 8),
    ends=st.sampled_from(["\n", "\r\n"]),
)
@QUIET
def test_formatting_never_changes_a_key(
    folder: Path, style: bool | None, quote: str | None, width: int, indent: int, ends: str
) -> None:
    """Block, flow, quotes, folding, indentation, line ends."""
    text = yaml.dump(BASE, default_flow_style=style, default_style=None, width=width, indent=indent, sort_keys=False)
    quoted = (
        yaml.dump(BASE["videos"]["film"]["prompt"], default_style=quote, width=width)
        .replace("\n...\n", "")
        .rstrip("\n")
        .replace("\n", "\n        ")
    )
    folded = f"version: 1\nproject: p\nvars: {{look: soft}}\ndefaults: {BASE['defaults']!r}\n"
    folded += f"elements: {{hana: 829836802793406551}}\nimages: {BASE['images']!r}\n"
    folded += f"videos:\n  film:\n    first_frame: image.frame['16:9']\n    duration: 5\n    prompt: {quoted}\n"
    assert keys(folder, text.replace("\n", ends)) == keys(folder, BASE)
    film = next(job for job in compiled(folder, BASE).jobs if job.name == "film")
    assert film.key in keys(folder, folded.replace("\n", ends))


@pytest.mark.parametrize(
    "paths",
    [
        {"videos__film__tags": ["a"]},
        {"videos__film__save_as": "x/y.mp4"},
        {"videos__film__retries": 3},
        {"videos__film__needs": ["element.hana"]},
        {"project": "other"},
        {"budget": {"usd": 1}},
        {"limits": {"video": 1}},
        {"retries": 2},
        {"images__logo": "deep/a.png"},
        {"images__logo": "./a.png"},
        {"videos__film__duration": "5"},
        {"videos__film__duration": 5.0},
        {"videos__film__mode": ""},
        {"videos__film__mode": None},
        {"vars__other": 1},
        {"elements__hana": "829836802793406551"},
        {"videos__film__prompt": "  {{ element.hana }} by {{ image.logo }}\n"},
        {"videos__film__frozen": False},
        {
            "videos__film__prompt": "<<<element_1>>> by <<<image_2>>>",
            "videos__film__references": ["element.hana", "image.logo"],
        },
        {"x-mine": 1},
        {"videos__film__references": []},
        {"profiles": {"draft": {"videos": {"mode": "std"}}}},
        {"videos__film__pick": 1},
        {"defaults__videos__duration": 7},
        {"images__frame__prompt": "A cup in soft light, {{ image.logo }}"},
        {"videos__film__first_frame": "image.frame@16x9"},
        {"defaults__elements": {"tags": ["a"]}},
    ],
    ids=str,
)
def test_what_is_not_content_never_changes_a_key(folder: Path, paths: dict[str, Any]) -> None:
    """Names of places, tags, budgets, and other ways to write the same request."""
    before = {job.name: job.key for job in compiled(folder, BASE).jobs}
    after = {job.name: job.key for job in compiled(folder, changed(**paths)).jobs}
    if "defaults__videos__duration" in paths:  # it is content for the one film that wrote no length
        before.pop("next"), after.pop("next")
    assert after == before


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        ({"videos__film__prompt": "{{ element.hana }}  by {{ image.logo }}"}, {"film", "next"}),
        ({"videos__film__prompt": "{{ element.hana }} By {{ image.logo }}"}, {"film", "next"}),
        ({"videos__film__duration": 6}, {"film", "next"}),
        ({"videos__film__mode": "pro"}, {"film", "next"}),
        ({"videos__next__mode": "pro"}, {"next"}),
        ({"vars__look": "hard"}, {"frame", "film", "next"}),
        ({"images__logo": "b.png"}, {"frame", "film", "next"}),
        ({"images__logo": "https://example.com/a.png"}, {"frame", "film", "next"}),
        ({"elements__hana": 829836802793406552}, {"film", "shots", "next"}),
        ({"defaults__videos__sound": "on", "videos__next__sound": "off"}, {"film", "shots", "next"}),
        ({"videos__film__first_frame": "image.frame['9:16']"}, {"film", "next"}),
        ({"videos__film__references": ["image.frame['9:16']"]}, {"film", "next"}),
        (
            {
                "videos__shots__shots": [
                    {"duration": 3, "prompt": "{{ element.hana }}"},
                    {"duration": 2, "prompt": "A pot"},
                ]
            },
            {"shots"},
        ),
        ({"videos__film__raw": {"new": 1}}, {"film", "next"}),
        ({"defaults__videos__mode": "pro"}, {"film", "shots", "next"}),
        (
            {
                "videos__film__api": "image2video",
                "videos__film__model_name": "kling-v3",
                "videos__film__prompt": "A cup",
            },
            {"film", "next"},
        ),
    ],
    ids=lambda value: " ".join(sorted(value)),
)
def test_what_reaches_the_api_changes_the_key_and_those_below(
    folder: Path, paths: dict[str, Any], names: set[str]
) -> None:
    """And nothing else."""
    before = {(job.name, job.address): job.key for job in compiled(folder, BASE).jobs}
    after = {(job.name, job.address): job.key for job in compiled(folder, changed(**paths)).jobs}
    assert {name for (name, address), key in before.items() if after[name, address] != key} - names == set()
    assert all(any(after[mark] != key for mark, key in before.items() if mark[0] == name) for name in names)


@given(
    st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1, max_size=60),
    st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=60),
)
@QUIET
def test_every_byte_of_a_prompt_counts(folder: Path, one: str, other: str) -> None:
    """Two prompts have one key exactly when they are the same text, white space at the ends apart."""

    def key(prompt: str) -> str | None:
        if not prompt.strip() or any(tag in prompt for tag in ("{{", "{%", "{#")):
            return None
        data = {
            "version": 1,
            "project": "p",
            "videos": {"v": {"model_name": "kling-v3-omni", "aspect_ratio": "1:1", "prompt": prompt}},
        }
        return compiled(folder, yaml.safe_dump(data, allow_unicode=False, width=10_000)).jobs[0].key

    first, second = key(one), key(other)
    if first and second:
        assert (first == second) == (one.strip() == other.strip())


def test_renaming_and_moving_keep_the_key(folder: Path) -> None:
    """A job under another name, in another order, with another file name, is the same job."""
    text = yaml.safe_dump(BASE, sort_keys=False)
    renamed = (
        text.replace("film", "movie")
        .replace("  frame:", "  still:")
        .replace("image.frame", "image.still")
        .replace("logo", "mark")
        .replace("hana", "hanna")
    )
    assert "first_frame" in renamed
    assert keys(folder, renamed) == keys(folder, BASE)


def test_more_takes_keep_the_first(folder: Path) -> None:
    """`takes: 1` to `3`: the same key for all, told apart by the id's suffix, and what is below stays."""
    one = compiled(folder, BASE)
    three = compiled(folder, changed(videos__film__takes=3))
    ids = [external_id(job.project, job.key, job.take) for job in three.jobs if job.name == "film"]
    (first,) = [external_id(job.project, job.key, job.take) for job in one.jobs if job.name == "film"]
    assert ids == [first, f"{first}-t2", f"{first}-t3"]
    assert [job.key for job in three.jobs if job.name == "next"] == [job.key for job in one.jobs if job.name == "next"]
    picked = compiled(folder, changed(videos__film__takes=3, videos__film__pick=2))
    assert [job.key for job in picked.jobs if job.name == "next"] != [job.key for job in one.jobs if job.name == "next"]


def test_two_jobs_that_ask_for_the_same_share_a_key(folder: Path) -> None:
    """And an included job has the key that it has alone."""
    manifest = compiled(folder, changed(videos__twin=BASE["videos"]["film"]))
    keys_ = {job.address: job.key for job in manifest.jobs}
    assert keys_["video.twin"] == keys_["video.film"]
