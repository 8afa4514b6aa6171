"""Resource packs as the costs endpoint lists them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kling_pipe.emulator.accounts import share
from kling_pipe.emulator.options import Options
from kling_pipe.emulator.task import DAY_MS

PLENTY = 1_000_000.0
"""What a pack shows that never runs out."""


def packs(options: Options, account: str, spent: Mapping[str, float], now: int) -> list[dict[str, Any]]:
    """One row per pack type of an account, bought a day ago and good for a year."""
    names = sorted({name.rpartition("/")[2] for name in (*options.slots, *options.packs)})
    return [_row(name, options, account, spent.get(name, 0.0), now - DAY_MS) for name in names]


def _row(name: str, options: Options, account: str, spent: float, bought: int) -> dict[str, Any]:
    units = share(options.packs, account, name)
    total = PLENTY if units is None else units
    slots = share(options.slots, account, name) or 0
    title = f"Emulated-{name.title()}-{total:.10g}Units-{slots:g}Con-12Months"
    return {
        "resource_pack_name": title,
        "resource_pack_id": f"emulated-{name}",
        "resource_pack_type": "decreasing_total",
        "total_quantity": total,
        "remaining_quantity": round(max(0.0, total - spent), 6),
        "purchase_time": bought,
        "effective_time": bought,
        "invalid_time": bought + 365 * DAY_MS,
        "status": "online" if spent < total else "runOut",
    }
