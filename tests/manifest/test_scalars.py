"""What unquoted words mean: YAML 1.2, so that nobody's film gets the shape 969."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_pipe.manifest.yaml.document import parse
from kling_pipe.manifest.yaml.scalars import plain

TEXTS = [
    "16:9",
    "1:1",
    "9:16",
    "1:2:3",
    "on",
    "off",
    "yes",
    "no",
    "On",
    "NO",
    "y",
    "n",
    "2026-11-21",
    "2026-11-21T03:00:00Z",
    "1_000",
    "0b101",
    "1e",
    "e5",
    "0x",
    "0o",
    "0o8",
    "+",
    "-",
    ".",
    "..",
    "- ",
    "1.2.3",
    "1,5",
    "=",
    "nan",
    "inf",
    "NaN",
    ".infinity",
    "TRUE!",
    "tRUE",
    "nUll",
    "1 2",
    "٣",
    "½",
]


@pytest.mark.parametrize("text", TEXTS)
def test_words_stay_words(text: str) -> None:
    """What YAML 1.1 turns into minutes, booleans, dates or octals is text."""
    assert plain(text) == text


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0),
        ("012", 12),
        ("-3", -3),
        ("+7", 7),
        ("0o14", 12),
        ("0xFf", 255),
        ("829836802793406551", 829836802793406551),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1.", 1.0),
        ("-1e3", -1000.0),
        ("6.02E+23", 6.02e23),
        ("1e400", math.inf),
        ("true", True),
        ("True", True),
        ("FALSE", False),
        ("null", None),
        ("~", None),
        ("", None),
        (".inf", math.inf),
        ("-.INF", -math.inf),
    ],
)
def test_the_core_schema(text: str, value: object) -> None:
    """Numbers, booleans and null of YAML 1.2, and `012` is twelve."""
    assert plain(text) == value
    assert type(plain(text)) is type(value)


def test_not_a_number() -> None:
    """`.nan` is the one value that equals nothing."""
    assert math.isnan(plain(".nan"))


def test_a_number_of_thousands_of_digits_is_text() -> None:
    """Nobody means it, and Python would refuse to read it."""
    assert plain("9" * 5000) == "9" * 5000


@given(st.text(max_size=20))
def test_anything_has_a_meaning(text: str) -> None:
    """No text makes the reader stumble."""
    plain(text)


@pytest.mark.parametrize("text", ['"on"', "'16:9'", '"012"', "!!str 5", "'true'", '"~"'])
def test_quoted_words_are_text(text: str) -> None:
    """Quotes settle it."""
    assert isinstance(parse(f"a: {text}", "x.yaml").data["a"], str)


@given(st.integers(-(10**25), 10**25))
def test_integers_are_exact(number: int) -> None:
    """Ids above 2^53 keep every digit."""
    assert parse(f"id: {number}", "x.yaml").data == {"id": number}
