"""What `kp1` means, frozen: a change here makes people pay twice. Do not update the digests; find out what changed."""

from __future__ import annotations

import hashlib
import json
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_pipe.core.keys import PREFIX, ExistingId, canonical, external_id, fields_digest, key_of, pruned
from kling_pipe.model import FileRef, OutputRef

# RFC 8785, appendix B: the double as its IEEE 754 bits, and how it is written.
NUMBERS = {
    "0000000000000000": "0",
    "8000000000000000": "0",
    "0000000000000001": "5e-324",
    "8000000000000001": "-5e-324",
    "7fefffffffffffff": "1.7976931348623157e+308",
    "ffefffffffffffff": "-1.7976931348623157e+308",
    "4340000000000000": "9007199254740992",
    "c340000000000000": "-9007199254740992",
    "4430000000000000": "295147905179352830000",
    "44b52d02c7e14af5": "9.999999999999997e+22",
    "44b52d02c7e14af6": "1e+23",
    "44b52d02c7e14af7": "1.0000000000000001e+23",
    "444b1ae4d6e2ef4e": "999999999999999700000",
    "444b1ae4d6e2ef4f": "999999999999999900000",
    "444b1ae4d6e2ef50": "1e+21",
    "3eb0c6f7a0b5ed8c": "9.999999999999997e-7",
    "3eb0c6f7a0b5ed8d": "0.000001",
    "41b3de4355555553": "333333333.3333332",
    "41b3de4355555554": "333333333.33333325",
    "41b3de4355555555": "333333333.3333333",
    "41b3de4355555556": "333333333.3333334",
    "41b3de4355555557": "333333333.33333343",
    "becbf647612f3696": "-0.0000033333333333333333",
    "43143ff3c1cb0959": "1424953923781206.2",
}


@pytest.mark.parametrize(("bits", "text"), NUMBERS.items())
def test_numbers_are_written_as_rfc_8785_says(bits: str, text: str) -> None:
    """The samples of the RFC's appendix B."""
    assert canonical(struct.unpack(">d", bytes.fromhex(bits))[0]) == text


def test_the_example_of_rfc_8785() -> None:
    """Section 3.2.2, with strings that need escapes."""
    given_ = {
        "numbers": [333333333.33333329, 1e30, 4.50, 2e-3, 0.000000000000000000000000001],
        "string": "\u20ac$\u000f\u000aA'\u0042\u0022\u005c\\\"/",
        "literals": [None, True, False],
    }
    assert canonical(given_) == (
        '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],'
        '"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
    )


def test_names_are_sorted_by_utf_16() -> None:
    """Section 3.2.3: an emoji (a surrogate pair) comes before U+FB33."""
    names = ["\u20ac", "\r", "\ufb33", "1", "\U0001f600", "\u0080", "\u00f6"]
    assert list(json.loads(canonical(dict.fromkeys(names, 0)))) == [
        "\r",
        "1",
        "\u0080",
        "\u00f6",
        "\u20ac",
        "\U0001f600",
        "\ufb33",
    ]


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_what_json_cannot_say_has_no_key(number: float) -> None:
    """NaN and infinity are refused, not guessed."""
    with pytest.raises(ValueError, match="NaN"):
        canonical({"a": number})


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(st.characters(codec="utf-8")), st.floats(-1e15, 1e15)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text(st.characters(codec="utf-8")), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(JSON)
def test_canonical_json_is_json(value: Any) -> None:
    """It reads back as what it was, and is the same however the names were ordered."""
    text = canonical(value)
    assert json.loads(text) == value
    assert canonical(json.loads(text)) == text
    if isinstance(value, dict):
        assert canonical(dict(reversed(value.items()))) == text


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_double_reads_back(number: float) -> None:
    """The shortest digits that give the same double again."""
    assert float(canonical(number)) == number


GOLDEN: dict[str, tuple[str, dict[str, Any], str]] = {
    "text": ("text2video", {"model_name": "kling-v3", "prompt": "A cup", "duration": "5"}, "54e3b32fde030b6c93b7"),
    "unicode": (
        "text2video",
        {"model_name": "kling-v3", "prompt": "春が来た 😀 é e\u0301 \u2028"},
        "2d864aadec7c93c752fc",
    ),
    "floats": ("text2video", {"model_name": "kling-v1-6", "prompt": "A cup", "cfg_scale": 0.7}, "75ddf6a761182428c908"),
    "whole float": (
        "text2video",
        {"model_name": "kling-v1-6", "prompt": "A cup", "cfg_scale": 1.0},
        "2b246cb17623dfa373d3",
    ),
    "tiny float": (
        "text2video",
        {"model_name": "kling-v1-6", "prompt": "A cup", "cfg_scale": 1e-7},
        "eba0bcb8394e0dcb4ad3",
    ),
    "boolean": ("omni-video", {"multi_shot": True, "n": 1}, "55016d8cfcd83dc7d8a7"),
    "element by id": (
        "omni-video",
        {"element_list": [{"element_id": ExistingId(829836802793406551)}]},
        "c66cae40272b26a4ee15",
    ),
    "file": ("omni-video", {"image_list": [{"image_url": FileRef("/a/b.png", "ab" * 32, 7)}]}, "1598b9e9ec3821c841cb"),
    "url": (
        "omni-video",
        {"image_list": [{"image_url": "https://example.com/a.png?b=c&d=%20"}]},
        "93500c8126ffe7aee627",
    ),
    "output": (
        "omni-video",
        {"image_list": [{"image_url": OutputRef("image.a@x#2", "image", 2, 3), "type": "first_frame"}]},
        "ada1f5f406461f78c8d2",
    ),
    "first output": (
        "omni-video",
        {"element_list": [{"element_id": OutputRef("element.hana", "element")}]},
        "72bdda51525fe8eb190f",
    ),
    "nothing": ("element", {}, "a6e70ca6e0761130a47f"),
}


