"""Text on cards can be read, or says what it is; never boxes."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kling_pipe.emulator.media import drawing, fonts
from kling_pipe.emulator.media.card import Card, Shot
from kling_pipe.emulator.media.frame_layout import Box, Layout


@pytest.mark.parametrize("text", ["A cup of tea", "Über den Wolken", "Чашка чая", "ένα φλιτζάνι"])
def test_common_scripts_are_drawn_as_they_are(text):
    """Wherever a font with them is installed."""
    shown = fonts.readable(text)
    assert shown == text or shown.startswith("[text in ")


def test_what_no_font_has_becomes_a_note():
    """Private characters have no glyph anywhere; the words around them stay."""
    assert fonts.readable("tea \ue000\ue001 cup").startswith("tea [text in ")
    assert fonts.readable("tea \ue000\ue001 cup").endswith("cup")


@pytest.mark.parametrize(
    ("text", "script"), [("お茶を注ぐ", "Japanese"), ("喝茶", "Chinese"), ("차 한 잔", "Korean"), ("चाय", "Devanagari")]
)
def test_a_note_names_the_script_and_counts_letters(text, script):
    """As on a machine that has no fonts but Pillow's own."""
    letters = len(text.replace(" ", ""))
    assert fonts.readable(text, files=()) == f"[text in {script}, {letters} characters]"


@settings(max_examples=80, deadline=None)
@given(st.text(max_size=60))
def test_whatever_is_written_is_drawn_by_a_font_that_has_it(text):
    """Any text at all: after `readable` one font covers every letter."""
    shown = fonts.readable(text)
    font = fonts.font_for(shown, 20)
    assert font.getlength(shown) >= 0
    assert any(fonts.covers(path, shown) for path in (*fonts.font_files(), None))


@settings(max_examples=30, deadline=None)
@given(st.integers(40, 1200), st.integers(40, 1200), st.integers(0, 12), st.text(max_size=200))
def test_any_card_can_be_drawn(width, height, references, prompt):
    """No size, number of pictures or text breaks a card, and thumbnails do not overlap."""
    card = Card("t", "d", width // 2 * 2, height // 2 * 2, (Shot(prompt, 1.0),), seconds=1.0)
    drawing.base(card)
    layout = Layout(1280, 720, references)
    boxes = [layout.thumbnail(number) for number in range(1, references + 1)]
    assert not any(_overlap(a, b) for n, a in enumerate(boxes) for b in boxes[n + 1 :])
    assert all(box.right <= 1280 and box.bottom <= layout.strip.top for box in boxes)


def _overlap(a: Box, b: Box) -> bool:
    return a.left < b.right and b.left < a.right and a.top < b.bottom and b.top < a.bottom
