"""CI: what the action and the examples call is run here; what cannot run here is held against what it refers to."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from emulators import ended_in
from program import call

from kling_pipe.manifest.yaml.document import parse

ROOT = Path(__file__).resolve().parent.parent
VERB = ROOT / "action" / "verb.sh"
SOUND = """\
project: tea
defaults:
  images: { model_name: kling-v3-omni, resolution: 1k, aspect_ratio: 16:9 }
images:
  still: { prompt: A white cup }
"""


def data(path: str) -> Any:
    document = parse((ROOT / path).read_text("utf-8"), path)
    assert document.problems == []
    return document.data


@pytest.fixture
def campaign(tmp_path: Path) -> Iterator[Path]:
    """A campaign in a folder of its own, with the program on PATH as a CI job has it."""
    (tmp_path / "kling-pipe.yaml").write_text(SOUND, encoding="utf-8")
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "kling-pipe"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m kling_pipe "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    with ended_in(tmp_path):
        yield tmp_path


def verb(name: str, folder: Path, **variables: str) -> tuple[int, str, dict[str, str]]:
    """One step: its exit code, what it said, and what it handed on to the next."""
    outputs = folder / "outputs.txt"
    path = os.pathsep.join((str(folder / "bin"), os.environ["PATH"]))
    inherited = os.environ.get("PYTHONPATH", "")
    program = {"PATH": path, "PYTHONPATH": os.pathsep.join((str(ROOT), inherited)), "GITHUB_OUTPUT": str(outputs)}
    done = subprocess.run(
        ["bash", VERB, name],
        cwd=folder,
        env={**os.environ, **program, **variables},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    lines = outputs.read_text("utf-8").splitlines() if outputs.exists() else []
    return done.returncode, done.stdout + done.stderr, dict(line.split("=", 1) for line in lines)


def test_a_pull_request_is_validated_and_planned(campaign: Path) -> None:
    """The plan is printed, saved for `run FILE`, and its Markdown is handed on to the comment."""
    assert verb("validate", campaign)[0] == 0

    code, said, outputs = verb("plan", campaign)

    assert code == 0, said
    assert outputs == {"pending": "true", "plan": ".kling-pipe/ci/plan.json", "report": ".kling-pipe/ci/plan.md"}
    assert "| create | `image.still` |" in (campaign / outputs["report"]).read_text("utf-8")
    assert json.loads((campaign / outputs["plan"]).read_text("utf-8"))["format"] == "kling-pipe plan"


def test_an_invalid_manifest_annotates_fails_and_is_the_comment(campaign: Path) -> None:
    """On GitHub the problems stand at their lines; the comment says the same."""
    text = SOUND.replace("resolution: 1k", "resolution: 8k")
    (campaign / "kling-pipe.yaml").write_text(text, encoding="utf-8")
    page = campaign / "summary.md"

    code, said, outputs = verb("validate", campaign, GITHUB_ACTIONS="true", GITHUB_STEP_SUMMARY=str(page))

    assert code == 3
    assert "::error file=kling-pipe.yaml,line=3,col=" in said
    report = (campaign / outputs["report"]).read_text("utf-8")
    assert report.startswith("### `kling-pipe.yaml`: 1 error")
    assert page.read_text("utf-8").strip() == report.strip()


def test_annotations_name_files_from_the_top_of_the_repository(campaign: Path) -> None:
    """A campaign in a folder of a larger repository is annotated at the right file."""
    shutil.copytree(campaign / "bin", campaign / "films" / "bin")
    (campaign / "films" / "kling-pipe.yaml").write_text("project: Tea\n", encoding="utf-8")

    _, said, _ = verb("validate", campaign / "films", GITHUB_ACTIONS="true", GITHUB_WORKSPACE=str(campaign))

    assert "::error file=films/kling-pipe.yaml,line=1" in said


def test_a_push_runs_and_the_reviewed_plan_can_be_what_runs(campaign: Path) -> None:
    """`plan` on the emulator, then `run` of the very file; a second run has nothing to do."""
    arguments = {"KLING_PIPE_ARGS": "--emulator\n"}
    _, said, outputs = verb("plan", campaign, **arguments)
    assert outputs["pending"] == "true", said

    code, said, outputs = verb("run", campaign, KLING_PIPE_MANIFEST=outputs["plan"])

    assert (code, outputs["code"]) == (0, "0"), said
    assert "1 made, 0 reused" in said
    assert 'name="still"' in (campaign / ".kling-pipe" / "ci" / "junit.xml").read_text("utf-8")
    assert verb("plan", campaign, **arguments)[2]["pending"] == "false"


def test_arguments_are_never_read_as_shell(campaign: Path) -> None:
    """A branch name or an input with a command in it is an argument, one a line, blanks and all."""
    code, said, _ = verb("plan", campaign, KLING_PIPE_ARGS="--select\n$(touch hacked); `touch hacked` *\n")

    assert code == 64, said
    assert not (campaign / "hacked").exists()
    assert "$(touch hacked)" in said


def test_an_unknown_verb_is_refused(campaign: Path) -> None:
    assert verb("destroy", campaign)[0] == 64


# -- the comment -------------------------------------------------------------------------------------------------------


class GitHub(BaseHTTPRequestHandler):
    """As much of GitHub's API as a comment needs: list in pages, create, update."""

    comments: list[dict[str, Any]]
    seen: list[tuple[str, str | None]]
    refuses = False

    def _answer(self, value: Any, status: int = 200) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def reply(self) -> None:
        self.seen.append((f"{self.command} {self.path}", self.headers.get("Authorization")))
        size = int(self.headers.get("Content-Length") or 0)
        sent = json.loads(self.rfile.read(size)) if size else {}
        if self.refuses and self.command != "GET":
            self._answer({"message": "Resource not accessible by integration"}, 403)
        elif self.command == "GET":
            page = int(re.findall(r"[?&]page=(\d+)", self.path)[0])
            self._answer(self.comments[(page - 1) * 100 : page * 100])
        elif self.command == "POST":
            self.comments.append({"id": len(self.comments) + 1, **sent})
            self._answer(self.comments[-1], 201)
        else:
            found = next(one for one in self.comments if self.path.endswith(f"/{one['id']}"))
            found.update(sent)
            self._answer(found)

    def log_message(self, *_: Any) -> None:
        """Quiet."""


