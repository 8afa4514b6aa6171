"""What a run can be told, as one value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kling_pipe.catalog.pricing import Prices

DEFAULT_SLOTS: Mapping[str, int] = {"video": 5, "image": 9}
"""Slots per pack type while nothing better is known: those of the smallest packs (pack names, 2026-09)."""


def together(limits: Mapping[str, int], accounts: Sequence[Mapping[str, int]]) -> Mapping[str, int]:
    """The slots of several accounts as if they were one's: `limits` are the campaign's, `accounts` what each says."""
    if len(accounts) < 2:
        return {**limits, **dict(*accounts)}
    return {
        pack: sum(own.get(pack, limits.get(pack, usual)) for own in accounts) for pack, usual in DEFAULT_SLOTS.items()
    }


@dataclass(frozen=True, slots=True)
class Settings:
    """Times in seconds.

    `limits` are slots per pack type (`video`) or per model (`video/kling-v3-omni`); `jobs` bounds what is under way at
    once, whatever it is. `settle` is waited before a task that was not found after a doubt is sent again. `patience`
    is how long Kling may fail to answer. `detach` returns when everything possible is submitted, `timeout` stops
    waiting. `fail_fast` stops submitting after the first failure. `inline_bytes` bounds upstream pictures sent as
    base64. `url_seconds` is how long a URL is trusted without asking for a fresh one.
    `budget` (`{usd, video, image, per_job: {...}}`) bounds what this run and those that overlap with it send together;
    `since` (seconds) is when its command began, where that was earlier. `allow_unknown` lets new attempts pass whose
    price nobody knows. `grace` is how long an answer is waited for
    after a stop. `callback_url` is sent with every create; `callback_listen` (`host:port`) is where this run listens
    for what Kling tells it, `callback_secret` (`whsec_...`) signs it. `provenance` writes a task's ids into new files.
    `prices` stand in for the table that is shipped, where a new attempt is held against the budget.
    `drafts` are the external ids of approved drafts, by the address of the job that is their final version.
    """

    jobs: int | None = None
    limits: Mapping[str, int] = field(default_factory=dict)
    fail_fast: bool = False
    detach: bool = False
    timeout: float | None = None
    settle: float = 5.0
    patience: float = 300.0
    inline_bytes: int = 10_000_000
    url_seconds: float = 3600.0
    grace: float = 1.0
    budget: Mapping[str, Any] = field(default_factory=dict)
    allow_unknown: bool = False
    callback_url: str = ""
    callback_listen: str = ""
    callback_secret: str = field(default="", repr=False)
    provenance: bool = True
    drafts: Mapping[str, str] = field(default_factory=dict)
    prices: Prices | None = None
    since: float | None = None
