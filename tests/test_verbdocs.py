"""`docs/verbs.md` is what the command line makes of it."""

from __future__ import annotations

import re
from pathlib import Path

from kling_pipe.cli import verbdocs
from kling_pipe.cli.main import VERBS

PAGE = Path(__file__).parent.parent / "docs" / "verbs.md"


def test_the_page_is_current() -> None:
    """If not: `python -m kling_pipe.cli.verbdocs`."""
    assert PAGE.read_text(encoding="utf-8") == verbdocs.page()


def test_the_page_has_every_verb_in_its_order() -> None:
    """A verb that the program has and the page has not would be one that nobody finds."""
    assert re.findall(r"^## (.+)$", verbdocs.page(), re.MULTILINE) == list(VERBS)


def test_every_flag_says_what_it_is_for() -> None:
    """A flag without a word of help is a riddle."""
    assert re.findall(r"^- `-.+`:\s*$", verbdocs.page(), re.MULTILINE) == []
