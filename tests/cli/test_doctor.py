"""`doctor` looks at what can go wrong before anything costs, and `--probe` leaves nothing behind."""

from __future__ import annotations

import asyncio
import time

import pytest
from program import call

from kling_pipe.cli.doctor import findings
from kling_pipe.engine.account_probe import skew
from kling_pipe.engine.account_settings import account_specs


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


TURNED = "the second standard takes an API key and no signed token"
PAIR = {"KLING_ACCESS_KEY": "ak", "KLING_SECRET_KEY": "sk", "KLING_BASE_URL": "http://127.0.0.1:9"}
NAMED = {"main": {"access_key_env": "KLING_ACCESS_KEY", "secret_key_env": "KLING_SECRET_KEY"}}


@pytest.mark.parametrize(
    ("environ", "table", "told"),
    [
        (PAIR, {}, f"{TURNED} (set KLING_API_KEY, or go by the first one with --standard v1)"),
        (
            PAIR,
            NAMED,
            f"{TURNED} (give [accounts.main] an `api_key_env`, or go by the first one with --standard v1)",
        ),
        ({**PAIR, "KLING_API_KEY": "key"}, {}, ""),
    ],
)
def test_a_signed_token_is_no_credential_for_the_second_standard(tmp_path, environ, table, told):
    """What `run` would refuse is told before, with the way out; in the first standard it is a good one."""
    named = {"accounts": account_specs(table)}
    for standard, expected in (("v1", ""), ("v2", told)):
        found = list(findings(tmp_path, environ, emulator=False, state=None, named=named, standard=standard))
        turned = [(words, code) for ok, words, code in found if TURNED in words and not ok]
        assert turned == ([(expected, 4)] if expected else [])
        assert any(words.startswith("credentials for account") for _, words, _ in found) is not bool(expected)


def test_the_settings_say_which_standard_is_meant(tmp_path, monkeypatch):
    """As they do for a run; a flag goes before them, and the host is theirs, too."""
    for name, value in {**PAIR, "KLING_API_KEY": "", "KLINGAI_API_KEY": ""}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("KLING_BASE_URL")
    monkeypatch.delenv("KLING_PIPE_STANDARD", raising=False)
    (tmp_path / "kling-pipe.toml").write_text('standard = "v2"\nbase_url = "http://127.0.0.1:9"\n', encoding="utf-8")
    second, first = call("doctor", folder=tmp_path), call("doctor", "--standard", "v1", folder=tmp_path)
    assert (second.code, TURNED in second.out) == (4, True)
    assert (first.code, TURNED in first.out) == (69, False)
    assert "at http://127.0.0.1:9" in first.out
