"""What a campaign costs: estimated against charged, cut by kind, model, tag or a matrix axis. Unknown is never 0."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from kling_pipe.report.contact_sheet.sheet_model import Card, Sheet
from kling_pipe.report.contact_sheet.totals import Total

FORMAT_VERSION = "1.0"
_ACCOUNT = "account"
_DIFFERENCE = 0.005
"""Units are told to two places; what differs by less is the same."""


@dataclass(frozen=True, slots=True)
class Row:
    """One group's units in one pack ("" for what needs none)."""

    group: str
    pack: str
    sum: Total


@dataclass(frozen=True, slots=True)
class Surprise:
    """A task for which Kling charged something else than was estimated."""

    address: str
    estimated: float
    charged: float


def cuts(sheet: Sheet) -> list[str]:
    """What a campaign can be cut by: `kind`, `model`, `tag`, `account` where there are several, its matrix axes."""
    accounts = [_ACCOUNT] if any(take.account for take in sheet.takes) else []
    return ["kind", "model", "tag", *accounts, *dict.fromkeys(axis for card in sheet.cards for axis in card.cell)]


def rows(sheet: Sheet, by: str) -> list[Row]:
    """The groups of a cut, in the order of the campaign. A card with two tags counts in both."""
    found: dict[tuple[str, str], Total] = {}
    for card in sheet.cards:
        for group in _GROUPS[by](card) if by in _GROUPS else [card.cell.get(by, "")]:
            for take in card.takes:
                name = take.account if by == _ACCOUNT else group
                found.setdefault((name or "(none)", take.estimated.pack or ""), Total()).add(take)
    return [Row(group, pack, one) for (group, pack), one in found.items()]


def surprises(sheet: Sheet) -> list[Surprise]:
    """Every made take whose charge is not its estimate."""
    return [
        Surprise(take.address, take.estimated.units, take.charged)
        for take in sheet.takes
        if take.state == "made" and take.charged is not None and take.estimated.units is not None
        if take.estimated.pack and abs(take.charged - take.estimated.units) > _DIFFERENCE
    ]


def costs_text(sheet: Sheet, by: str) -> str:
    """A table, the total per pack, what differs, and how old the prices are."""
    table = [("", "takes", "pack", "estimated", "charged", "estimated $"), *map(_cells, rows(sheet, by))]
    widths = [max(len(row[column]) for row in table) for column in range(6)]
    lines = ["  ".join(_aligned(row, widths)).rstrip() for row in table]
    lines += ["", *_totals(sheet), *(f"charged {_differs(one)}" for one in surprises(sheet))]
    return "\n".join([*lines, f"Prices as of {sheet.price_date}."])


def costs_json(sheet: Sheet, by: str) -> str:
    """`{format_version, by, rows: [...], surprises: [...], price_date}`; an unknown price is counted, not guessed."""
    form: dict[str, Any] = {
        "format_version": FORMAT_VERSION,
        "by": by,
        "rows": [_form(row) for row in rows(sheet, by)],
        "surprises": [
            {"address": one.address, "estimated": one.estimated, "charged": one.charged} for one in surprises(sheet)
        ],
        "price_date": sheet.price_date,
    }
    return json.dumps(form, ensure_ascii=False, indent=2)


_GROUPS: dict[str, Callable[[Card], list[str]]] = {
    "kind": lambda card: [card.kind],
    "model": lambda card: [dict(card.facts).get("model_name", "")],
    "tag": lambda card: list(card.tags) or [""],
}


def _cells(row: Row) -> tuple[str, ...]:
    one = row.sum
    unknown = " + unknown" if one.unpriced else ""
    charged = f"{one.charged:g}" if one.reported else "-"
    if not row.pack:
        return (row.group, str(one.takes), "-", f"free{unknown}", "-", "-")
    return (row.group, str(one.takes), row.pack, f"{one.estimated:g}{unknown}", charged, f"{one.usd:.2f}{unknown}")


def _aligned(row: Sequence[str], widths: Sequence[int]) -> Iterator[str]:
    for column, (cell, width) in enumerate(zip(row, widths, strict=True)):
        yield cell.ljust(width) if column in (0, 2) else cell.rjust(width)


def _totals(sheet: Sheet) -> Iterator[str]:
    for row in rows(Sheet(sheet.project, sheet.cards), "whole"):
        if row.pack:
            unknown = f", {row.sum.unpriced} of unknown cost" if row.sum.unpriced else ""
            yield (
                f"{row.pack}: {row.sum.charged:g} units charged of {row.sum.estimated:g} estimated "
                f"(${row.sum.usd:.2f}){unknown}"
            )


def _differs(one: Surprise) -> str:
    return f"{one.charged:g} units for {one.address}, estimated were {one.estimated:g}"


def _form(row: Row) -> dict[str, Any]:
    one = row.sum
    return {
        "group": row.group,
        "pack": row.pack or None,
        "takes": one.takes,
        "estimated": one.estimated,
        "charged": one.charged if one.reported else None,
        "usd": round(one.usd, 4),
        "unknown": one.unpriced,
    }
