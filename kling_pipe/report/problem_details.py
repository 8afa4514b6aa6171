"""What a problem says beside its message, as pairs of a word and a text, in the order that every format shows them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kling_pipe.model import Problem

_UNTOLD = ("a mapping", "a list of")
"""What the source line shows better than a word could."""


def facts(problem: Problem) -> list[tuple[str, str]]:
    """Found, near match, allowed, next step and rule: those that there are, nothing that the message says already."""
    # An API rule's problem has the rule's own id, which stands in the first line already.
    rule = ", ".join(text for text in (problem.rule if problem.rule != problem.id else "", problem.source) if text)
    found = "" if problem.found.startswith(_UNTOLD) else problem.found
    near = f"`{problem.near}`?" if problem.near else ""
    pairs = [
        ("found", found),
        ("did you mean", near),
        ("allowed", problem.allowed),
        ("next", sentence(problem.hint)),
        ("rule", rule),
    ]
    least = {"found": 1, "allowed": 3}
    said = {word for word, text in pairs if word in least and _is_part(text, problem.message, least[word])}
    return [(word, text) for word, text in pairs if text and word not in said]


def _is_part(text: str, message: str, least: int) -> bool:
    """Whether a message says a text already; what is shorter than `least` only with its unit behind it."""
    unit = "" if len(text) >= least else r" (?:s|px|MB)"
    return bool(text) and bool(re.search(rf"(?<!\w){re.escape(text)}{unit}(?!\w)", message))


def sentence(text: str) -> str:
    """A next step as a sentence: a capital in front, a full stop behind."""
    if not text:
        return ""
    return f"{text[0].upper()}{text[1:]}{'' if text.endswith(('.', '?', '!')) else '.'}"
