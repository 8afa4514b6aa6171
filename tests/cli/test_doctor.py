"""`doctor` looks at what can go wrong before anything costs, and `--probe` leaves nothing behind."""

from __future__ import annotations

import asyncio
import time

from kling_pipe.cli.doctor import findings
from kling_pipe.engine.probe import skew


def test_everything_is_looked_at_and_nothing_is_made(kling):
    """Clock, ledger and lock are lines of their own."""
    done = kling("doctor")
    assert done.returncode == 0, done.stdout
    assert "the clock agrees with Kling's" in done.stdout
    assert "no ledger yet; 0 jobs in the lock" in done.stdout
    assert kling.created == 0


def test_the_probe_tries_the_guarantees_and_cleans_up(kling):
    """Unique, found, deleted; one create counts, the refused one does not."""
    done = kling("doctor", "--probe")
    assert done.returncode == 0, done.stdout + done.stderr
    for words in ("accepted once", "found by its external id", "deleted again"):
        assert words in done.stdout
    assert kling.created == 1


def test_a_wrong_clock_is_measured(kling):
    """An hour ahead is an hour ahead."""
    ahead = asyncio.run(skew(kling.running.base_url, lambda: time.time() + 3600))
    assert ahead is not None
    assert 3590 < ahead < 3610


def test_telemetry_is_looked_at_where_it_is_asked_for(tmp_path):
    """Who set the variables wants to know whether the extra is there; nobody else does."""
    asked = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}
    for environ, told in (({}, False), (asked, True)):
        lines = [words for _, words, _ in findings(tmp_path, environ, emulator=False, state=None)]
        assert ("extra `otel`: installed" in lines) is told
