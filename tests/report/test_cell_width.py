"""Columns stand under each other in any script."""

from kling_pipe.report.cell_width import cells, padded


def test_letters_take_the_cells_that_a_terminal_gives_them():
    """Wide letters take two, marks and joiners none."""
    assert cells("image.i") == 7
    assert cells("緑茶") == 4
    assert cells("ﾈｺ") == 2
    assert cells("e\N{COMBINING ACUTE ACCENT}") == 1
    assert cells("قهوة") == 4


def test_padding_fills_cells_not_letters():
    """What stands behind begins in the same column, and a text that is too long stays whole."""
    assert {cells(padded(text, 8)) for text in ("a", "緑茶", "قهوة", "")} == {8}
    assert padded("too long", 3) == "too long"
