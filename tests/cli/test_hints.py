"""What a stranger reads: the next step can be pasted, colours obey, nothing is made that was not asked for."""

import json
import re

import pytest

ESCAPE = "\x1b["


FAILS = {
    "match": {"operation": "omni-image", "method": "POST"},
    "fault": "task_failure",
    "message": "internal error, try later",
    "times": 1,
}


def test_without_a_verb_there_is_help_and_no_error(kling):
    """Exit 64 with the list of verbs, and not the word error before it."""
    shown = kling(emulator=False)
    assert shown.returncode == 64
    assert shown.stderr.startswith("Usage: kling-pipe")


@pytest.mark.parametrize(
    ("words", "env", "coloured"),
    [
        ((), {}, False),
        (("--color", "always"), {}, True),
        (("--color", "never"), {"FORCE_COLOR": "1"}, False),
        (("--color", "always"), {"NO_COLOR": "1"}, True),
        ((), {"FORCE_COLOR": "1"}, True),
        ((), {"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
    ],
)
def test_colours_obey(kling, words, env, coloured):
    """The flag over the variables over the stream, in what a verb says and in what is said about its end."""
    clean = {"NO_COLOR": "", "FORCE_COLOR": "", **env}
    assert (ESCAPE in kling(*words, "plan", emulator=False, env=clean).stdout) is coloured
    assert (ESCAPE in kling(*words, "plan", "-s", "tag:nope", emulator=False, env=clean).stderr) is coloured


def test_a_selector_without_tags_says_so(kling):
    """No list of tags where there is none."""
    kling.manifest(kling.read().replace("    tags: [extra]\n", ""))
    assert "No job has `tags:`" in kling("plan", "-s", "tag:hero", emulator=False).stderr


def test_a_failure_names_a_command_for_the_very_same_campaign(kling):
    """The hint has manifest and emulator: pasted, it must not run another campaign on a paid account."""
    (kling.folder / "other name.yaml").write_text(kling.read(), encoding="utf-8")
    kling.faults(FAILS)
    shown = kling("run", "other name.yaml", "-s", "+image.sheet")
    assert shown.returncode == 1
    assert re.search(r"`kling-pipe retry 'other name.yaml' image.sheet --emulator --state \S+`", shown.stderr)


def test_retry_makes_what_failed_and_nothing_else(kling):
    """A job that was never tried stays so."""
    kling.faults(FAILS)
    assert kling("run", "-s", "image.sheet").returncode == 1
    before = kling.created
    again = kling("retry")
    assert again.returncode == 0, again.stderr
    assert kling.created == before + 1
    assert again.stdout.startswith("1 made, 0 reused, 0 failed")


def test_retry_goes_on_with_what_waited_for_the_failed_job(kling):
    """The film is made after the key frame that failed."""
    kling.faults(FAILS)
    assert kling("run", "-s", "+video.teaser", "--fail-fast").returncode == 1
    assert kling("retry").returncode == 0
    states = {one["address"]: one["state"] for one in json.loads(kling("status", "--json").stdout)["jobs"]}
    assert states["video.teaser"] == "made"
    assert states["video.other"] == "new"


def test_retry_with_nothing_failed_says_so_and_sends_nothing(kling):
    """Exit 0, zero tasks."""
    shown = kling("retry")
    assert shown.returncode == 0
    assert "nothing failed" in shown.stderr
    assert kling.created == 0


def test_wait_says_what_it_leaves(kling):
    """`wait` creates nothing, and names the command that does."""
    shown = kling("wait")
    assert "6 other jobs are not made yet: `kling-pipe run --emulator" in shown.stderr
    assert kling.created == 0


def test_a_run_ends_with_the_folder_of_its_files(kling):
    """On stderr: the last line of stdout stays the summary."""
    made = kling("run", "-s", "image.sheet")
    assert "Files: out-emulator/" in made.stderr
    assert made.stdout.count("\n") == 1


def test_detached_is_no_error(kling):
    """Exit 75, as asked; the word error does not stand there."""
    shown = kling("run", "-s", "image.sheet", "--detach")
    assert shown.returncode == 75
    assert "detached: " in shown.stderr
    assert "error:" not in shown.stderr


def test_a_frozen_job_is_shown_as_made(kling):
    """Whatever changed upstream, `status` shows the result that is used."""
    assert kling("run", "-s", "image.sheet").returncode == 0
    frozen = kling.read().replace("    n: 3\n", "    n: 3\n    frozen: true\n").replace("of a kettle", "of a cup")
    kling.manifest(frozen)
    rows = {one["address"]: one for one in json.loads(kling("status", "--json").stdout)["jobs"]}
    assert rows["image.sheet"]["state"] == "made"
    assert len(rows["image.sheet"]["files"]) == 3


BODY = {"model_name": "kling-v3-omni", "prompt": "tea", "duration": "99", "aspect_ratio": "16:9"}


@pytest.mark.parametrize(
    ("form", "sign"),
    [
        ("text", "error[schema/enum]"),
        ("json", '"problems"'),
        ("github", "::error "),
        ("sarif", '"2.1.0"'),
        ("junit", "<testsuite"),
        ("markdown", "schema/enum"),
    ],
)
def test_a_body_is_checked_in_every_form(kling, form, sign):
    """What validates a manifest for CI validates a raw body alike."""
    shown = kling("check", "omni-video", "--format", form, emulator=False, stdin=json.dumps(BODY))
    assert shown.returncode == 3
    assert sign in shown.stdout


def test_names_of_operations_complete(kling):
    """What a shell asks for while somebody types."""
    asked = {"_KLING_PIPE_COMPLETE": "bash_complete", "COMP_WORDS": "kling-pipe check omni", "COMP_CWORD": "2"}
    shown = kling(emulator=False, env=asked)
    assert shown.stdout.split() == ["plain,omni-image", "plain,omni-video"]
