"""What a card says in words: its state, its cost, its prompts cut at their references and along their time."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate

from kling_pipe.model import Cost
from kling_pipe.report.contact_sheet.sheet_model import Shot, State

TOKEN = re.compile(r"<<<([a-z]+)_([0-9]{1,9})>>>")
"""A numbered reference in a prompt."""

WORDS: Mapping[State, str] = {
    "made": "made",
    "running": "under way",
    "failed": "failed",
    "blocked": "blocked",
    "lost": "lost",
    "new": "not made",
}
"""What a state is called on the page."""


def cost_text(cost: Cost) -> str:
    """`10 video units ($1.40)`, `free`, or that it is unknown."""
    if cost.pack is None:
        return "free"
    if cost.units is None:
        return "unknown"
    return f"{cost.units:g} {cost.pack} units" + (f" (${cost.usd:.2f})" if cost.usd is not None else "")


def tokens(prompt: str) -> Iterator[tuple[str, str]]:
    """The prompt as pairs of plain text and the reference behind it (`image 2`), "" at the end."""
    end = 0
    for match in TOKEN.finditer(prompt):
        yield prompt[end : match.start()], f"{match[1]} {match[2]}"
        end = match.end()
    yield prompt[end:], ""


def timed(shots: Sequence[Shot]) -> Iterator[tuple[float, float, str]]:
    """Each shot's begin, end and text, one after the other."""
    begins = accumulate((shot.seconds for shot in shots), initial=0.0)
    return ((begin, begin + shot.seconds, shot.text) for begin, shot in zip(begins, shots, strict=False))


def longest(facts: Sequence[tuple[str, str]]) -> str:
    """The longest setting's value."""
    return max((value for _, value in facts), key=len, default="")
