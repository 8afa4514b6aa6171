"""Resource packs as the costs endpoint lists them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kling_pipe.emulator.options import Options
from kling_pipe.emulator.task import DAY_MS

PLENTY = 1_000_000.0
"""What a pack shows that never runs out."""


def packs(options: Options, spent: Mapping[str, float], now: int) -> list[dict[str, Any]]:
    """One row per pack type, bought a day ago and good for a year."""
    return [
        _row(name, options, spent.get(name, 0.0), now - DAY_MS) for name in sorted({*options.slots, *options.packs})
    ]


def _row(name: str, options: Options, spent: float, bought: int) -> dict[str, Any]:
    total = options.packs.get(name, PLENTY)
    title = f"Emulated-{name.title()}-{total:g}Units-{options.slots.get(name, 0)}Con-12Months"
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
