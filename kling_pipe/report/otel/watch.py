"""A meter that tells a run as spans and metrics while it counts.

run
`-- image.key             one a job that something is done for; its facts and its outcome
    |-- queue             waiting for a slot
    |-- submit            until Kling has a task
    |   `-- POST /v1/...  each request as a client span
    |-- kling             until the task ended
    `-- download          until its files are saved
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from opentelemetry.context import Context
from opentelemetry.metrics import Meter as Instruments
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from kling_pipe.core.keys import external_id
from kling_pipe.core.redact import shown
from kling_pipe.engine.metrics import Metrics
from kling_pipe.model import Job, Plan, Record
from kling_pipe.report.otel.attribute_names import error_type, first_attempt, pack_of, request_facts, template
from kling_pipe.report.otel.measures import Measures
from kling_pipe.report.otel.spans import JobSpan, nanoseconds

if TYPE_CHECKING:
    from kling_pipe.engine import Outcome
    from kling_pipe.engine.events import Event

_TOLD = ("cooldown", "retrying", "processing", "noted")
_FACTS = ("reason", "pool", "seconds", "status")
"""Events that a job's span carries, and what of them."""


class Watch(Metrics):
    """One run, or one worker, with everything that it does.

    `origin` is a `traceparent` to stand below. Without `name` there is no span for the whole: a worker lives long, and
    each of its jobs belongs to the run that queued it.
    """

    def __init__(
        self, tracer: Tracer, instruments: Instruments, name: str, facts: Mapping[str, Any], *, origin: str = ""
    ) -> None:
        super().__init__()
        self._tracer = tracer
        self._measures = Measures(instruments, self.in_use)
        self._above = _context(origin)
        self._run: Span | None = None
        if name:
            self._run = tracer.start_span(name, self._above, attributes=dict(facts))
            self._above = set_span_in_context(self._run)
        self._jobs: dict[str, Job] = {}
        self._origins: dict[str, str] = {}
        self._names: dict[str, str] = {}
        self._open: dict[str, JobSpan] = {}
        self.hurried = False

    @property
    def origin(self) -> str:
        """The run as a `traceparent`: who works for it elsewhere stands below it."""
        carrier: dict[str, str] = {}
        TraceContextTextMapPropagator().inject(carrier, self._above)
        return carrier.get("traceparent", "")

    def expect(self, plan: Plan) -> None:
        """The jobs that events will be about."""
        for step in plan.steps:
            self._jobs[step.job.address] = step.job
            if not step.shared_with:
                self._names[first_attempt(step.external_task_id)] = step.job.address

    def taken(self, job: Job, origin: str) -> None:
        """A worker took a job: its span stands below that of the run that queued it."""
        self._jobs[job.address], self._origins[job.address] = job, origin
        self._names[external_id(job.project, job.key, job.take)] = job.address

    def asked(self, note: Mapping[str, Any]) -> None:
        """A request that came before the run: a look around at the account."""
        self._measures.request(note)
        self._tell(note, self._above if self._run else None)

    def request(self, note: Mapping[str, Any]) -> None:
        """A request was answered, or was not."""
        super().request(note)
        self._measures.request(note)
        address = self._names.get(first_attempt(note["external_task_id"]), "")
        if address and note["kind"] == "download" and address not in self._open:
            self._begin(address, time.time() - note["seconds"])
        job = self._open.get(address)
        self._tell(note, job.below if job else self._above if self._run else None)

    def moved(self, address: str, phase: str, now: float) -> None:
        """A job is in another phase: one span ends, the next begins."""
        super().moved(address, phase, now)
        job = self._open.get(address)
        if job is None and phase and address in self._jobs:
            job = self._begin(address, now)
        if job is not None and (ended := job.enter(self._tracer, phase, now)):
            self._measures.phase(ended[0], job.operation, ended[1])

    def event(self, event: Event) -> None:
        """Something happened to a job."""
        super().event(event)
        if event.type in _TOLD and (job := self._open.get(event.address)):
            told = {name: shown(str(value)) for name, value in event.data.items() if name in _FACTS}
            job.span.add_event(event.type, told, nanoseconds(event.at))

    def ended(self, address: str, ending: str, record: Record | None, message: str, now: float) -> None:
        """A job has its last word. One that nothing was done for is counted and has no span, unless it failed."""
        super().ended(address, ending, record, message, now)
        known = self._jobs.get(address)
        if known is None:
            return
        if address not in self._open and ending == "failed":
            self._begin(address, now)
        if job := self._open.pop(address, None):
            job.end(ending, record, shown(message), now)
        self._measures.job(ending, known.operation)
        pack = pack_of(known)
        if ending == "made" and pack and record is not None and record.charged:
            self._measures.units(record.charged, pack)
        if self._origins.pop(address, None) is not None:  # a worker lives long, and need not remember it
            del self._jobs[address]
            # Steps of two campaigns may ask for one task under two addresses: the first to end takes its name away.
            self._names.pop(external_id(known.project, known.key, known.take), None)

    def last(self, outcomes: Sequence[Outcome], summary: Mapping[str, Any]) -> None:
        """The run is over: what has not ended is told as it stands, and the summary goes to the run's span."""
        now, self.hurried = time.time(), summary["stopped"] == "interrupted"
        for one in outcomes:
            if one.ending == "waiting" and one.address in self._open:
                self.ended(one.address, one.ending, one.record, one.message, now)
        self._measures.slots(summary["counters"]["slots"])
        if self._run is not None:
            words = ("made", "reused", "failed", "waiting", "usd", "stopped")
            counts = {f"kling_pipe.run.{name}": summary[name] for name in words}
            units = {f"kling_pipe.run.units.{pack}": number for pack, number in summary["units"].items()}
            self._run.set_attributes({**counts, **units})
            if summary["failed"]:
                self._run.set_status(Status(StatusCode.ERROR, f"{summary['failed']} failed"))

    def told(self, facts: Mapping[str, Any], failed: int = 0) -> None:
        """What a verb that is no run came to; `failed` of its parts did not go well."""
        if self._run is not None:
            self._run.set_attributes(dict(facts))
            if failed:
                self._run.set_status(Status(StatusCode.ERROR, f"{failed} failed"))

    def close(self, error: str = "") -> None:
        """End every span that is still open; `error` is what ended the run before its summary."""
        now = time.time()
        for job in self._open.values():
            job.end("waiting", None, "", now)
        self._open.clear()
        if self._run is not None:
            if error:
                self._run.set_status(Status(StatusCode.ERROR, shown(error)))
            self._run.end()

    def _begin(self, address: str, now: float) -> JobSpan:
        job = self._jobs[address]
        origin = self._origins.get(address, "")
        above = _context(origin) if origin else self._above
        self._open[address] = JobSpan.begin(self._tracer, job, above, now)
        return self._open[address]

    def _tell(self, note: Mapping[str, Any], above: Context | None) -> None:
        """A request as a span. Without anything above it only the metrics have it: a worker polls day and night."""
        if above is None:
            return
        end = time.time()
        name = f"{note['method']} {template(note)}".rstrip()
        began = nanoseconds(end - note["seconds"])
        span = self._tracer.start_span(name, above, SpanKind.CLIENT, request_facts(note), start_time=began)
        if error_type(note):
            span.set_status(Status(StatusCode.ERROR, shown(note["reason"])))
        span.end(nanoseconds(end))


def _context(origin: str) -> Context:
    """A `traceparent` as a context; an empty one for what is none."""
    return TraceContextTextMapPropagator().extract({"traceparent": origin}, Context())
