"""Requests that are alike get the same answer from the check: the short cut of the compiler is allowed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kling_pipe.catalog.operations import operations
from kling_pipe.catalog.validation import check
from kling_pipe.errors import ManifestInvalid
from kling_pipe.manifest import compile_manifest
from kling_pipe.manifest.check_cache import request_shape
from kling_pipe.manifest.operation_layout import layout_of
from kling_pipe.model import FileRef, OutputRef

TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=80)
TOKENS = st.lists(st.sampled_from(["<<<image_1>>>", "<<<element_1>>>", "<<<video_1>>>", "<<<image_2>>>"]), max_size=3)


def prompt(words: list[str], tokens: list[str]) -> str:
    """Tokens in order between words."""
    text = " ".join(part for pair in zip([*words, *["x"] * 9], tokens, strict=False) for part in pair)
    return f"{words[0]} {text}".strip() or "x"


def bodies(name: str, one: str, other: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Two requests of an operation that differ in every prompt alone."""
    form = layout_of(operations()[name])
    made: list[dict[str, Any]] = []
    for text in (one, other):
        body: dict[str, Any] = {"image_list": [{"image_url": "https://example.com/a.png"}], "mode": "std"}
        for pattern in form.prompts:
            if len(pattern) == 1:
                body[pattern[0]] = text
            else:
                body[pattern[0]] = [{pattern[-1]: text, "index": 1, "duration": "5"}]
        made.append(body)
    return made[0], made[1]


@pytest.mark.parametrize("name", [name for name, one in operations().items() if one.kling["prompts"]])
@settings(deadline=None, max_examples=40)
@given(st.lists(TEXTS, min_size=1, max_size=3), st.lists(TEXTS, min_size=1, max_size=3), TOKENS)
def test_the_words_of_a_prompt_tell_the_rules_nothing(
    name: str, one: list[str], other: list[str], tokens: list[str]
) -> None:
    """Same tokens, other words: if they are alike, the findings are the same."""
    operation = operations()[name]
    first, second = bodies(name, prompt(one, tokens), prompt(other, tokens))
    alike = request_shape(layout_of(operation), first, {})
    if alike is not None and alike == request_shape(layout_of(operation), second, {}):
        assert check(operation, first) == check(operation, second)


@pytest.mark.parametrize("name", [name for name, one in operations().items() if one.kling["prompts"]])
def test_no_limit_on_a_prompt_is_below_the_short_cut(name: str) -> None:
    """Prompts that the short cut takes are within every limit on their length."""
    form = layout_of(operations()[name])
    assert form.shortest_prompt > 0
    for pattern in form.prompts:
        schema: Any = operations()[name].schema
        for step in pattern:
            schema = schema["items"] if step == "*" else schema["properties"][step]
        long = "x" * (schema.get("maxLength", 10_000) + 1)
        assert request_shape(form, bodies(name, long, long)[0], {}) is None


def seen(body: dict[str, Any], kinds: dict[int, str] | None = None) -> Any:
    """The likeness of an omni-video."""
    return request_shape(layout_of(operations()["omni-video"]), body, kinds or {})


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ({"prompt": "A cup"}, {"prompt": "A pot"}, True),
        ({"prompt": "<<<image_1>>>"}, {"prompt": "A <<<image_1>>> pot"}, True),
        ({"prompt": "<<<image_1>>>"}, {"prompt": "<<<image_2>>>"}, False),
        ({"mode": "std"}, {"mode": "pro"}, False),
        ({"multi_shot": True}, {"multi_shot": 1}, False),
        (
            {"image_list": [{"image_url": OutputRef("image.a", "image")}]},
            {"image_list": [{"image_url": OutputRef("image.b", "image")}]},
            True,
        ),
        (
            {"image_list": [{"image_url": FileRef("/a", "1", 1)}]},
            {"image_list": [{"image_url": FileRef("/b", "2", 2)}]},
            True,
        ),
        ({"image_list": [{"image_url": FileRef("/a", "1", 1)}]}, {"image_list": [{"image_url": "data:x"}]}, False),
        (
            {"image_list": [{"image_url": "https://a/a"}] * 2},
            {"image_list": [{"image_url": "https://a/a"}, {"image_url": "https://a/b"}]},
            False,
        ),
    ],
)
def test_what_is_alike(one: dict[str, Any], other: dict[str, Any], same: bool) -> None:
    """Words and places of inputs do not count; values, tokens and which inputs are equal do."""
    assert (seen(one) == seen(other)) is same


@pytest.mark.parametrize("text", ["<<image_1>>", "a < b", "@image_1", "x" * 513, "<<<image_1>>>>"])
def test_what_only_a_check_can_judge(text: str) -> None:
    """Misspelt tokens and long prompts take no short cut."""
    assert seen({"prompt": text}) is None


def test_the_kind_of_an_element_counts() -> None:
    """An element from pictures and one from a video are not alike."""
    assert seen({"prompt": "x"}, {0: "image_refer"}) != seen({"prompt": "x"}, {0: "video_refer"})


def test_what_was_clean_once_hides_no_mistake_later(tmp_path: Path) -> None:
    """One process reads a sound manifest, and after it one whose request is the same but for a word it cannot read."""
    fields = "api: omni-video, model_name: kling-v3-omni, mode: std, sound: off, aspect_ratio: 16:9, prompt: A kettle"
    paths = tmp_path / "sound.yaml", tmp_path / "wrong.yaml"
    for path, more in zip(paths, ("", ", duratoin: 5"), strict=True):
        path.write_text(f"version: 1\nproject: p\nvideos: {{ a: {{ {fields}{more} }} }}\n", encoding="utf-8")

    assert compile_manifest(paths[0]).problems == ()
    with pytest.raises(ManifestInvalid) as caught:
        compile_manifest(paths[1])
    assert [(one.id, one.near) for one in caught.value.problems] == [("KP101", "duration")]
