"""Prompts in the second standard: `@image_1` for `<<<image_1>>>`, and shots written into one text.

    <<<image_1>>>, then [{index: 1, duration: "3", prompt: "a door; it opens"}]  ->  shot 1, 3, a door, it opens;

What a text could be misread as is found here: a `;` ends a shot there, a literal `@image_1` would name an input.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

_TOKEN = re.compile(r"<<<([a-z]+)_([0-9]{1,9})>>>")
_HEAD = re.compile(r"\bshot\s*[0-9]+\s*,\s*[0-9.]+\s*,", re.IGNORECASE)
END = ";"
"""Ends a shot."""

Named = tuple[str, int]
"""An input as tokens name it: `("image", 1)`."""


class PromptNames(NamedTuple):
    """The ids by which a prompt names inputs, without the @."""

    ids: Mapping[Named, str]

    def rewritten(self, text: str) -> str:
        """The text with ids for tokens, set apart from letters and digits around them. Others stay as they are."""

        def named(match: re.Match[str]) -> str:
            id_ = self.ids.get((match[1], int(match[2])))
            if id_ is None:
                return match[0]
            # `<<<image_1>>>0` must not become `@image_10`, nor `a<<<image_1>>>` an address of e-mail.
            before, after = text[: match.start()][-1:], text[match.end() :][:1]
            return f"{' ' if _joins(before) else ''}@{id_}{' ' if _joins(after) or after == '<' else ''}"

        return _TOKEN.sub(named, text)

    def strangers(self, text: str) -> Iterator[str]:
        """Tokens that name nothing which can be named."""
        return (match[0] for match in _TOKEN.finditer(text) if (match[1], int(match[2])) not in self.ids)


def _joins(letter: str) -> bool:
    return letter.isalnum() or letter == "_"


def names(counts: Mapping[str, int], texts: Iterable[str]) -> PromptNames:
    """Ids for so many inputs of each kind: none is a part of another, and none stands in a text with an @ already."""
    said = "\n".join(texts).casefold()
    ids = {}
    for kind, count in counts.items():
        stem, width = kind, len(str(count))
        while f"@{stem}_" in said:
            stem += "x"
        ids.update({(kind, number): f"{stem}_{number:0{width}}" for number in range(1, count + 1)})
    return PromptNames(ids)


def shot(index: int, seconds: str, text: str) -> str:
    """One shot: without a `;` of its own, and on one line."""
    line = " ".join(text.replace(END, ",").split())
    return f"shot {index}, {seconds}, {line}{END}"


def reads_as_shot(text: str) -> str:
    """What in a text would be read as the beginning of a shot, or ""."""
    found = _HEAD.search(text)
    return found[0] if found else ""
