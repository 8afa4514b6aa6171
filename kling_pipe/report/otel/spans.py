"""One job as a span, with the phase that it is in as a span below."""

from __future__ import annotations

from dataclasses import dataclass

from opentelemetry.context import Context
from opentelemetry.trace import Span, Status, StatusCode, Tracer, set_span_in_context

from kling_pipe.model import Job, Record
from kling_pipe.report.otel.attribute_names import job_facts, record_facts


@dataclass(slots=True)
class JobSpan:
    """An open span. Times are seconds since 1970."""

    span: Span
    operation: str
    phase: str = ""
    since: float = 0.0
    within: Span | None = None

    @classmethod
    def begin(cls, tracer: Tracer, job: Job, above: Context, now: float) -> JobSpan:
        """A job begins. The span has the name of its recipe: the address, which counts cells and takes, is a fact."""
        name = f"{job.kind}.{job.name}"
        span = tracer.start_span(name, above, attributes=job_facts(job), start_time=nanoseconds(now))
        return cls(span, job.operation)

    @property
    def below(self) -> Context:
        """Where what is done now belongs: the phase, else the job."""
        return set_span_in_context(self.within or self.span)

    def enter(self, tracer: Tracer, phase: str, now: float) -> tuple[str, float] | None:
        """Go into a phase, "" for none. Returns the phase that this ends and its seconds."""
        if phase == self.phase:
            return None
        ended = (self.phase, max(0.0, now - self.since)) if self.phase else None
        if self.within is not None:
            self.within.end(nanoseconds(now))
        above = set_span_in_context(self.span)
        self.within = tracer.start_span(phase, above, start_time=nanoseconds(now)) if phase else None
        self.phase, self.since = phase, now
        return ended

    def end(self, outcome: str, record: Record | None, message: str, now: float) -> None:
        """The last word."""
        if self.within is not None:
            self.within.end(nanoseconds(now))
        self.span.set_attribute("kling_pipe.outcome", outcome)
        if record is not None:
            self.span.set_attributes(record_facts(record))
        if outcome == "failed":
            self.span.set_status(Status(StatusCode.ERROR, message))
        self.span.end(nanoseconds(now))


def nanoseconds(seconds: float) -> int:
    """Seconds as OpenTelemetry counts time."""
    return int(seconds * 1_000_000_000)
