"""What is left in an account's packs, as text and as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol


class Pack(Protocol):
    """A resource pack: quantities in units, `ends` in ms."""

    @property
    def name(self) -> str:
        """Its name at Kling."""

    @property
    def total(self) -> float:
        """Units that were bought."""

    @property
    def remaining(self) -> float:
        """Units that are left."""

    @property
    def status(self) -> str:
        """Kling's word for it."""

    @property
    def ends(self) -> int:
        """When it ends."""


def packs_text(packs: Sequence[Pack]) -> str:
    """One line a pack."""
    if not packs:
        return "no resource pack was bought in the last year"
    lines = [
        f"{one.name}: {one.remaining:.10g} of {one.total:.10g} units left, {one.status}, until {_day(one)}"
        for one in packs
    ]
    return "\n".join([*lines, "Kling counts up to 12 hours late."])


def packs_json(packs: Sequence[Pack]) -> str:
    """The same as data."""
    return json.dumps({"format_version": "1.0", "packs": _rows(packs)}, ensure_ascii=False, indent=2)


def packs_by_account_json(accounts: Mapping[str, Sequence[Pack]]) -> str:
    """The packs of several accounts, by name."""
    form = {name: {"packs": _rows(packs)} for name, packs in accounts.items()}
    return json.dumps({"format_version": "1.0", "accounts": form}, ensure_ascii=False, indent=2)


def _rows(packs: Sequence[Pack]) -> list[dict[str, Any]]:
    return [
        {"name": one.name, "total": one.total, "remaining": one.remaining, "status": one.status, "ends": _day(one)}
        for one in packs
    ]


def _day(pack: Pack) -> str:
    return datetime.fromtimestamp(pack.ends / 1000, UTC).date().isoformat()
