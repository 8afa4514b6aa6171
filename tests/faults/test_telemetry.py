"""OpenTelemetry: one trace a run, its metrics, nothing secret in them; a collector that hangs holds nobody up."""

from __future__ import annotations

import shutil
import signal
import time
from collections import Counter

import pytest
from collector import collecting
from scenario import HEAD, many

from kling_pipe.report.otel import wanted
from kling_pipe.report.otel.attribute_names import template
from kling_pipe.report.otel.exporters import refusal

CLIENT = 3


def by_name(spans):
    return {span.name: span for span in spans}


def below(spans, parent):
    return [span for span in spans if span.parent == parent.id]


def test_a_run_is_one_trace_and_holds_nothing_secret(chain):
    """Root, a span a job with its facts, its phases, and each request where it was sent; metrics beside it."""
    with collecting() as collector:
        done = chain.cli("run", "-y", "-q", environ={**collector.environ, "OTEL_EXPORTER_OTLP_HEADERS": "x-team=tea"})
    assert (done.returncode, done.stderr.replace("Files: out/\n", "")) == (0, "")

    spans = collector.spans()
    named = by_name(spans)
    run, film = named["run"], named["video.film"]
    assert {span.trace for span in spans} == {run.trace}
    assert run.parent == ""
    assert (run.facts["kling_pipe.verb"], run.facts["kling_pipe.run.made"], run.failed) == ("run", 3, False)
    assert {span.name for span in below(spans, run) if span.kind != CLIENT} == {
        "element.hana",
        "image.key",
        "video.film",
    }
    block = chain.blocks()["video.film"]
    told = {name.removeprefix("kling_pipe."): value for name, value in film.facts.items()}
    assert told == {
        "job.address": "video.film",
        "job.key": block["key"][:20],
        "job.project": "faults",
        "operation": "omni-video",
        "model": "kling-v3-omni",
        "pool": "video",
        "outcome": "made",
        "external_task_id": block["external_task_id"],
        "task_id": block["task_id"],
        "account": block["account"],
        "attempt": 1,
        "units": pytest.approx(float(block["units"])),
    }
    phases = {span.name: span for span in below(spans, film)}
    assert set(phases) == {"queue", "submit", "kling", "download"}
    assert sum(one.seconds for one in phases.values()) == pytest.approx(film.seconds, abs=0.02)
    (create,) = below(spans, phases["submit"])
    assert (create.name, create.kind) == ("POST /v1/videos/omni-video", CLIENT)
    assert (
        create.facts.items()
        >= {
            "http.request.method": "POST",
            "http.response.status_code": 200,
            "url.template": "/v1/videos/omni-video",
            "server.address": "127.0.0.1",
            "kling_pipe.request.kind": "create",
            "kling_pipe.code": 0,
            "kling_pipe.external_task_id": block["external_task_id"],
        }.items()
    )
    kinds = Counter(span.facts["kling_pipe.request.kind"] for span in spans if span.kind == CLIENT)
    assert kinds == chain.ledger()["requests"]["kinds"]
    assert {span.name for span in spans if span.facts.get("kling_pipe.request.kind") == "get"} <= {
        f"GET /v1/{path}/{{id}}"
        for path in ("general/advanced-custom-elements", "images/omni-image", "videos/omni-video")
    }

    metrics = collector.metrics()
    assert sum(value for _, value in metrics["kling_pipe.jobs"]) == 3
    assert {one["kling_pipe.pool"]: value for one, value in metrics["kling_pipe.units"]} == chain.ledger()["units"]
    counted = Counter()
    for one, value in metrics["kling_pipe.requests"]:
        counted[one["kling_pipe.request.kind"]] += value
    assert counted == kinds
    assert set(metrics) == {
        "kling_pipe.jobs",
        "kling_pipe.requests",
        "kling_pipe.units",
        "kling_pipe.job.phase.duration",
        "kling_pipe.slots.in_use",
        "kling_pipe.slots.limit",
        "kling_pipe.slots.utilization",
        "http.client.request.duration",
    }
    assert collector.resource()["service.name"] == "kling-pipe"
    assert {one["x-team"] for one in collector.headers} == {"tea"}
    secrets = (chain.running.secret_key, chain.running.api_key, "Bearer", "eyJhbGci", "sign=", "Expires")
    assert [secret for secret in secrets if secret in collector.text] == []


