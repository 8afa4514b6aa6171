"""A project's name after a folder's. It stands in every task's id: small Latin letters and digits."""

from __future__ import annotations

import hashlib
import re
import unicodedata

LONGEST = 24

_LETTERS = dict(
    zip(
        "абвгдежзийклмнопрстуфхцчшщъыьэюяёіїєґαβγδεζηθικλμνξοπρσςτυφχψωßæœøđłþðı",
        "a b v g d e zh z i y k l m n o p r s t u f kh ts ch sh shch - y - e yu ya yo i yi ye g "  # noqa: SIM905  read by column
        "a v g d e z i th i k l m n x o p r s s t y f ch ps o ss ae oe o d l th d i".split(),
        strict=True,
    )
)
_SPOKEN = re.compile(r"(?:HIRAGANA|KATAKANA) LETTER (?:SMALL )?(\w+)|HANGUL SYLLABLE (\w+)")


def project_name(folder: str) -> str:
    """`Frühling 2027` gives `fruhling-2027`, `Весна` gives `vesna`; a name that no letters can spell gets a number.

    Two folders must not get one project: the same request in both would be one task.
    """
    text = "".join(map(_latin, unicodedata.normalize("NFC", folder).lower()))
    found = re.sub(r"[^a-z0-9]+", "-", text.replace("'", "")).strip("-")
    if not re.search("[a-z]", found):
        found = f"campaign-{found or hashlib.sha256(folder.encode()).hexdigest()[:6]}"
    elif not found[0].isalpha():
        found = f"campaign-{found}"
    return found[:LONGEST].rstrip("-")


def _latin(letter: str) -> str:
    """A letter in Latin ones, as far as that is known; otherwise something that separates."""
    if letter in _LETTERS:
        return _LETTERS[letter].strip("-")
    if letter.isascii():
        return letter
    if spoken := _SPOKEN.fullmatch(unicodedata.name(letter, "")):
        return (spoken[1] or spoken[2]).lower()
    base = "".join(one for one in unicodedata.normalize("NFKD", letter) if not unicodedata.combining(one))
    return base if base.isascii() or base == letter else "".join(map(_latin, base))
