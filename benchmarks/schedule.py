"""The ideal: a list schedule of the very durations, with no overhead at all."""

from __future__ import annotations

from collections.abc import Sequence

from kling_pipe.schedule import Load, makespan

__all__ = ["Load", "longest_first", "makespan"]


def longest_first(loads: Sequence[Load]) -> list[Load]:
    """The same line with the longest in front: what could be reached if every duration were known."""
    return sorted(loads, key=lambda load: -load.seconds)
