"""What one job makes against what another job takes, before anything is paid. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from kling_pipe.catalog.operations import Operation, as_read, load_operation, table
from kling_pipe.catalog.output_facts import NOTHING, MediaFacts, made, narrowed
from kling_pipe.core.json_pointer import Pointer, walk
from kling_pipe.model import FileRef, Job, OutputRef

Known = Mapping[str, MediaFacts]
"""Facts about files from outside: by link, or by the hash of a local file's bytes."""
NONE: Known = {}
_OFF = 0.02
"""Ratios that differ by less are the same: Kling's frames are rounded to even pixels."""


class Incompatibility(NamedTuple):
    """A result that the job which uses it would refuse. `pointer` is where `user` takes it."""

    user: Job
    maker: Job
    pointer: Pointer
    found: str
    allowed: str
    hint: str
    source: str

    @property
    def message(self) -> str:
        """One sentence that names both jobs, and the place of the one that makes it."""
        where = f" ({self.maker.position})" if self.maker.position else ""
        field = next(step for step in reversed(self.pointer) if isinstance(step, str))
        return f"`{self.maker.address}`{where} will be {self.found}, and `{field}` takes {self.allowed}"


def incompatibilities(jobs: Iterable[Job], known: Known = NONE) -> list[Incompatibility]:
    """Every result that its user would refuse: too long, too small, of a shape or model that is not taken.

    `known` are facts about files that go in from outside.
    """
    makers = ProducerLimits({job.address: job for job in jobs}, known)
    return [misfit for user in makers.jobs.values() if user.needs for misfit in makers.misfits(user)]


@dataclass(slots=True)
class ProducerLimits:
    """What each job makes, found out once."""

    jobs: Mapping[str, Job]
    known: Known = field(default_factory=dict)
    _known: dict[str, MediaFacts] = field(default_factory=dict)

    def misfits(self, user: Job) -> Iterator[Incompatibility]:
        """What a job would refuse of what others make for it."""
        operation = load_operation(user.operation)
        for entry in operation.kling["media"]:
            limits = table("media")["limits"].get(entry.get("limits"))
            for pointer, value in walk(user.request, entry["at"]) if limits else ():
                maker = self.jobs.get(value.address) if isinstance(value, OutputRef) else None
                if maker is not None:
                    for found, allowed, hint in _broken(self.of(maker), own := _own(operation, user, limits)):
                        yield Incompatibility(user, maker, pointer, found, allowed, hint, str(own["source"]))

    def of(self, job: Job) -> MediaFacts:
        """What a job makes, as far as the requests of all jobs fix it."""
        if job.address not in self._known:
            self._known[job.address] = NOTHING  # whoever uses itself is reported elsewhere
            self._known[job.address] = made(load_operation(job.operation), job.request, self._given)
        return self._known[job.address]

    def _given(self, value: Any) -> MediaFacts | None:
        if not isinstance(value, OutputRef):
            return of_input(value, self.known)
        maker = self.jobs.get(value.address)
        return self.of(maker) if maker else None


def of_input(value: Any, known: Known) -> MediaFacts | None:
    """What is known of a file or link that goes into a request."""
    return (
        known.get(value.sha256 if isinstance(value, FileRef) else value) if isinstance(value, FileRef | str) else None
    )


_Broken = Iterator[tuple[str, str, str]]
"""What is found, what is allowed, what to do."""


def _own(operation: Operation, user: Job, limits: Mapping[str, Any]) -> Mapping[str, Any]:
    """The limits that hold for this very request."""
    if "cases" not in limits and "by_model" not in limits:
        return limits
    body = as_read(operation, user.request)
    return narrowed(limits, body, str(body.get(operation.kling["pool"]["model"], "")))


def _broken(facts: MediaFacts, limits: Mapping[str, Any]) -> _Broken:
    for look in (_length, _size, _shape, _maker):
        yield from look(facts, limits)


def _length(facts: MediaFacts, limits: Mapping[str, Any]) -> _Broken:
    low, high = limits.get("min_seconds", 0), limits.get("max_seconds")
    if facts.seconds is not None and (facts.seconds < low or (high is not None and facts.seconds > high)):
        allowed = f"at most {high:g} s" if not low else f"{low:g} to {high:g} s" if high else f"at least {low:g} s"
        yield f"{facts.seconds:g} s long", allowed, "Make it longer or shorter, or use another."


def _size(facts: MediaFacts, limits: Mapping[str, Any]) -> _Broken:
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


def _shape(facts: MediaFacts, limits: Mapping[str, Any]) -> _Broken:
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


def _maker(facts: MediaFacts, limits: Mapping[str, Any]) -> _Broken:
    if facts.model and "models" in limits and facts.model not in limits["models"]:
        allowed = ", ".join(limits["models"])
        yield (
            f"of {facts.model}",
            f"what {allowed} made",
            "Make it with one of these models, or go on from it in another way.",
        )
