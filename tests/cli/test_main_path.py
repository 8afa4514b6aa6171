"""A campaign by the command line: made once, never again, whatever is lost in between."""

import json

JOBS = 6
"""One element, two takes of a key frame, a sheet, two videos."""

NOTHING = "0 made, 6 reused, 0 failed, 0 waiting; 0 video units, 0 image units ($0.00)"


def outputs(kling):
    return sorted(
        str(path.relative_to(kling.folder))
        for path in (kling.folder / "out-emulator").rglob("*.*")
        if path.suffix != ".json"
    )


def test_a_run_makes_everything_and_a_second_run_nothing(kling):
    """Six jobs are six tasks; the second run sends no create at all."""
    first = kling("run", "-y")
    assert first.returncode == 0, first.stderr
    assert first.stdout.startswith("6 made, 0 reused, 0 failed, 0 waiting; 3.6 video units, 40 image units ($0.64)")
    assert kling.created == JOBS
    names = [
        "image/keyframe.png",
        "image/keyframe.t2.png",
        "image/sheet.2.png",
        "image/sheet.3.png",
        "image/sheet.png",
        "video/other.mp4",
        "video/teaser.mp4",
    ]
    assert outputs(kling) == [f"out-emulator/{name}" for name in names]
    second = kling("run", "-y")
    assert second.stdout.startswith(NOTHING)
    assert second.returncode == 0
    assert kling.created == JOBS


def test_a_changed_prompt_remakes_that_job_and_what_depends_on_it(kling):
    """The key frame's two takes and the teaser are made again, the rest stays; the plan says why."""
    kling("run", "-y", "-q")
    kling.manifest(kling.read().replace("in a field", "in a tea field"))
    plan = json.loads(kling("plan", "--json").stdout)
    actions = {step["address"]: step["action"] for step in plan["steps"]}
    assert actions == {
        "element.hana": "reuse",
        "image.keyframe": "create",
        "image.keyframe#2": "create",
        "image.sheet": "reuse",
        "video.teaser": "create",
        "video.other": "reuse",
    }
    why = kling("plan", "--why").stdout
    assert "`prompt` changed" in why
    assert "from image.keyframe" in why
    assert kling("run", "-y", "-q").stdout.startswith("3 made, 3 reused")
    assert kling.created == JOBS + 3


def test_a_deleted_file_is_downloaded_again_without_a_task(kling):
    """What is made is made: only its file comes back."""
    kling("run", "-y", "-q")
    victim = kling.folder / "out-emulator/video/teaser.mp4"
    content = victim.read_bytes()
    victim.unlink()
    assert json.loads(kling("plan", "--json").stdout)["totals"]["actions"]["download"] == 1
    assert kling("run", "-y", "-q").returncode == 0
    assert victim.read_bytes() == content
    assert kling.created == JOBS


def test_an_empty_machine_finds_every_task_by_asking(kling):
    """Takes, a job that failed at first, and a replaced one: no ledger, no lock, no new task."""
    kling.faults(
        {
            "match": {"method": "POST", "external_id": "*", "nth": 1},
            "fault": "task_failure",
            "message": "internal error, try later",
        }
    )
    assert kling("run", "-y", "-q").returncode == 1
    kling.faults()
    assert kling("retry", "-y", "-q").returncode == 0
    assert kling("run", "-y", "-q", "--replace", "video.other").returncode == 0
    before = kling.created
    assert before == JOBS + 2
    files = {name: (kling.folder / name).read_bytes() for name in outputs(kling)}
    kling.forget()
    found = kling("run", "-y", "-q")
    assert found.stdout.startswith("0 made, 6 reused, 0 failed"), found.stdout + found.stderr
    assert kling.created == before
    assert {name: (kling.folder / name).read_bytes() for name in outputs(kling)} == files


def test_renaming_a_job_pays_nothing(kling):
    """The key says what is asked for, not what it is called."""
    kling("run", "-y", "-q")
    kling.manifest(kling.read().replace("  other:", "  renamed:").replace("keyframe", "opening"))
    assert kling("run", "-y", "-q").stdout.startswith("0 made, 6 reused")
    assert kling.created == JOBS
    assert "out-emulator/video/renamed.mp4" in outputs(kling)


def test_another_account_believes_nothing_and_overwrites_nothing(kling, tmp_path):
    """A run on the emulator and a run on an account keep ledger, lock and files apart, both ways."""
    from kling_pipe.emulator.testing import running

    kling("run", "-y", "-q")
    mine = {name: (kling.folder / name).stat().st_mtime_ns for name in outputs(kling)}
    with running(tmp_path / "real", media="tiny", task_seconds=0.02) as real:
        env = {
            "KLING_BASE_URL": real.base_url,
            "KLING_ACCESS_KEY": real.access_key,
            "KLING_SECRET_KEY": real.secret_key,
        }
        made = kling("run", "-y", "-q", emulator=False, env=env)
        assert made.stdout.startswith("6 made, 0 reused"), made.stderr
        assert (kling.folder / "kling-pipe.lock").exists()
        assert real.secret_key not in kling.read("kling-pipe.lock") + made.stdout + made.stderr
    assert {name: (kling.folder / name).stat().st_mtime_ns for name in outputs(kling)} == mine
    assert kling("run", "-y", "-q").stdout.startswith("0 made, 6 reused")


def test_selectors_choose_what_runs(kling):
    """One job alone is blocked without what it needs; with `+` it brings it along."""
    alone = kling("plan", "-s", "video.teaser", "--json")
    assert [step["action"] for step in json.loads(alone.stdout)["steps"]] == ["blocked"]
    assert kling("run", "-y", "-q", "-s", "tag:extra").stdout.startswith("1 made")
    assert kling("run", "-y", "-q", "-s", "+video.teaser", "--exclude", "image.sheet").stdout.startswith("3 made")
    unknown = kling("run", "-y", "-s", "video.teasr")
    assert unknown.returncode == 64
    assert "video.teaser" in unknown.stderr


def test_a_run_as_json_ends_with_a_summary(kling, tmp_path):
    """One event a line on stdout, each with a type; the same lines in a file."""
    into = tmp_path / "events.jsonl"
    lines = kling("run", "--json", "--json-into", str(into)).stdout.splitlines()
    events = [json.loads(line) for line in lines]
    assert all(event["type"] for event in events)
    last = events[-1]
    assert (last["type"], last["made"], last["failed"], last["units"]) == (
        "summary",
        6,
        0,
        {"video": 3.6, "image": 40.0},
    )
    assert into.read_text(encoding="utf-8").splitlines() == lines


def test_takes_share_a_request_and_add_up(kling):
    """From two takes to three: one more task, the first two stay."""
    kling("run", "-y", "-q")
    kling.manifest(kling.read().replace("takes: 2", "takes: 3"))
    assert kling("run", "-y", "-q").stdout.startswith("1 made, 6 reused")


def test_v_tells_every_request_on_stderr(kling):
    """Method, path, the task's id and Kling's code; nothing of it on stdout."""
    told = kling("run", "-y", "-q", "-v", "-s", "video.other")
    assert told.returncode == 0
    assert "  >  POST  /v1/videos/omni-video  kp1-small-" in told.stderr
    assert "POST" not in told.stdout
