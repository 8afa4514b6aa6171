"""What the contact sheet shows, as values. Knows no HTML and no disk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal

from kling_pipe.model import Cost

State = Literal["made", "running", "failed", "blocked", "lost", "new"]


@dataclass(frozen=True, slots=True)
class Picture:
    """A file to look at or to hear: where it is on this disk, its checksum, and its seconds (0 for a still).

    `suffix` is what its name ends in, which `source` does not show where it is an object.
    """

    source: Path
    sha256: str
    kind: Literal["image", "video", "audio"]
    seconds: float = 0.0
    suffix: str = ""


@dataclass(frozen=True, slots=True)
class Reference:
    """One input of a request. `token` is how its prompt calls it (`image 2`), "" when no prompt can."""

    token: str
    label: str
    address: str = ""
    picture: Picture | None = None


@dataclass(frozen=True, slots=True)
class Shot:
    """One prompt and how long its shot is in seconds, 0 where the request does not say."""

    text: str
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Take:
    """One wanted result. Times are Kling's in ms, 0 when unknown; `charged` is None as long as nothing is known.

    `reasons` say why it is in its state, the newest thing first. `ready_at` is when its last input was there. `account`
    is the name of the account that made it, where there are several.
    """

    address: str
    number: int
    state: State
    reasons: tuple[str, ...]
    estimated: Cost
    charged: float | None = None
    pictures: tuple[Picture, ...] = ()
    task_id: str = ""
    external_task_id: str = ""
    attempt: int = 1
    created_at: int = 0
    updated_at: int = 0
    ready_at: int = 0
    slots: int = 1
    element_ids: tuple[int, ...] = ()
    account: str = ""

    @property
    def seconds(self) -> float:
        """Seconds of work at Kling, 0 when unknown."""
        return (self.updated_at - self.created_at) / 1000 if self.updated_at and self.created_at else 0.0


@dataclass(frozen=True)
class Card:
    """One cell of a recipe with all its takes. `address` has no take; `place` is `file:line` in the manifest."""

    address: str
    kind: str
    recipe: str
    cell: Mapping[str, str]
    takes: tuple[Take, ...]
    picked: int = 1
    tags: tuple[str, ...] = ()
    shots: tuple[Shot, ...] = ()
    references: tuple[Reference, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()
    needs: tuple[str, ...] = ()
    place: str = ""
    key: str = ""

    @cached_property
    def state(self) -> State:
        """The state that wants attention most among the takes."""
        states = {take.state for take in self.takes}
        return next((one for one in _URGENT if one in states), "new")

    @property
    def name(self) -> str:
        """The cell's values, or the recipe's name when it has no matrix."""
        return " · ".join(self.cell.values()) or self.recipe.partition(".")[2]


_URGENT: tuple[State, ...] = ("failed", "lost", "blocked", "running", "new", "made")


@dataclass(frozen=True)
class Sheet:
    """A campaign. `made_at` is when the sheet was made, in seconds since 1970; `version` the commit, if any."""

    project: str
    cards: tuple[Card, ...]
    profile: str = ""
    emulated: bool = False
    made_at: float = 0.0
    version: str = ""
    budget: Mapping[str, float] = field(default_factory=dict)
    price_date: str = ""

    @cached_property
    def takes(self) -> tuple[Take, ...]:
        """All takes of all cards."""
        return tuple(take for card in self.cards for take in card.takes)

    @cached_property
    def by_address(self) -> Mapping[str, Card]:
        """Cards by the address of their cell."""
        return {card.address: card for card in self.cards}
