"""Where spans and metrics go, as the usual OTEL_* variables say. Never in a run's way, and never long at its end."""

from __future__ import annotations

import logging
import sys
import threading
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import ConsoleMetricExporter, MetricReader, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter, SpanExporter

_QUEUE = 16384
"""Spans that wait to be sent, unless OTEL_BSP_MAX_QUEUE_SIZE says: a run at 500 slots makes thousands a second."""

_DEFAULT_ENDPOINT = "http://localhost:4318"


class _Heard(logging.Handler):
    """Counts what was given up, instead of having it printed into the progress of a run."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.count = 0

    def emit(self, record: logging.LogRecord) -> None:
        """One complaint. Its text is not kept: it may name what a URL or a header carries."""
        self.count += record.levelno >= logging.ERROR or "Queue full" in str(record.msg)


@dataclass(slots=True)
class Export:
    """Both providers. They are this run's own: the process's global ones stay as they are."""

    tracers: TracerProvider
    meters: MeterProvider
    heard: _Heard

    def close(self, seconds: float) -> bool:
        """Send what is left, for so long at most. Returns whether all of it was taken."""
        deadline = time.monotonic() + seconds
        ending = [threading.Thread(target=one.shutdown, daemon=True) for one in (self.tracers, self.meters)]
        for thread in ending:
            thread.start()
        for thread in ending:
            thread.join(max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in ending) and not self.heard.count


def export(environ: Mapping[str, str], version: str) -> Export:
    """What the variables ask for. Endpoint, headers, time-outs, compression and sampling are read by OpenTelemetry.

    Raises whatever a value that cannot be read makes OpenTelemetry raise.
    """
    heard = _Heard()
    logger = logging.getLogger("opentelemetry")
    logger.propagate = False
    logger.addHandler(heard)
    resource = Resource.create(_resource(environ, version))
    tracers = TracerProvider(resource=resource, shutdown_on_exit=False)
    if exporter := _spans(environ):
        size = None if environ.get("OTEL_BSP_MAX_QUEUE_SIZE") else _QUEUE
        tracers.add_span_processor(BatchSpanProcessor(exporter, max_queue_size=size))
    meters = MeterProvider(_metrics(environ), resource, shutdown_on_exit=False)
    return Export(tracers, meters, heard)


def refusal(environ: Mapping[str, str]) -> str:
    """Why what the variables ask for cannot be done, or ""."""
    for name in ("OTEL_TRACES_EXPORTER", "OTEL_METRICS_EXPORTER"):
        if (one := _exporter(environ, name)) not in ("otlp", "console", "none"):
            return f"{name}={one} is not known here; otlp, console and none are"
    protocol = environ.get("OTEL_EXPORTER_OTLP_PROTOCOL", "") or "http/protobuf"
    if protocol != "http/protobuf":
        return f"OTEL_EXPORTER_OTLP_PROTOCOL={protocol} is not spoken here; http/protobuf is (mostly at port 4318)"
    return ""


def endpoint(environ: Mapping[str, str]) -> str:
    """Host and port of where traces go, for messages."""
    url = environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") or environ.get("OTEL_EXPORTER_OTLP_ENDPOINT")
    return urlsplit(url or _DEFAULT_ENDPOINT).netloc.rpartition("@")[2] or "an endpoint that is no URL"


def _resource(environ: Mapping[str, str], version: str) -> dict[str, str]:
    """Who tells this, as far as the variables do not say."""
    own = {"service.name": "kling-pipe", "service.version": version, "service.instance.id": str(uuid.uuid4())}
    given = environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
    named = {pair.partition("=")[0].strip() for pair in given.split(",")}
    if environ.get("OTEL_SERVICE_NAME"):
        named.add("service.name")
    return {name: value for name, value in own.items() if name not in named}


def _exporter(environ: Mapping[str, str], name: str) -> str:
    return environ.get(name, "").strip().lower() or "otlp"


def _spans(environ: Mapping[str, str]) -> SpanExporter | None:
    which = _exporter(environ, "OTEL_TRACES_EXPORTER")
    if which == "console":
        return ConsoleSpanExporter(out=sys.stderr)
    if which == "none":
        return None
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    return OTLPSpanExporter()


def _metrics(environ: Mapping[str, str]) -> list[MetricReader]:
    which = _exporter(environ, "OTEL_METRICS_EXPORTER")
    if which == "console":
        return [PeriodicExportingMetricReader(ConsoleMetricExporter(out=sys.stderr))]
    if which == "none":
        return []
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter

    return [PeriodicExportingMetricReader(OTLPMetricExporter())]
