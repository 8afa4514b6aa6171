"""Words and file names: the nearest known word to a misspelt one, and values as parts of addresses."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable


def nearest(word: str, known: Iterable[str]) -> str:
    """The known word that `word` was probably meant to be, or `""`."""
    from difflib import get_close_matches  # for who makes a mistake

    lowered = {name.lower(): name for name in known}
    found = get_close_matches(word.lower(), lowered, n=1, cutoff=0.6)
    return lowered[found[0]] if found else ""


_BETWEEN = re.compile(r"(?<=\w):(?=\w)")
_OTHERS = re.compile(r"[^\w]+|_+")


def slug(value: object) -> str:
    """Lower case, letters and digits of any script joined by `-`; a `:` between them becomes `x` (`16:9`, `16x9`)."""
    text = unicodedata.normalize("NFC", str(value)).strip().lower()
    return _OTHERS.sub("-", _BETWEEN.sub("x", text)).strip("-")