def test_failures_and_repeated_requests_are_told_and_the_names_are_ours_to_choose(picture):
    """An error status with Kling's words, why a create was sent again; the trace stands below the caller's."""
    picture.write(many(2) + "  late: { prompt: again }\n")
    picture.faults(
        {"fault": "token_expired", "match": {"method": "POST"}, "times": 1},
        {"fault": "task_failure", "message": "Failure to pass the risk control system", "times": 1},
    )
    above = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    names = {"OTEL_SERVICE_NAME": "tea", "OTEL_RESOURCE_ATTRIBUTES": "team=green", "TRACEPARENT": above}
    with collecting() as collector:
        assert picture.cli("run", "-y", "-q", environ={**collector.environ, **names}).returncode == 1
    spans = collector.spans()
    run = by_name(spans)["run"]
    assert (run.trace, run.parent, run.failed) == (above.split("-")[1], above.split("-")[2], True)
    failed = [span for span in below(spans, run) if span.facts.get("kling_pipe.outcome") == "failed"]
    assert len(failed) == 1
    assert failed[0].failed
    assert "risk" in failed[0].message
    again = [span.facts["kling_pipe.request.again"] for span in spans if "kling_pipe.request.again" in span.facts]
    assert any("1004" in why for why in again)
    refused = [span for span in spans if span.kind == CLIENT and span.facts.get("kling_pipe.code") == 1004]
    assert [(span.failed, span.facts["error.type"]) for span in refused] == [(True, "1004")]
    outcomes = Counter()
    for one, value in collector.metrics()["kling_pipe.jobs"]:
        outcomes[one["kling_pipe.outcome"]] += value
    assert outcomes == {"made": 2, "failed": 1}
    assert collector.resource().items() >= {"service.name": "tea", "team": "green"}.items()


def test_what_only_fetches_is_traced_too(chain, tmp_path):
    """`sync`, `pull` and `adopt` are a trace each: every request below it, what it came to on it; nothing is made."""
    assert chain.cli("run", "-y", "-q").returncode == 0
    other = chain.elsewhere(tmp_path / "laptop")
    spans = {}
    for verb in (("sync",), ("pull",), ("pull", "--expiring", "40d"), ("adopt", "image.key", "kp1-none")):
        before = chain.ledger()["requests"]["kinds"]
        with collecting() as collector:
            done = other.cli(*verb, environ=collector.environ)
        assert done.returncode == (64 if verb[0] == "adopt" else 0), done
        spans[verb] = collector.spans()
        root = by_name(spans[verb])[verb[0]]
        assert {span.trace for span in spans[verb]} == {root.trace}
        assert (root.parent, root.facts["kling_pipe.verb"], root.failed) == ("", verb[0], verb[0] == "adopt")
        kinds = Counter(span.facts["kling_pipe.request.kind"] for span in spans[verb] if span.kind == CLIENT)
        assert kinds == Counter(chain.ledger()["requests"]["kinds"]) - Counter(before)
        if verb == ("sync",):
            films = [by_name(spans[verb])[name] for name in ("image.key", "video.film")]
            assert [(film.parent, film.facts["kling_pipe.outcome"]) for film in films] == [(root.id, "reused")] * 2
            assert (root.facts["kling_pipe.sync.found"], root.facts["kling_pipe.run.reused"]) == (3, 3)
            shutil.rmtree(other.root / "out")
            shutil.rmtree(other.root / ".kling-pipe" / "objects")
        elif verb == ("pull",):
            assert [span.facts["kling_pipe.request.kind"] for span in below(spans[verb], root)].count("download") == 2
            told = {name: root.facts[f"kling_pipe.pull.{name}"] for name in ("fetched", "there", "failed")}
            assert told == {"fetched": 2, "there": 0, "failed": 0}
    key = chain.blocks()["image.key"]
    with collecting() as collector:
        done = other.cli("adopt", "image.key", key["task_id"], environ=collector.environ)
    assert done.returncode == 0, done
    facts = by_name(collector.spans())["adopt"].facts
    assert (facts["kling_pipe.job.address"], facts["kling_pipe.task_id"]) == ("image.key", key["task_id"])
    assert chain.posts == 3


