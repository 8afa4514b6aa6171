"""Traces and metrics of a verb, where the OTEL_* variables ask for them and the extra `otel` is installed."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from kling_pipe.report.otel.exporters import Export
    from kling_pipe.report.otel.watch import Watch

_LAST_SECONDS = 2.0
"""How long the end of a verb may wait for a collector."""

_LAST_SECONDS_STOPPED = 0.3
"""The same after SIGINT or SIGTERM: somebody wants the process to be gone."""


def traced(name: str, manifest: Path) -> Watch | None:
    """The `telemetry` of a verb that works on a manifest, from now to its end; `name` is what its trace is called."""
    context = click.get_current_context()
    facts = {"kling_pipe.verb": context.info_name or "", "kling_pipe.manifest": manifest.name}
    return context.with_resource(telemetry(name, facts))


@contextmanager
def telemetry(name: str, facts: Mapping[str, Any], environ: Mapping[str, str] = os.environ) -> Iterator[Watch | None]:
    """A meter that tells OpenTelemetry of a run called `name` ("" for a worker, whose jobs belong to other runs).

    None where nobody asked, or the extra is not installed. Whatever becomes of the telemetry, the verb goes on.
    """
    from kling_pipe.report.otel import wanted

    if not wanted(environ):
        yield None
        return
    try:
        from kling_pipe.report.otel.exporters import endpoint
    except ImportError:
        yield None
        return
    out = _export(environ)
    if out is None:
        yield None
        return
    watch, error = _watch(out, name, facts, environ), ""
    try:
        yield watch
    except click.exceptions.Exit:
        raise
    except BaseException as failure:
        error = f"{type(failure).__name__}: {failure}"
        watch.hurried |= isinstance(failure, KeyboardInterrupt)
        raise
    finally:
        watch.close(error)
        if not out.close(_LAST_SECONDS_STOPPED if watch.hurried else _LAST_SECONDS):
            click.echo(f"not all telemetry arrived at {endpoint(environ)}", err=True)


def _export(environ: Mapping[str, str]) -> Export | None:
    """The way out; None, with a word why, where the variables ask for what cannot be done."""
    from kling_pipe import __version__
    from kling_pipe.report.otel.exporters import export, refusal

    why_not = refusal(environ)
    if not why_not:
        try:
            return export(environ, __version__)
        except Exception as error:  # whatever it is, the films are worth more
            why_not = f"an OTEL_* variable has a value that cannot be read ({type(error).__name__})"
    click.echo(f"no telemetry: {why_not}", err=True)
    return None


def _watch(out: Export, name: str, facts: Mapping[str, Any], environ: Mapping[str, str]) -> Watch:
    from kling_pipe import __version__
    from kling_pipe.report.otel.watch import Watch

    tracer = out.tracers.get_tracer("kling-pipe", __version__)
    instruments = out.meters.get_meter("kling-pipe", __version__)
    return Watch(tracer, instruments, name, facts, origin=environ.get("TRACEPARENT", ""))