@pytest.mark.parametrize("name", GOLDEN)
def test_keys_are_frozen(name: str) -> None:
    """Each kind of leaf, digested once and for all."""
    operation, request, digest = GOLDEN[name]
    assert key_of(operation, request, lambda address: hashlib.sha256(address.encode()).hexdigest()).startswith(digest)


def test_what_is_digested_is_this_very_text() -> None:
    """The key is the SHA-256 of one canonical document, so that anybody can compute it."""
    request = {
        "prompt": "A cup",
        "image_list": [{"image_url": FileRef("/a.png", "00", 1)}],
        "element_list": [{"element_id": ExistingId(7)}],
    }
    text = (
        '{"operation":"omni-video","request":{"element_list":[{"element_id":"7"}],'
        '"image_list":[{"image_url":{"sha256":"00"}}],"prompt":"A cup"},"v":1}'
    )
    assert key_of("omni-video", request, str) == hashlib.sha256(text.encode()).hexdigest()


def test_only_content_counts_in_a_file_and_a_reference() -> None:
    """The path of a file and the address of a job are not in a key; bytes, take and output are."""

    def key(value: Any, at: str = "k") -> str:
        return key_of("omni-video", {"image": value}, lambda _: at)

    assert key(FileRef("/a", "11", 1)) == key(FileRef("/b", "11", 1))
    assert key(FileRef("/a", "11", 1)) != key(FileRef("/a", "12", 1))
    assert key(OutputRef("image.a", "image")) == key(OutputRef("image.b", "image"))
    assert key(OutputRef("image.a", "image")) != key(OutputRef("image.a", "image"), "other")
    assert key(OutputRef("image.a", "image")) != key(OutputRef("image.a", "image", 2))
    assert key(OutputRef("image.a", "image")) != key(OutputRef("image.a", "image", 1, 2))


def test_an_id_of_18_digits_never_goes_through_a_float() -> None:
    """Neighbours above 2^53 stay apart."""
    keys = {
        key_of("omni-video", {"element_list": [{"element_id": ExistingId(829836802793406551 + step)}]}, str)
        for step in range(4)
    }
    assert len(keys) == 4


@pytest.mark.parametrize(
    ("value", "left"),
    [
        ({"a": "", "b": None, "c": [], "d": 0, "e": False, "f": {}}, {"d": 0, "e": False, "f": {}}),
        ({"a": {"b": ""}, "c": [{"d": None, "e": 1}]}, {"a": {}, "c": [{"e": 1}]}),
        ({"a": ["", None, []]}, {"a": ["", None, []]}),
        ({"a": " "}, {"a": " "}),
    ],
)
def test_what_kling_reads_as_absent_is_absent(value: Any, left: Any) -> None:
    """Empty text, null and empty lists go; zero and false stay; places in a list stay."""
    assert pruned(value) == left


def test_external_ids() -> None:
    """Suffixes from 2 on only, at most 64 characters with the longest project."""
    key = "0123456789abcdef" * 4
    assert PREFIX == "kp1"
    assert external_id("tea", key) == "kp1-tea-0123456789abcdef0123"
    assert external_id("tea", key, 2) == "kp1-tea-0123456789abcdef0123-t2"
    assert external_id("tea", key, 1, 3) == "kp1-tea-0123456789abcdef0123-a3"
    assert len(external_id("p" * 24, key, 999, 999)) <= 64


def test_fields_digest_says_which_field_changed() -> None:
    """One short digest per field; a change of one leaves the others."""
    before = fields_digest({"prompt": "A cup", "mode": "std"}, str)
    after = fields_digest({"prompt": "A cup", "mode": "pro"}, str)
    assert [name for name in before if before[name] != after[name]] == ["mode"]
    assert all(len(digest) == 8 for digest in before.values())


def test_no_file_of_the_project_names_another_prefix() -> None:
    """The prefix stands in one place."""
    package = Path(__file__).parents[2] / "kling_pipe"
    assert [path.name for path in package.rglob("*.py") if f'"{PREFIX}"' in path.read_text("utf-8")] == ["keys.py"]
