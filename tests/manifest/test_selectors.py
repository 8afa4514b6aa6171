"""Selectors: globs, tags, states, and all above and below."""

from __future__ import annotations

from pathlib import Path

import pytest

from kling_pipe.errors import UsageError
from kling_pipe.manifest import compile_manifest
from kling_pipe.manifest.selectors import chosen

JOBS = compile_manifest(Path(__file__).parents[2] / "pipelines" / "spring-tea.yaml").jobs


@pytest.mark.parametrize(
    ("select", "exclude", "count"),
    [
        ([], [], 11),
        (["video.*"], [], 5),
        (["*"], [], 11),
        (["image.keyframe"], [], 4),
        (["image.keyframe@16x9"], [], 2),
        (["image.keyframe@16x9#2"], [], 1),
        (["image.keyframe@16x9#1"], [], 2),
        (["tag:hero"], [], 3),
        (["tag:h*"], [], 3),
        (["element.hana"], [], 1),
        (["+video.teaser@jp-9x16"], [], 4),
        (["element.hana+"], [], 10),
        (["+image.keyframe@9x16#2+"], [], 3),
        (["video.*", "element.*"], ["tag:campaign"], 4),
        ([], ["*"], 0),
        (["video.teaser@jp*"], [], 2),
    ],
)
def test_selectors(select: list[str], exclude: list[str], count: int) -> None:
    """How many jobs of the spring campaign each one chooses."""
    assert len(chosen(JOBS, select, exclude)) == count


def test_states() -> None:
    """`state:` asks what the caller knows; jobs it does not know are new; no state at all chooses nothing."""
    states = {"element.hana": "failed"}
    assert chosen(JOBS, ["state:failed"], states=states) == {"element.hana"}
    assert len(chosen(JOBS, ["state:new"], states=states)) == 10
    assert chosen(JOBS, ["state:running"], states=states) == set()
    with pytest.raises(UsageError):
        chosen(JOBS, ["state:failed"])


@pytest.mark.parametrize(
    ("pick", "hint"),
    [
        ("video.teser", "video.teaser"),
        ("tag:her", "hero"),
        ("nothing.at.all", "element.hana"),
        ("image.keyframe@1x1", "image.keyframe"),
    ],
)
def test_a_selector_that_names_nothing_is_an_error(pick: str, hint: str) -> None:
    """With what was probably meant, or what there is."""
    with pytest.raises(UsageError) as caught:
        chosen(JOBS, [pick])
    assert hint in caught.value.hint
