"""Two sheets of one campaign side by side: which cells came, went, or ask for something else, and for what."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal

from kling_pipe.report.contact_sheet.cards import TOKEN
from kling_pipe.report.contact_sheet.sheet_model import Card, Sheet

_WORDS = re.compile(r"\s+|[^\s]+")


@dataclass(frozen=True, slots=True)
class Change:
    """One cell, before and now; None where there is none."""

    before: Card | None
    now: Card | None

    @property
    def address(self) -> str:
        """The cell's address."""
        card = self.now or self.before
        return card.address if card else ""

    @property
    def what(self) -> Literal["added", "removed", "changed"]:
        """What happened to the cell."""
        return "added" if self.before is None else "removed" if self.now is None else "changed"

    @property
    def texts(self) -> tuple[str, str]:
        """All prompts before and now."""
        return _text(self.before), _text(self.now)

    @property
    def settings(self) -> list[tuple[str, str, str]]:
        """The settings that differ, with both values."""
        before, now = dict(self.before.facts if self.before else ()), dict(self.now.facts if self.now else ())
        both = ((name, before.get(name, "–"), now.get(name, "–")) for name in {**before, **now})
        return [(name, old, new) for name, old, new in both if before.get(name) != now.get(name)]


@dataclass(frozen=True, slots=True)
class Comparison:
    """What differs from an earlier state, which is called `name` (a commit, a lock file)."""

    name: str
    changes: tuple[Change, ...]
    same: int

    @property
    def usd(self) -> tuple[float, float]:
        """What the changed cells cost before and now, as estimated."""
        return sum(_usd(one.before) for one in self.changes), sum(_usd(one.now) for one in self.changes)


def compared(before: Sheet, now: Sheet, name: str) -> Comparison:
    """Cells that changed: another request, another pick, another file. In today's order, what is gone at the end."""
    changes = []
    for card in now.cards:
        old = before.by_address.get(card.address)
        if old is None or _differs(old, card):
            changes.append(Change(old, card))
    gone = [Change(card, None) for card in before.cards if card.address not in now.by_address]
    return Comparison(name, (*changes, *gone), len(now.cards) - len(changes))


def difference(before: str, now: str) -> Iterator[tuple[str, str]]:
    """Both texts in one, word by word: pairs of what stood there and what does now, equal where nothing changed."""
    old, new = _WORDS.findall(before), _WORDS.findall(now)
    for _, a, b, c, d in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        yield "".join(old[a:b]), "".join(new[c:d])


def _text(card: Card | None) -> str:
    written = " / ".join(shot.text.strip() for shot in card.shots) if card else ""
    return TOKEN.sub(r"‹\1 \2›", written)


def _usd(card: Card | None) -> float:
    return sum(take.estimated.usd or 0.0 for take in card.takes) if card else 0.0


def _differs(before: Card, now: Card) -> bool:
    return before.key != now.key or before.picked != now.picked or _files(before) != _files(now)


def _files(card: Card) -> list[str]:
    return [picture.sha256 for take in card.takes for picture in take.pictures]
