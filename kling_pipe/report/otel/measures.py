"""The metrics of a run, with their units."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from opentelemetry.metrics import CallbackOptions, Meter, Observation

from kling_pipe.report.otel.attribute_names import error_type, template

_BOUNDS = [0.1, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1200, 3600]
"""Seconds: a look-up takes milliseconds, a film minutes, a queue maybe an hour."""


class Measures:
    """The instruments; `in_use` is asked for the slots in use, by pool, whenever metrics are collected."""

    def __init__(self, meter: Meter, in_use: Callable[[], Mapping[str, int]]) -> None:
        self._in_use = in_use
        self._jobs = meter.create_counter("kling_pipe.jobs", "{job}", "Jobs by how they ended")
        self._requests = meter.create_counter("kling_pipe.requests", "{request}", "Requests by kind")
        self._units = meter.create_counter("kling_pipe.units", "{unit}", "Units that Kling charged")
        self._latency = meter.create_histogram(
            "http.client.request.duration", "s", "Time from a request to its whole answer"
        )
        self._phases = meter.create_histogram(
            "kling_pipe.job.phase.duration",
            "s",
            "Time of a job in the queue, being submitted, at Kling, in download",
            explicit_bucket_boundaries_advisory=_BOUNDS,
        )
        meter.create_observable_gauge(
            "kling_pipe.slots.in_use", [self._observed], "{slot}", "Slots that hold a task, by pool"
        )
        self._limits = meter.create_gauge("kling_pipe.slots.limit", "{slot}", "Slots that a pool has, as learned")
        self._used = meter.create_gauge("kling_pipe.slots.utilization", "1", "Share of a pool's slots that was in use")

    def request(self, note: Mapping[str, Any]) -> None:
        """A request and its answer."""
        self._requests.add(1, {"kling_pipe.request.kind": note["kind"], "kling_pipe.repeated": bool(note["again"])})
        facts = {
            "http.request.method": note["method"],
            "http.response.status_code": note["status"],
            "server.address": str(note["host"]).partition(":")[0],
            "url.template": template(note),
            "error.type": error_type(note),
        }
        self._latency.record(note["seconds"], {name: value for name, value in facts.items() if value})

    def phase(self, phase: str, operation: str, seconds: float) -> None:
        """A job was so long in a phase."""
        self._phases.record(seconds, {"kling_pipe.phase": phase, "kling_pipe.operation": operation})

    def job(self, outcome: str, operation: str) -> None:
        """A job ended."""
        self._jobs.add(1, {"kling_pipe.outcome": outcome, "kling_pipe.operation": operation})

    def units(self, number: float, pack: str) -> None:
        """Kling charged units of a pack."""
        self._units.add(number, {"kling_pipe.pool": pack})

    def slots(self, counters: Mapping[str, Mapping[str, float]]) -> None:
        """At the end: limit and share in use of each pool, as the run's summary has them."""
        for pool, one in counters.items():
            self._limits.set(one["limit"], {"kling_pipe.pool": pool})
            self._used.set(one["used"], {"kling_pipe.pool": pool})

    def _observed(self, _: CallbackOptions) -> Iterable[Observation]:
        return [Observation(count, {"kling_pipe.pool": pool}) for pool, count in self._in_use().items()]
