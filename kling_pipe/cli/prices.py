"""`--price FILE` and `price =` of the settings: a price table that corrects the one that is shipped."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kling_pipe.errors import ManifestInvalid

if TYPE_CHECKING:
    from kling_pipe.catalog.pricing import Prices
    from kling_pipe.cli.campaign import Campaign

_WORDS = ("date", "source", "unit_usd", "rows")
_PACKS = ("video", "image")
_PER = ("second", "clip", "image", "call")
_NEEDED = ("operations", "pack", "per", "units")
_ROW = (*_NEEDED, "seconds", "step", "plus", "by", "when", "note", "old")

Found = Iterator[tuple[tuple[str | int, ...], str]]
"""Places in the file, and what is wrong there."""

price_option = click.option(
    "--price",
    "price",
    type=click.Path(path_type=Path, dir_okay=False),
    help="YAML or JSON that corrects the price table: `date`, `unit_usd`, and `rows` as in schemas/pricing.json.",
)


def prices_of(campaign: Campaign, file: Path | None) -> Prices | None:
    """The table with a file's corrections, by the flag or else by the settings; None without either.

    Raises ManifestInvalid with everything that is wrong in the file.
    """
    if file is None and (told := campaign.settings.get("price")):
        file = campaign.manifest.parent / told
    if file is None:
        return None
    from kling_pipe.catalog.pricing import prices
    from kling_pipe.manifest.yaml import read_document
    from kling_pipe.model import Problem

    document = read_document(file, str(file))
    if document.problems:
        raise ManifestInvalid(document.problems)
    hint = "a price table has the form of `schemas/pricing.json`"
    found = [
        Problem("KP407", "error", message, position=document.locate(place), hint=hint)
        for place, message in _wrong(document.data)
    ]
    if found:
        raise ManifestInvalid(found)
    corrections = {name: value for name, value in document.data.items() if value}
    return prices().corrected({"date": file.name, **corrections})


def _wrong(data: Any) -> Found:
    if not isinstance(data, Mapping):
        yield (), f"a price table says {', '.join(_WORDS)}; this is none"
        return
    yield from _words(data, _WORDS, ())
    amounts = data.get("unit_usd") or {}
    if not isinstance(amounts, Mapping):
        yield ("unit_usd",), "`unit_usd` is a mapping of video and image to the price of one unit"
    else:
        yield from _words(amounts, _PACKS, ("unit_usd",))
        yield from (
            (("unit_usd", pack), f"`{amounts[pack]}` is no price")
            for pack in _PACKS
            if pack in amounts and not _is_amount(amounts[pack])
        )
    rows = data.get("rows") or ()
    if not isinstance(rows, list | tuple):
        yield ("rows",), "`rows` is a list"
        return
    for number, row in enumerate(rows):
        yield from _row(row, ("rows", number))


def _row(row: Any, at: tuple[str | int, ...]) -> Found:
    if not isinstance(row, Mapping):
        yield at, f"row {int(at[1]) + 1} is no mapping"
        return
    yield from _words(row, _ROW, at)
    for word in _NEEDED:
        if word not in row:
            yield at, f"row {int(at[1]) + 1} has no `{word}`"
    yield from _operations(row.get("operations", []), (*at, "operations"))
    if row.get("pack", "video") not in (*_PACKS, None):
        yield (*at, "pack"), f"there is no pack `{row['pack']}`: it is {' or '.join(_PACKS)}"
    if row.get("per", "call") not in _PER:
        yield (*at, "per"), f"`per: {row['per']}` is none of {', '.join(_PER)}"
    units = row.get("units", 0)
    values = units.values() if isinstance(units, Mapping) else (units,)
    if not all(map(_is_amount, values)) or isinstance(units, Mapping) != ("by" in row):
        yield (*at, "units"), "`units` is a number, or with `by` a mapping of that field's values to numbers"
    yield from _condition(row.get("when") or {}, (*at, "when"))


def _operations(names: Any, at: tuple[str | int, ...]) -> Found:
    from kling_pipe.catalog.operations import names as known
    from kling_pipe.core.text import nearest

    if not isinstance(names, list | tuple):
        yield at, "`operations` is a list"
        return
    for number, name in enumerate(names):
        if name not in known():
            near = nearest(str(name), known())
            yield (*at, number), f"there is no operation `{name}`" + (f"; did you mean `{near}`?" if near else "")


def _condition(when: Any, at: tuple[str | int, ...]) -> Found:
    from kling_pipe.catalog.conditions import compiled

    try:
        compiled(when)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        yield at, f"`when` is no condition: {error}" if isinstance(error, ValueError) else "`when` is no condition"


def _words(data: Mapping[str, Any], known: tuple[str, ...], at: tuple[str | int, ...]) -> Found:
    for word in data:
        if word not in known:
            yield (*at, word), f"unknown word `{word}`: there are {', '.join(known)}"


def _is_amount(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < float("inf")
