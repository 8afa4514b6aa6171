"""What one job makes against what another job takes, before anything is paid. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kling_pipe.catalog import as_read, load, table
from kling_pipe.made import NOTHING, Made, made, narrowed
from kling_pipe.model import Job, OutputRef, Problem
from kling_pipe.pointers import walk

_OFF = 0.02
"""Ratios that differ by less are the same: Kling's frames are rounded to even pixels."""


def contracts(jobs: Sequence[Job]) -> list[Problem]:
    """Every result that its user would refuse: too long, too small, of a model or shape that is not taken.

    A problem stands at the job that uses the result, and names the job that makes it, with its place.
    """
    makers = _Makers({job.address: job for job in jobs})
    return [problem for user in jobs for problem in makers.problems(user)]


@dataclass(slots=True)
class _Makers:
    """What each job makes, found out once."""

    jobs: Mapping[str, Job]
    _known: dict[str, Made] = field(default_factory=dict)

    def problems(self, user: Job) -> Iterator[Problem]:
        operation = load(user.operation)
        for entry in operation.kling["media"]:
            limits = table("media")["limits"].get(entry.get("limits"))
            for _, value in walk(user.request, entry["at"]) if limits else ():
                maker = self.jobs.get(value.address) if isinstance(value, OutputRef) else None
                if maker is not None:
                    body = as_read(operation, user.request)
                    model = str(body.get(operation.kling["pool"]["model"], ""))
                    yield from _broken(user, maker, self._of(maker), narrowed(limits, body, model), entry["at"])

    def _of(self, job: Job) -> Made:
        if job.address not in self._known:
            self._known[job.address] = NOTHING  # whoever uses itself is reported elsewhere
            self._known[job.address] = made(load(job.operation), job.request, self._given)
        return self._known[job.address]

    def _given(self, value: Any) -> Made | None:
        maker = self.jobs.get(value.address) if isinstance(value, OutputRef) else None
        return self._of(maker) if maker else None


def _broken(user: Job, maker: Job, facts: Made, limits: Mapping[str, Any], at: str) -> Iterator[Problem]:
    where = f" ({maker.position})" if maker.position else ""
    for found, allowed, hint in (
        *_length(facts, limits),
        *_size(facts, limits),
        *_shape(facts, limits),
        *_maker(facts, limits),
    ):
        what = at.rpartition("/")[2]
        message = f"`{maker.address}`{where} will be {found}, and `{user.address}` takes {allowed} as `{what}`"
        yield Problem("KP331", "error", message, position=user.position, address=user.address, found=found, allowed=allowed,
                      hint=hint, source=str(limits.get("source", "")))  # fmt: skip


_Broken = Iterator[tuple[str, str, str]]
"""What is found, what is allowed, what to do."""


def _length(facts: Made, limits: Mapping[str, Any]) -> _Broken:
    low, high = limits.get("min_seconds", 0), limits.get("max_seconds")
    if facts.seconds is not None and (facts.seconds < low or (high is not None and facts.seconds > high)):
        allowed = f"at most {high:g} s" if not low else f"{low:g} to {high:g} s" if high else f"at least {low:g} s"
        yield f"{facts.seconds:g} s long", allowed, "Make it longer or shorter, or use another."


def _size(facts: Made, limits: Mapping[str, Any]) -> _Broken:
    low, high = limits.get("min_pixels", 0), limits.get("max_pixels")
    if facts.short_side is not None and facts.short_side < low:
        yield (
            f"{facts.short_side:g} px on the shorter side",
            f"at least {low} px",
            "Choose a higher `mode` or `resolution` there.",
        )
    elif facts.sides and high is not None and facts.sides[1] > high:
        yield (
            f"{facts.sides[1]:.0f} px on the longer side",
            f"at most {high} px",
            "Choose a lower `mode` or `resolution` there.",
        )


def _shape(facts: Made, limits: Mapping[str, Any]) -> _Broken:
    if facts.ratio is None:
        return
    if "ratios" in limits:
        wanted = [int(wide) / int(high) for wide, _, high in (one.partition(":") for one in limits["ratios"])]
        if not any(abs(facts.ratio / one - 1) < _OFF for one in wanted):
            yield _as_ratio(facts.ratio), " or ".join(limits["ratios"]), "Choose another `aspect_ratio` there."
    elif not limits.get("min_ratio", 0) - _OFF < facts.ratio < limits.get("max_ratio", facts.ratio) + _OFF:
        yield (
            _as_ratio(facts.ratio),
            f"{limits['min_ratio']} to {limits['max_ratio']}",
            "Choose another `aspect_ratio` there.",
        )


def _as_ratio(ratio: float) -> str:
    named = {
        "16:9": 16 / 9,
        "9:16": 9 / 16,
        "1:1": 1.0,
        "4:3": 4 / 3,
        "3:4": 3 / 4,
        "3:2": 3 / 2,
        "2:3": 2 / 3,
        "21:9": 21 / 9,
    }
    return next((name for name, value in named.items() if abs(ratio / value - 1) < _OFF), f"{ratio:.2f}:1")


def _maker(facts: Made, limits: Mapping[str, Any]) -> _Broken:
    if facts.model and "models" in limits and facts.model not in limits["models"]:
        allowed = ", ".join(limits["models"])
        yield (
            f"of {facts.model}",
            f"what {allowed} made",
            "Make it with one of these models, or go on from it in another way.",
        )
