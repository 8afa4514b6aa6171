"""What a workload yields: named figures with their goals, and the table that they become."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured figure. `goal` is the largest good value (the smallest with `at_least`); None for no goal."""

    workload: str
    what: str
    value: float
    unit: str = ""
    goal: float | None = None
    at_least: bool = False
    beside: str = ""

    @property
    def reached(self) -> bool | None:
        """Whether the goal is met; None without one."""
        if self.goal is None:
            return None
        return self.value >= self.goal if self.at_least else self.value <= self.goal

    def row(self) -> str:
        """One line of the table."""
        sign = "≥" if self.at_least else "≤"
        goal = "" if self.goal is None else f"{sign} {number(self.goal)}{self.unit}"
        mark = {True: "yes", False: "**no**", None: ""}[self.reached]
        return f"| {self.workload} | {self.what} | {number(self.value)}{self.unit} | {goal} | {mark} | {self.beside} |"


def number(value: float) -> str:
    """As many digits as say something."""
    if value == int(value):
        return str(int(value))
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.3g}"


def table(figures: Iterable[Figure]) -> str:
    """Markdown."""
    head = "| workload | figure | measured | goal | reached | beside it, in the same run |\n|---|---|---|---|---|---|"
    return "\n".join([head, *(figure.row() for figure in figures)])


def machine() -> str:
    """What the figures were measured on, in one line."""
    load = ", ".join(f"{one:.1f}" for one in os.getloadavg())
    system = f"{platform.system()}, Python {platform.python_version()}"
    return f"{os.cpu_count()} cores ({_processor()}), {system}, load average {load}"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown"
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
