"""What a run tells of itself: the log file, the counters, and that neither holds a secret."""

import json
from collections import Counter

import pytest

from scenario import many  # isort: skip


def lines(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def summary(done):
    return json.loads(done.stdout.splitlines()[-1])


def test_the_log_holds_every_request_and_nothing_secret(chain):
    """As many lines of each kind as Kling counted, each with method, path, external id, code and latency."""
    log = chain.root / "run.log"
    assert chain.cli("run", "-y", "-q", "--log-file", str(log)).returncode == 0
    requests = [line for line in lines(log) if line["type"] == "request"]
    assert Counter(line["kind"] for line in requests) == chain.ledger()["requests"]["kinds"]
    names = {block["external_task_id"] for block in chain.blocks().values()}
    assert {line["external_task_id"] for line in requests if line["kind"] in ("create", "download")} <= names
    for line in requests:
        assert line["method"] in ("GET", "POST")
        assert line["path"].startswith("/")
        assert 0 <= line["seconds"] < 10
        assert line["code"] in (0, 1201)
    text = log.read_text(encoding="utf-8")
    secrets = (chain.running.secret_key, chain.running.api_key, "Bearer", "eyJ", "sign=", "Expires")
    assert [secret for secret in secrets if secret in text] == []


def test_the_log_says_why_something_was_sent_again(picture):
    """The reason of a repeated request stands beside it; events and the summary are in the same file."""
    picture.faults(
        {"fault": "unavailable", "match": {"method": "POST"}, "times": 1, "created": False},
        {"fault": "truncated", "times": 1},
    )
    log = picture.root / "run.log"
    assert picture.cli("run", "-y", "-q", "--log-file", str(log)).returncode == 0
    told = lines(log)
    again = {(line["kind"], line["again"]) for line in told if line["type"] == "request" and line["again"]}
    assert {kind for kind, _ in again} == {"create", "download"}
    assert any("5001" in reason for kind, reason in again if kind == "create")
    assert {"submitted", "retrying", "saved"} <= {line["type"] for line in told}
    assert told[-1]["type"] == "summary"


def test_the_log_is_appended_to(picture):
    """Two runs, one file."""
    log = picture.root / "run.log"
    for _ in range(2):
        picture.cli("run", "-y", "-q", "--log-file", str(log))
    assert [line["made"] for line in lines(log) if line["type"] == "summary"] == [1, 0]


def test_a_log_that_cannot_be_opened_is_exit_74_before_anything_is_sent(picture):
    """Whoever asks for a log wants one."""
    done = picture.cli("run", "-y", "-q", "--log-file", "no/such/folder/run.log")
    assert (done.returncode, picture.posts) == (74, 0)


def test_the_summary_counts_requests_slots_and_times(picture):
    """Requests by kind as Kling counted them; slots of the pack; where the jobs' time went."""
    picture.write(many(12))
    done = picture.cli("run", "-y", "--json")
    assert done.returncode == 0
    counters = summary(done)["counters"]
    kinds = picture.ledger()["requests"]["kinds"]
    during = {kind: counters["requests"][kind] for kind in ("create", "download")}
    assert during == {"create": kinds["create"], "download": 12}
    assert counters["requests_per_job"] == pytest.approx(counters["requests"]["total"] / 12, abs=0.001)
    slots = counters["slots"]["image/kling-v3-omni"]
    assert slots["limit"] >= 9
    assert 0 < slots["used"] <= 1
    assert set(counters["job_seconds"]) == {"queue", "kling", "download"}
    assert counters["job_seconds"]["kling"] >= 12 * 0.02
    assert summary(picture.cli("run", "-y", "--json"))["counters"]["requests_per_job"] is None


def test_the_time_of_a_task_that_an_earlier_run_sent_counts_as_time_at_kling(picture):
    """`wait` sends nothing: what it waits for is Kling."""
    assert picture.cli("run", "-y", "-q", "--detach").returncode == 75
    seconds = summary(picture.cli("wait", "--json"))["counters"]["job_seconds"]
    assert seconds["kling"] > 0
