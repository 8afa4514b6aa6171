"""Values as parts of addresses and file names."""

from __future__ import annotations

import re
import unicodedata

_BETWEEN = re.compile(r"(?<=\w):(?=\w)")
_OTHERS = re.compile(r"[^\w]+|_+")


def slug(value: object) -> str:
    """Lower case, letters and digits of any script joined by `-`; a `:` between them becomes `x` (`16:9`, `16x9`)."""
    text = unicodedata.normalize("NFC", str(value)).strip().lower()
    return _OTHERS.sub("-", _BETWEEN.sub("x", text)).strip("-")