@pytest.fixture
def github(tmp_path: Path) -> Iterator[tuple[type[GitHub], Mapping[str, str]]]:
    """A GitHub on loopback, and the environment of a job for pull request 7."""
    methods = dict.fromkeys(("do_GET", "do_POST", "do_PATCH"), GitHub.reply)
    handler = type("Handler", (GitHub,), {"comments": [], "seen": [], **methods})
    event = tmp_path / "event.json"
    event.write_text('{"pull_request": {"number": 7}}', encoding="utf-8")
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield (
            handler,
            {
                "GITHUB_API_URL": f"http://127.0.0.1:{server.server_port}",
                "GITHUB_REPOSITORY": "tea/films",
                "GITHUB_EVENT_PATH": str(event),
                "GITHUB_TOKEN": "secret-token",
            },
        )
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def comment() -> Any:
    spec = importlib.util.spec_from_file_location("comment", ROOT / "action" / "comment.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def report(folder: Path, text: str) -> str:
    (folder / "plan.md").write_text(text, encoding="utf-8")
    return str(folder / "plan.md")


def test_one_comment_is_written_and_then_updated(comment: Any, github: Any, tmp_path: Path) -> None:
    """Twenty pushes leave one comment a manifest, also behind a hundred comments of people."""
    handler, environ = github
    handler.comments += [{"id": number, "body": "nice"} for number in range(1, 121)]

    for text in ("first", "second"):
        assert comment.main([report(tmp_path, text), "./kling-pipe.yaml"], environ) == 0
    assert comment.main([report(tmp_path, "other"), "films/kling-pipe.yaml"], environ) == 0

    ours = [one["body"] for one in handler.comments[120:]]
    assert ours == ["<!-- kling-pipe ./kling-pipe.yaml -->\nsecond", "<!-- kling-pipe films/kling-pipe.yaml -->\nother"]
    assert handler.seen[0] == ("GET /repos/tea/films/issues/7/comments?per_page=100&page=1", "Bearer secret-token")


def test_a_long_plan_is_cut_to_what_the_service_takes(comment: Any, github: Any, tmp_path: Path) -> None:
    handler, environ = github

    comment.main([report(tmp_path, "x" * 100_000), "m"], environ)

    assert len(handler.comments[0]["body"]) <= 65_536
    assert handler.comments[0]["body"].endswith("summary page of the job.\n")


def test_a_fork_without_rights_gets_a_notice(comment: Any, github: Any, tmp_path: Path, capsys: Any) -> None:
    """The token of a pull request from a fork can only read: no reason to fail it."""
    handler, environ = github
    handler.refuses = True

    assert comment.main([report(tmp_path, "x"), "m"], environ) == 0

    said = capsys.readouterr().out
    assert said.startswith("::notice::kling-pipe may not comment on this pull request (403)")
    assert "secret-token" not in said


def test_a_push_has_no_comment(comment: Any, tmp_path: Path) -> None:
    event = tmp_path / "event.json"
    event.write_text("{}", encoding="utf-8")

    assert comment.main([report(tmp_path, "x"), "m"], {"GITHUB_EVENT_PATH": str(event)}) == 0
    assert comment.main([], {}) == 64


# -- the files ---------------------------------------------------------------------------------------------------------


def test_the_action_is_whole() -> None:
    """Every step that runs something names its shell; inputs, steps and scripts that are referred to are there."""
    action = data("action.yml")
    steps = action["runs"]["steps"]
    text = (ROOT / "action.yml").read_text("utf-8")

    assert action["runs"]["using"] == "composite"
    assert [step for step in steps if "run" in step and step.get("shell") != "bash"] == []
    assert set(re.findall(r"inputs\.([\w-]+)", text)) == set(action["inputs"])
    assert set(re.findall(r"steps\.(\w+)\.", text)) <= {step["id"] for step in steps if "id" in step}
    for script in re.findall(r"\$SOURCE/(action/[\w.]+)", text):
        assert os.access(ROOT / script, os.R_OK), script
    assert os.access(VERB, os.X_OK)


def test_no_text_of_a_workflow_is_read_as_shell() -> None:
    """An expression inside of a script is how a branch name becomes a command: values go in by variables."""
    assert [step["run"] for step in data("action.yml")["runs"]["steps"] if "${{" in step.get("run", "")] == []


@pytest.mark.parametrize("path", ["examples/ci/github-actions.yml", "examples/ci/github-rehearsal.yml"])
def test_the_github_examples_use_inputs_that_the_action_has(path: str) -> None:
    known = set(data("action.yml")["inputs"])
    steps = [step for job in data(path)["jobs"].values() for step in job["steps"]]

    assert [set(step.get("with", {})) - known for step in steps if "kling-pipe@" in step["uses"]] == [set()]


def called(text: str) -> Iterator[list[str]]:
    """The calls of the program in a script: verb and flags."""
    for line in re.findall(r"kling-pipe ((?:validate|fmt|plan|run)\b[^|>&;}`\n]*)", text):
        yield [word for word in line.split() if word.startswith("-") or word.isalpha()]


@pytest.mark.parametrize("path", ["examples/ci/gitlab-ci.yml", ".pre-commit-hooks.yaml", "docs/ci.md"])
def test_flags_in_the_examples_exist(path: str, tmp_path: Path) -> None:
    """A flag that was renamed is renamed in what people copy."""
    if path.endswith(".yml"):
        data(path)
    found = list(called((ROOT / path).read_text("utf-8")))

    assert found
    for name, *words in found:
        help_text = call(name, "--help", folder=tmp_path).out
        assert [word for word in words if word.startswith("--") and word not in help_text] == [], name


def test_the_hooks_take_the_files_that_pre_commit_names(tmp_path: Path) -> None:
    """pre-commit appends file names; both hooks take several."""
    hooks = {hook["id"]: hook for hook in data(".pre-commit-hooks.yaml")}
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "kling-pipe.yaml").write_text(SOUND, encoding="utf-8")
    names = ["a/kling-pipe.yaml", "b/kling-pipe.yaml"]

    assert set(hooks) == {"kling-pipe-validate", "kling-pipe-fmt"}
    for hook in hooks.values():
        assert hook["language"] == "python"
        assert all(re.search(hook["files"], name) for name in names)
        done = call(*hook["entry"].split()[1:], *names, folder=tmp_path)
        assert done.code == 0, done.err


def test_the_image_copies_what_is_there() -> None:
    """Every path of the Dockerfile exists, passes .dockerignore, and is all that a build of the package needs."""
    text = (ROOT / "Dockerfile").read_text("utf-8")
    copied = [word for line in re.findall(r"^COPY (?!--from)(.+)$", text, re.MULTILINE) for word in line.split()[:-1]]
    kept = (ROOT / ".dockerignore").read_text("utf-8").split()

    assert [path for path in copied if not (ROOT / path).exists() or f"!{path}" not in kept] == []
    assert 'ENTRYPOINT ["kling-pipe"]' in text
