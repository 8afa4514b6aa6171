"""Values as parts of addresses and file names."""

from __future__ import annotations

import re
import unicodedata


def slug(value: object) -> str:
    """Lower case, letters and digits of any script joined by `-`; a `:` between them becomes `x` (`16:9`, `16x9`)."""
    text = unicodedata.normalize("NFC", str(value)).strip().lower()
    text = re.sub(r"(?<=\w):(?=\w)", "x", text)
    return re.sub(r"[^\w]+|_+", "-", text).strip("-")
