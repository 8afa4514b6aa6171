"""The numbers above the gallery: jobs by state, units estimated and charged, time. Unknown stays unknown."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from kling_pipe.report.contact_sheet.sheet_model import Card, Take


@dataclass(slots=True)
class Total:
    """Units of some takes. `charged` counts what Kling said; `unpriced` are the takes without a known price."""

    takes: int = 0
    estimated: float = 0.0
    charged: float = 0.0
    usd: float = 0.0
    unpriced: int = 0
    reported: int = 0

    def add(self, take: Take) -> None:
        """Count one take in."""
        self.takes += 1
        self.estimated += take.estimated.units or 0.0
        self.usd += take.estimated.usd or 0.0
        self.unpriced += take.estimated.units is None
        if take.charged is not None and take.estimated.pack:
            self.charged += take.charged
            self.reported += 1


@dataclass(slots=True)
class Totals:
    """States of all takes, and units by pack and by what was made with what."""

    states: Counter[str] = field(default_factory=Counter)
    packs: defaultdict[str, Total] = field(default_factory=lambda: defaultdict(Total))
    rows: defaultdict[tuple[str, str, str], Total] = field(default_factory=lambda: defaultdict(Total))


def sums(cards: Iterable[Card]) -> Totals:
    """Everything counted once. A row is (kind, model and mode, pack)."""
    found = Totals()
    for card in cards:
        facts = dict(card.facts)
        how = " ".join(value for name, value in facts.items() if name in ("model_name", "mode", "resolution"))
        for take in card.takes:
            pack = take.estimated.pack or ""
            found.states[take.state] += 1
            found.rows[card.kind, how, pack].add(take)
            if pack:
                found.packs[pack].add(take)
    return found
