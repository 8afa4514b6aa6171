"""What must not run does not: exit codes, clear words, nothing sent."""

import json

import pytest


def test_over_budget_sends_nothing(kling):
    """Exit 5 before the first create, with what it would cost and what is allowed."""
    refused = kling("run", "-y", "--budget", "usd=0.10")
    assert refused.returncode == 5
    assert "$0.10" in refused.stderr
    assert kling.created == 0


def test_no_credentials_name_both_ways_on(kling):
    """Exit 4, nothing but a message."""
    refused = kling("run", "-y", emulator=False)
    assert refused.returncode == 4
    assert "KLING_ACCESS_KEY" in refused.stderr
    assert "--emulator" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_wrong_credentials_end_with_4_and_stay_secret(kling):
    """Kling's refusal is told, the secret is not."""
    env = {
        "KLING_BASE_URL": kling.running.base_url,
        "KLING_ACCESS_KEY": "nobody",
        "KLING_SECRET_KEY": "hunter2-hunter2-hunter2-hunter2",
    }
    refused = kling("run", "-y", emulator=False, env=env)
    assert refused.returncode == 4
    assert "hunter2" not in refused.stdout + refused.stderr
    assert kling.created == 0


def test_an_invalid_manifest_sends_nothing_and_shows_all(kling):
    """Exit 3 with every problem at its place."""
    kling.manifest(
        kling.read()
        .replace("element.hana }} looks", "element.hanna }} looks")
        .replace("duration: 3\n    prompt: clouds", "duration: 99\n    prompt: clouds")
    )
    refused = kling("run", "-y")
    assert refused.returncode == 3
    assert "element.hana" in refused.stderr
    assert refused.stderr.count("error[") == 2
    assert kling.created == 0


def test_a_missing_manifest_is_one_clear_problem(kling):
    """Exit 3, the name of the file, and what to do."""
    refused = kling("validate", "nope.yaml", emulator=False)
    assert refused.returncode == 3
    assert "nope.yaml" in refused.stdout + refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.mark.parametrize(
    "args",
    [("run", "--wat"), ("rnu",), ("plan", "--budget", "euro=3"), ("run", "--timeout", "soon"), ("run", "--var", "x")],
)
def test_a_wrong_command_line_is_64(kling, args):
    """click's own number for it is taken by pending changes."""
    refused = kling(*args, emulator=False)
    assert refused.returncode == 64
    assert "next:" in refused.stderr or "not NAME=VALUE" in refused.stderr


def test_an_output_folder_that_cannot_be_written_keeps_the_task(kling):
    """A file stands where the folder should be: the task id is kept, the next run goes on from there."""
    (kling.folder / "out-emulator").write_text("in the way")
    broken = kling("run", "-y", "-s", "video.other")
    assert broken.returncode in (1, 74), broken.stderr
    assert "out-emulator" in broken.stderr
    assert "Traceback" not in broken.stderr
    (kling.folder / "out-emulator").unlink()
    assert kling("run", "-y", "-q", "-s", "video.other").returncode == 0
    assert kling.created == 1


def test_pending_changes_are_exit_2_only_when_asked(kling):
    """`plan` is 0, `plan --detailed-exitcode` 2, and 0 again when all is made."""
    assert kling("plan").returncode == 0
    assert kling("plan", "--detailed-exitcode").returncode == 2
    kling("run", "-y", "-q")
    assert kling("plan", "--detailed-exitcode").returncode == 0


def test_a_failed_job_is_exit_1_and_says_where_and_what(kling):
    """The rest is made; the failure names its line, Kling's words and the next step."""
    kling.faults(
        {
            "match": {"method": "POST", "operation": "omni-video", "nth": 1},
            "fault": "task_failure",
            "message": "Failure to pass the risk control system",
        }
    )
    ended = kling("run", "-y")
    assert ended.returncode == 1
    assert "Failure to pass the risk control system" in ended.stderr
    assert "kling-pipe.yaml:" in ended.stderr
    assert ended.stdout.startswith("5 made, 0 reused, 1 failed")
    again = kling("run", "-y", "-q")
    assert again.stdout.startswith("0 made, 5 reused, 1 failed"), again.stdout
    assert kling.created == 6


def test_check_reads_a_body_from_stdin(kling):
    """The API's rules on a raw body: valid is 0, invalid 3 with the rule."""
    body = {"model_name": "kling-v3-omni", "prompt": "x", "aspect_ratio": "16:9", "duration": "5"}
    assert kling("check", "omni-video", "-", emulator=False, stdin=json.dumps(body)).returncode == 0
    refused = kling("check", "/v1/videos/omni-video", "-", emulator=False, stdin=json.dumps({**body, "duration": 5}))
    assert refused.returncode == 3
    assert (
        kling(
            "check", "omni-video", "-", "--lenient", emulator=False, stdin=json.dumps({**body, "duration": 5})
        ).returncode
        == 0
    )
    assert kling("check", "omni-video", "-", emulator=False, stdin="{").returncode == 3
    assert kling("check", "omni-vid", "-", emulator=False, stdin="{}").returncode == 64
