"""OpenTelemetry: a run as one trace, and its metrics. Listens to the engine; the engine knows nothing of it.

Nothing of OpenTelemetry is imported before `wanted` says that the usual variables ask for it.
"""

from __future__ import annotations

from collections.abc import Mapping

_ENDPOINTS = tuple(f"OTEL_EXPORTER_OTLP_{which}ENDPOINT" for which in ("", "TRACES_", "METRICS_"))
_EXPORTERS = ("OTEL_TRACES_EXPORTER", "OTEL_METRICS_EXPORTER")


def wanted(environ: Mapping[str, str]) -> bool:
    """Whether the environment asks for telemetry: an endpoint or an exporter is named, and it is not switched off."""
    if environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    return any(environ.get(name) for name in _ENDPOINTS) or any(
        environ.get(name, "none").strip().lower() not in ("", "none") for name in _EXPORTERS
    )
