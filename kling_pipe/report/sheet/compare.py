"""Two sheets of one campaign side by side: which cells came, went, or ask for something else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from kling_pipe.report.sheet.values import Card, Sheet


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


@dataclass(frozen=True, slots=True)
class Comparison:
    """What differs from an earlier state, which is called `name` (a commit, a lock file)."""

    name: str
    changes: tuple[Change, ...]
    same: int


def compared(before: Sheet, now: Sheet, name: str) -> Comparison:
    """Cells that changed: another request, another pick, another file. In today's order, what is gone at the end."""
    changes = []
    for card in now.cards:
        old = before.by_address.get(card.address)
        if old is None or _differs(old, card):
            changes.append(Change(old, card))
    gone = [Change(card, None) for card in before.cards if card.address not in now.by_address]
    return Comparison(name, (*changes, *gone), len(now.cards) - len(changes))


def _differs(before: Card, now: Card) -> bool:
    return before.key != now.key or before.picked != now.picked or _files(before) != _files(now)


def _files(card: Card) -> list[str]:
    return [picture.sha256 for take in card.takes for picture in take.pictures]
