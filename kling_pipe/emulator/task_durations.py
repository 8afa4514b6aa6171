"""How long a task takes: by kind, or a mean with a spread that the external id fixes for good."""

from __future__ import annotations

import hashlib

from kling_pipe.emulator.options import SECONDS, Options

QUEUED = 0.15
"""The share of its time that a task stays `submitted` before it is `processing`."""


def factor(name: str, spread: float) -> float:
    """Uniform between 1 - spread and 1 + spread, always the same for a name."""
    share = int.from_bytes(hashlib.sha256(name.encode("utf-8", "replace")).digest()[:6], "big") / 2**48
    return 1 + spread * (2 * share - 1)


def task_seconds(kind: str, name: str, options: Options, clip: float = 0.0) -> float:
    """Seconds from creation to the end of a task of a manifest kind with an external id (or task id).

    `clip` is the length of the film that it makes, 0 for other tasks.
    """
    mean = options.per_clip_second * clip or options.task_seconds or SECONDS.get(kind, SECONDS["video"])
    return mean * factor(name, options.spread) / options.speed
