"""What people copy to run a fleet is well formed, and calls the program as it is."""

from __future__ import annotations

import configparser
import contextlib
import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from kling_pipe.cli.main import VERBS, cli

ROOT = Path(__file__).resolve().parents[2]
FLEET = ROOT / "examples" / "fleet"
CALL = re.compile(r"\bkling-pipe (?:(?:" + "|".join(VERBS) + r")\b)[^|&;`\n]*")


class NoSuchFileError(Exception):
    """A file that a reader has and we have not."""


def parsed(words: list[str]) -> dict[str, Any]:
    """What the verb reads out of a call. Raises what a person would be told."""
    name, *rest = words
    command = cli.get_command(click.Context(cli), name)
    assert command is not None, name
    while isinstance(command, click.Group):
        command = command.get_command(click.Context(command), rest.pop(0))
    try:
        found: dict[str, Any] = command.make_context(name, rest).params
    except click.BadParameter as error:
        if "does not exist" in error.message:
            raise NoSuchFileError(error.message) from error
        raise
    return found


def calls(text: str) -> list[list[str]]:
    """Every call of the program in a script, without what CI puts in."""
    plain = re.sub(r"\$\{\{[^}]*\}\}", "1", text)
    return [shlex.split(call, comments=True)[1:] for call in CALL.findall(plain)]


@pytest.fixture
def objects() -> dict[str, dict[str, Any]]:
    """The objects of the Kubernetes example, by kind."""
    found = [one for one in yaml.safe_load_all((FLEET / "kubernetes.yaml").read_text("utf-8")) if one]
    return {one["kind"]: one for one in found}


def pod(one: dict[str, Any]) -> dict[str, Any]:
    """Its pod's specification."""
    found: dict[str, Any] = one["spec"]["template"]["spec"]
    return found


def test_every_object_has_what_kubernetes_asks_of_all(objects) -> None:
    """A version and a name; a selector that finds its own pods; mounts that exist."""
    versions = {kind: one["apiVersion"] for kind, one in objects.items()}
    assert versions == {
        "ConfigMap": "v1",
        "Job": "batch/v1",
        "Deployment": "apps/v1",
        "PodDisruptionBudget": "policy/v1",
    }
    assert all(re.fullmatch(r"[a-z][a-z-]*", one["metadata"]["name"]) for one in objects.values())
    deployment = objects["Deployment"]["spec"]
    labels = deployment["template"]["metadata"]["labels"]
    assert deployment["selector"]["matchLabels"] == labels
    assert objects["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == labels
    for kind in ("Job", "Deployment"):
        volumes = {volume["name"] for volume in pod(objects[kind])["volumes"]}
        for container in pod(objects[kind])["containers"]:
            assert {mount["name"] for mount in container["volumeMounts"]} == volumes
            assert container["envFrom"][0]["configMapRef"]["name"] == objects["ConfigMap"]["metadata"]["name"]


def test_a_worker_has_time_to_end_what_it_has_in_hand(objects) -> None:
    """Longer than films take, and longer than others wait before they take over."""
    worker = pod(objects["Deployment"])
    read = parsed(worker["containers"][0]["args"])
    assert worker["terminationGracePeriodSeconds"] >= 900
    assert (read["concurrency"], read["takeover"], read["drain"]) == (100, 30.0, False)


@pytest.mark.needs("sh")
@pytest.mark.parametrize(("code", "ends"), [(0, 0), (75, 0), (3, 3), (1, 1)])
def test_the_campaign_is_queued_and_that_counts_as_done(objects, tmp_path, code, ends) -> None:
    """75 is what `run --detach` answers when there is something to wait for; other answers are the Job's own."""
    container = pod(objects["Job"])["containers"][0]
    (words,) = calls(container["args"][0])
    read = parsed(words)
    assert (read["detach"], read["yes"]) == (True, True)
    program = tmp_path / "kling-pipe"
    program.write_text(f"#!/bin/sh\nexit {code}\n", encoding="utf-8")
    program.chmod(0o755)
    environ = {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run([*container["command"], *container["args"]], env=environ, timeout=20, check=False)
    assert done.returncode == ends
    assert objects["Job"]["spec"]["podFailurePolicy"]["rules"][0]["onExitCodes"]["containerName"] == container["name"]


def test_the_unit_is_one_that_systemd_takes(tmp_path) -> None:
    """By systemd itself where it is here; by its form and the program's flags everywhere."""
    text = (FLEET / "kling-pipe-worker.service").read_text("utf-8")
    unit = configparser.ConfigParser(interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read_string(text)
    assert unit.sections() == ["Unit", "Service", "Install"]
    program, *words = shlex.split(unit["Service"]["ExecStart"])
    assert (program, parsed(words)["concurrency"]) == ("/usr/local/bin/kling-pipe", 100)
    assert unit["Service"]["WorkingDirectory"] == f"/var/lib/{unit['Service']['StateDirectory']}"
    assert unit["Service"]["TimeoutStopSec"] == "30min"
    if verify := shutil.which("systemd-analyze"):
        copy = tmp_path / "kling-pipe-worker.service"
        copy.write_text(text.replace(program, "/bin/true"), encoding="utf-8")
        done = subprocess.run([verify, "verify", str(copy)], capture_output=True, text=True, timeout=30, check=False)
        assert "kling-pipe-worker.service" not in done.stderr, done.stderr


@pytest.mark.parametrize("path", ["examples/ci/github-shards.yml", "docs/howto/fleet.md", "docs/howto/kubernetes.md"])
def test_calls_in_what_people_copy_are_understood(path) -> None:
    """A flag that was renamed is renamed here too."""
    text = (ROOT / path).read_text("utf-8")
    blocks = [text] if path.endswith(".yml") else re.findall(r"^```.*?^```", text, re.MULTILINE | re.DOTALL)
    found = [words for block in blocks for words in calls(block)]
    assert len(found) >= 3
    for words in found:
        with contextlib.suppress(NoSuchFileError):
            parsed(words)


def test_the_shards_of_the_workflow_are_all_of_them() -> None:
    """As many parts as the matrix has, and the locks of all are brought together."""
    jobs = yaml.safe_load((ROOT / "examples" / "ci" / "github-shards.yml").read_text("utf-8"))["jobs"]
    shards = jobs["make"]["strategy"]["matrix"]["shard"]
    steps = [step.get("run", "") for step in jobs["make"]["steps"]]
    assert shards == [*range(1, len(shards) + 1)]
    assert any(f"--shard ${{{{ matrix.shard }}}}/{len(shards)}" in step for step in steps)
    assert jobs["together"]["needs"] == "make"
    assert any("merge-lock parts/part-*/kling-pipe.lock" in step.get("run", "") for step in jobs["together"]["steps"])