def test_a_collector_that_hangs_holds_no_run_up(picture):
    """The run is done and says so; its end waits two seconds at most, and after SIGTERM hardly at all."""
    with collecting(answers=False) as collector:
        # It would be waited for so long if nothing bounded that; the bounds here leave room for a busy machine.
        environ = {**collector.environ, "OTEL_EXPORTER_OTLP_TIMEOUT": "60"}
        began = time.monotonic()
        done = picture.cli("run", "-y", "-q", environ=environ)
        assert done.returncode == 0
        assert f"not all telemetry arrived at {collector.url.removeprefix('http://')}" in done.stderr
        assert time.monotonic() - began < 20
        picture.write(many(2)).faults({"fault": "delay", "seconds": 30, "match": {"method": "POST"}})
        process = picture.process("run", "-y", "-q", environ=environ)
        while picture.posts < 2:
            time.sleep(0.02)
        process.send_signal(signal.SIGTERM)
        began = time.monotonic()
        process.communicate(timeout=20)
        assert process.returncode == 130
        assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({}, ""),
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_TRACES_EXPORTER": "otlp"}, "http/protobuf is"),
        ({"OTEL_TRACES_EXPORTER": "console", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "-1"}, "cannot be read (ValueError)"),
    ],
    ids=["not-asked", "grpc", "nonsense"],
)
def test_what_nobody_asked_for_is_not_loaded_and_what_cannot_be_done_is_said(picture, environ, said):
    """A run goes on without telemetry, and imports none of it where no variable asks."""
    done = picture.cli("run", "-y", "-q", environ={"PYTHONPROFILEIMPORTTIME": "1", **environ})
    lines = [line for line in done.stderr.splitlines() if not line.startswith("import time:")]
    told = [line for line in lines if line.startswith("no telemetry: ")]
    assert done.returncode == 0
    assert (said in told[0]) if said else not told
    assert bool(said) is ("opentelemetry" in done.stderr)


def test_the_variables_decide():
    """An endpoint or an exporter asks for it; `none` and the switch do not."""
    assert wanted({"OTEL_TRACES_EXPORTER": "otlp"})
    assert wanted({"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://collector"})
    assert refusal({"OTEL_TRACES_EXPORTER": "zipkin"}).startswith("OTEL_TRACES_EXPORTER=zipkin is not known here")
    assert refusal({"OTEL_TRACES_EXPORTER": "console", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}) == ""
    assert not wanted({"OTEL_TRACES_EXPORTER": "none", "OTEL_SERVICE_NAME": "x"})
    assert not wanted({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector", "OTEL_SDK_DISABLED": "True"})


def test_ids_stay_out_of_names():
    """A path loses its task, a file has none."""
    assert template({"kind": "get", "path": "/v1/videos/omni-video/888888888888888888"}) == "/v1/videos/omni-video/{id}"
    assert template({"kind": "list", "path": "/v1/videos/omni-video?pageNum=1"}) == "/v1/videos/omni-video"
    assert template({"kind": "download", "path": "/files/secret-name.mp4"}) == ""


@pytest.mark.needs("postgres")
def test_a_workers_jobs_stand_in_the_trace_of_the_run_that_queued_them(picture, tmp_path, postgres):
    """The row in the queue carries the trace."""
    url = postgres.database()
    with collecting() as collector:
        picture.write(HEAD + "images:\n  a: { prompt: a kite }\n")
        queued = picture.cli("run", "-y", "-q", "--detach", "--store", url, environ=collector.environ)
        machine = picture.elsewhere(tmp_path / "machine")
        done = machine.cli("worker", "--store", url, "--drain", environ=collector.environ)
    assert (queued.returncode, done.returncode) == (75, 0), done
    named = by_name(collector.spans())
    assert named["image.a"].parent == named["run"].id
    assert named["image.a"].facts["kling_pipe.outcome"] == "made"
    assert {"queue", "submit", "kling", "download"} <= set(named)
    assert [value for _, value in collector.metrics()["kling_pipe.jobs"]] == [1]
