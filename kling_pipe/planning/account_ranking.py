"""Where a job's task is to live when there are several accounts: by its pin, by what it uses, else by its id. Pure.

The steady way is a weighted rendezvous: each account draws a number from the job's id, the highest wins. It needs no
talk: machines that share nothing send the same id to the same account, which accepts it once. That is what keeps two
of them from paying twice, since the id says nothing of the account and each account knows its own tasks alone.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

STEADY, FREE = "steady", "free"
_USUAL_SLOTS = 1


@dataclass(frozen=True, slots=True)
class Account:
    """One account: its name in the settings, its id in ledger and lock, its slots per pack type where they are told."""

    name: str
    account: str
    limits: Mapping[str, int] = field(default_factory=dict)

    def weight(self, pack: str) -> int:
        """How much of what needs this pack it takes, beside the others."""
        return self.limits.get(pack, 0)


@dataclass(frozen=True, slots=True)
class Accounts:
    """All accounts of a campaign, in the order of the settings, and those that are left out this time."""

    all: tuple[Account, ...] = ()
    spread: str = STEADY
    left_out: tuple[Account, ...] = ()

    def named(self, name: str) -> Account | None:
        """The account of a name."""
        return next((place for place in self.all if place.name == name), None)

    def of(self, account: str) -> Account | None:
        """The account of an id."""
        return next((place for place in (*self.all, *self.left_out) if place.account == account), None)

    def takes(self, account: str) -> bool:
        """Whether something may be sent to an account, or fetched from it."""
        return any(place.account == account for place in self.all)

    def home(self, name: str, pack: str) -> Account:
        """Where the task of this external id (of its first attempt) lives, on every machine."""
        return ranked(self.all, name, pack)[0]


def ranked(places: Sequence[Account], name: str, pack: str) -> list[Account]:
    """The accounts in the order in which a job tries them: the same on every machine with the same limits."""
    told = [place.weight(pack) for place in places]
    # Slots that are told for some accounts say nothing of the others: those count as much as the smallest.
    least = min((slots for slots in told if slots), default=_USUAL_SLOTS)
    weights = {place.account: slots or least for place, slots in zip(places, told, strict=True)}
    return sorted(places, key=lambda place: (_draw(name, place.account, weights[place.account]), place.account))


def _draw(name: str, account: str, weight: int) -> float:
    """A number that is smallest for each account as often as its weight has it (-ln u / w)."""
    digest = hashlib.sha256(f"{account}\n{name}".encode()).digest()
    share = (int.from_bytes(digest[:8], "big") + 1) / (1 << 64)
    return -math.log(share) / weight
