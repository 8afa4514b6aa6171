"""`docs/verbs.md` is what the command line makes of it."""

from __future__ import annotations

import re
from pathlib import Path

from kling_pipe.cli.main import VERBS
from scripts import verb_docs

PAGE = Path(__file__).parents[2] / "docs" / "verbs.md"


def test_the_page_is_current() -> None:
    """If not: `python -m scripts.verb_docs`."""
    assert PAGE.read_text(encoding="utf-8") == verb_docs.page()


def test_the_page_has_every_verb_in_its_order() -> None:
    """A verb that the program has and the page has not would be one that nobody finds."""
    assert re.findall(r"^## (.+)$", verb_docs.page(), re.MULTILINE) == list(VERBS)


def test_every_flag_says_what_it_is_for() -> None:
    """A flag without a word of help is a riddle."""
    assert re.findall(r"^- `-.+`:\s*$", verb_docs.page(), re.MULTILINE) == []
