"""Counts what was asked of the emulator, for `GET /_emulator/ledger`."""

from __future__ import annotations

from collections import Counter
from typing import Any


class Counters:
    """Requests by route, by kind and by HTTP status; faults; refused duplicates; callbacks."""

    def __init__(self) -> None:
        self.routes: Counter[str] = Counter()
        self.kinds: Counter[str] = Counter()
        self.codes: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self.duplicates: Counter[str] = Counter()
        self.callbacks: Counter[str] = Counter()

    def saved(self) -> dict[str, dict[str, int]]:
        """As JSON; also the form in which it is reported."""
        return {name: dict(counter) for name, counter in vars(self).items()}

    def restore(self, saved: dict[str, Any]) -> None:
        """Go on counting after a clean stop."""
        for name, counts in saved.items():
            getattr(self, name).update(counts)
