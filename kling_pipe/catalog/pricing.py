"""What a request will cost, from `schemas/pricing.json` alone. Pure. An unknown price is None, never 0."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple

from kling_pipe.catalog.conditions import Condition, compiled
from kling_pipe.catalog.defaults import Body
from kling_pipe.catalog.operations import Operation, as_read, output_count, table
from kling_pipe.model import Cost

_DECIMALS = 4  # 0.8 units x 3 s is 2.4, not 2.4000000000000004


class _Row(NamedTuple):
    when: Condition
    data: Mapping[str, Any]


class Prices:
    """A price table: that of `schemas/pricing.json`, or one with corrections laid over it (see `corrected`)."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        self.date = str(data["date"])
        self.unit_usd: Mapping[str, float] = data["unit_usd"]
        self._data = data
        self._rows: dict[str, tuple[_Row, ...]] = {}

    def rows(self, operation: str) -> tuple[_Row, ...]:
        """The rows of an operation, the first that matches wins."""
        if operation not in self._rows:
            rows = (row for row in self._data["rows"] if operation in row["operations"])
            self._rows[operation] = tuple(_Row(compiled(row.get("when", {})), row) for row in rows)
        return self._rows[operation]

    def corrected(self, data: Mapping[str, Any]) -> Prices:
        """The table with rows of `data` before its own, and with its `unit_usd` and `date` where it has them."""
        rows = [*data.get("rows", ()), *self._data["rows"]]
        unit_usd = {**self.unit_usd, **data.get("unit_usd", {})}
        return Prices({"date": data.get("date", self.date), "unit_usd": unit_usd, "rows": rows})


@cache
def prices() -> Prices:
    """The table that is shipped."""
    return Prices(table("pricing"))


def estimate(
    operation: Operation,
    request: Mapping[str, Any],
    *,
    input_seconds: float | None = None,
    by: Prices | None = None,
) -> Cost:
    """The units and USD of one task that succeeds; a task that fails costs nothing.

    `request` is a request body. `input_seconds` is the length of the film or sound that goes in, where it is known.
    What has no known price has `units` None and a note that says why. `by` stands in for the table that is shipped.
    """
    by = by or prices()
    body = as_read(operation, request)
    row = next((one for one in by.rows(operation.name) if one.when(body)), None)
    if row is None:
        return Cost(None, _pack(operation), None, f"no price is known for {_what(operation, body)}")
    rate = _rate(row.data, body)
    if rate is None:
        at = ", ".join(f"{field} {body[field]}" for field in row.data["by"] if field in body)
        return Cost(None, row.data["pack"], None, f"no price is known for {_what(operation, body)} at {at}")
    times = _times(operation, row.data, body, input_seconds)
    if times is None:
        return Cost(None, row.data["pack"], None, _UNKNOWN_TIMES[row.data["per"]])
    return _priced(rate * times + row.data.get("plus", 0), row.data, by.unit_usd)


def price_date() -> str:
    """The day of the price table, as `2026-09-20`."""
    return prices().date


def unit_price(pack: str) -> float:
    """USD for one unit of a pack (`video` or `image`)."""
    return float(prices().unit_usd[pack])


def _pack(operation: Operation) -> Any:
    return operation.kling["pool"]["pack"]


def _what(operation: Operation, body: Body) -> str:
    return " ".join(filter(None, [str(body.get("model_name", "")), f"in {operation.name}"]))


def _rate(row: Mapping[str, Any], body: Body) -> float | None:
    units = row["units"]
    for field in row.get("by", ()):
        units = units.get(str(body.get(field)))
        if units is None:
            return None
    return float(units)


_UNKNOWN_TIMES = {
    "second": "billed by the length of the video or sound that goes in, which is not known before",
    "image": "billed by the number of pictures, which Kling decides",
}


def _times(operation: Operation, row: Mapping[str, Any], body: Body, input_seconds: float | None) -> int | None:
    """How often the rate is due; None when only the result tells."""
    if row["per"] == "image":
        return output_count(operation, body)
    if row["per"] != "second":
        return 1
    if row.get("seconds") != "input":
        return int(body["duration"]) if str(body["duration"]).isdecimal() else None
    if input_seconds is None:
        return None
    step = row.get("step")
    # One frame more than was asked for begins no new step: 5.041 s are 5 s.
    return math.ceil(round(input_seconds, 1) / step) * step if step else math.floor(input_seconds + 0.5)


def _priced(units: float, row: Mapping[str, Any], unit_usd: Mapping[str, float]) -> Cost:
    usd = units * float(unit_usd[row["pack"]]) if row["pack"] else 0.0
    old = "an old price, no longer on the vendor's page" if row.get("old") else ""
    return Cost(round(units, _DECIMALS), row["pack"], round(usd, _DECIMALS), row.get("note", "") or old)
