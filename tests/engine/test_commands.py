"""A campaign runs end to end, once: what is made is never made again."""

import asyncio
import json
from dataclasses import replace

import pytest
from campaigns import chain, element, image, renamed, video

from kling_pipe.core.keys import key_of


async def at_once(_):
    await asyncio.sleep(0)


def tally(result):
    return result.made, result.reused, result.failed, result.waiting


def test_a_chain_runs_in_order_and_its_files_are_saved(bench):
    """Element, picture, clip: three tasks, two files with sidecars, and the lock names all three."""
    result = bench.run(chain("hana"))
    assert tally(result) == (3, 0, 0, 0)
    assert result.exit_code == 0
    assert result.units == {"image": 8.0, "video": 1.8}
    sidecar = json.loads(bench.path("out/video/hana.mp4.json").read_text())
    assert sidecar["request"]["image_list"][0]["image_url"]["$ref"] == "image.hana"
    assert bench.path("out/image/hana.png").stat().st_size > 0
    assert set(bench.workspace.read_lock().blocks) == {"element.hana", "image.hana", "video.hana"}


def test_an_element_id_of_18_digits_arrives_as_it_is(bench):
    """The id goes out as the very integer that came in; a float would have changed it."""
    bench.run(chain("hana"))
    sidecar = json.loads(bench.path("out/image/hana.png.json").read_text())
    block = bench.workspace.read_lock().blocks["element.hana"]
    sent = sidecar["request"]["element_list"][0]["element_id"]["element_id"]
    assert sent == block["outputs"][0]["element_id"]
    assert isinstance(sent, int)
    assert sent > 2**53


def test_a_second_run_asks_nothing_and_makes_nothing(bench):
    """Nothing is in doubt, so not a single request goes out."""
    jobs = [*chain("hana"), image("logo")]
    bench.run(jobs)
    before = bench.ledger()["requests"]
    assert tally(bench.run(jobs)) == (0, 4, 0, 0)
    assert bench.ledger()["requests"] == before


def test_a_changed_prompt_remakes_that_job_and_what_depends_on_it(bench):
    """The element stays, picture and clip are made anew, and the plan says which field changed."""
    hana, key, clip = chain("hana")
    bench.run([hana, key, clip])
    changed = image("hana", "another portrait of <<<element_1>>>", known=[hana])
    below = video("hana", frame=changed)
    steps = {step.job.address: step for step in bench.plan([hana, changed, below]).steps}
    assert [step.action for step in steps.values()] == ["reuse", "create", "create"]
    assert "`prompt` changed" in steps["image.hana"].reasons[0]
    assert "`image_list` changed (from image.hana)" in steps["video.hana"].reasons[0]
    assert tally(bench.run([hana, changed, below])) == (2, 1, 0, 0)


def test_a_deleted_file_comes_back_without_a_task(bench):
    """From the objects if they are there, else from Kling."""
    jobs = [image("kite")]
    bench.run(jobs)
    content = bench.path("out/image/kite.png").read_bytes()
    for also in ("", ".kling-pipe/objects"):
        bench.path("out/image/kite.png").unlink()
        if also:
            for one in bench.path(also).glob("*/*"):
                one.unlink()
        assert bench.actions(jobs) == {"image.kite": "download"}
        assert tally(bench.run(jobs)) == (0, 1, 0, 0)
        assert bench.path("out/image/kite.png").read_bytes() == content
    assert list(bench.creates().values()) == [1]


def test_a_renamed_job_keeps_its_result(bench):
    """The file gets its new name from the objects; nothing is sent."""
    bench.run([image("kite")])
    other = renamed(image("kite"), "dragon")
    assert tally(bench.run([other])) == (0, 1, 0, 0)
    assert bench.path("out/image/dragon.png").exists()
    assert "image.dragon" in bench.workspace.read_lock().blocks


def test_two_jobs_that_ask_for_the_same_share_one_task(bench):
    """One task, two files."""
    one = image("kite")
    jobs = [one, renamed(one, "twin")]
    result = bench.run(jobs)
    assert tally(result) == (1, 1, 0, 0)
    assert len(bench.creates()) == 1
    assert bench.path("out/image/twin.png").read_bytes() == bench.path("out/image/kite.png").read_bytes()
    assert tally(bench.run(jobs)) == (0, 2, 0, 0)


def takes(one, count):
    return [
        one,
        *(replace(one, address=f"{one.address}#{n}", take=n, place=f"{one.place}.t{n}") for n in range(2, count + 1)),
    ]


def test_an_empty_machine_finds_everything_in_the_account(bench, tmp_path):
    """Takes, a failed first attempt and a replaced job: no ledger, no lock, no new task."""
    shaky = image("shaky", "shaky", retries=1)
    jobs = [*takes(image("kite"), 3), shaky, *chain("hana")]
    bench.faults(
        {
            "fault": "task_failure",
            "match": {"external_id": f"*{shaky.key[:20]}"},
            "message": "internal error, try again",
        }
    )
    assert bench.run(jobs).failed == 0
    bench.run(jobs, replace_addresses=["image.kite"])
    creates = bench.creates()
    assert len(creates) == 9
    fresh = bench.elsewhere(tmp_path / "fresh")
    fresh.root.mkdir()
    assert tally(fresh.run(jobs)) == (0, 7, 0, 0)
    assert bench.creates() == creates
    names = {name: block["attempt"] for name, block in fresh.workspace.read_lock().blocks.items()}
    assert names["image.kite"] == 2
    assert names["image.kite#2"] == 1
    assert names["image.shaky"] == 2


def test_many_jobs_are_found_by_the_list(bench, tmp_path):
    """Thirty unknown jobs cost a page of the list, not thirty requests."""
    jobs = [image(f"i{n}", f"prompt {n}") for n in range(30)]
    bench.run(jobs)
    before = sum(bench.ledger()["requests"]["routes"].values())
    fresh = bench.elsewhere(tmp_path / "fresh")
    fresh.root.mkdir()
    plan = fresh.plan(jobs)
    assert {step.action for step in plan.steps} == {"download"}
    assert sum(bench.ledger()["requests"]["routes"].values()) - before == 1


def test_replace_makes_a_new_attempt_and_keeps_the_earlier_file(bench):
    """The name shows the new file, the object of the old one is still there."""
    jobs = [image("kite")]
    bench.run(jobs)
    before = bench.workspace.read_lock().blocks["image.kite"]["outputs"][0]["sha256"]
    result = bench.run(jobs, replace_addresses=["image.kite"])
    assert tally(result) == (1, 0, 0, 0)
    block = bench.workspace.read_lock().blocks["image.kite"]
    assert block["attempt"] == 2
    assert bench.workspace.outputs().whole(before)
    assert tally(bench.run(jobs)) == (0, 1, 0, 0)


def test_another_account_believes_nothing_and_overwrites_nothing(bench):
    """Same folder, other credentials: made anew, the first account's file is kept as an object and its block stays."""
    from kling_pipe.emulator.testing import running

    jobs = [image("kite")]
    bench.run(jobs)
    first = bench.workspace.read_lock().blocks["image.kite"]
    with running(bench.root.parent / "other", media="tiny", media_bytes=1000, task_seconds=0.05) as server:
        other = replace(bench, running=server)
        assert other.actions(jobs) == {"image.kite": "blocked"}
        assert other.actions(jobs, new_account=True) == {"image.kite": "create"}
        assert tally(other.run(jobs, new_account=True)) == (1, 0, 0, 0)
        blocks = other.workspace.read_lock().blocks
        assert blocks["image.kite"] == first
        assert len(blocks) == 2
    assert bench.workspace.outputs().whole(first["outputs"][0]["sha256"])


def test_a_file_of_somebody_else_at_the_name_is_kept(bench):
    """What stood at the name becomes an object before the result takes its place."""
    bench.path("out/image").mkdir(parents=True)
    bench.path("out/image/kite.png").write_bytes(b"my own drawing")
    bench.run([image("kite")])
    objects = [one.read_bytes() for one in bench.path(".kling-pipe/objects").glob("*/*")]
    assert b"my own drawing" in objects
    assert bench.path("out/image/kite.png").read_bytes() != b"my own drawing"


def test_a_moderation_failure_is_remembered_and_not_resent(bench):
    """The lock keeps it, so that an empty ledger does not forget; `retry` is a person's own decision."""
    jobs = [image("kite"), video("above", frame=image("kite"))]
    bench.faults(
        {
            "fault": "task_failure",
            "match": {"operation": "omni-image"},
            "message": "Failure to pass the risk control system",
            "times": 1,
        }
    )
    result = bench.run(jobs)
    assert tally(result) == (0, 0, 2, 0)
    assert result.exit_code == 1
    assert "risk control" in result.outcomes[0].message
    assert bench.workspace.read_lock().blocks["image.kite"]["failed"]["failure"] == "moderation"
    assert bench.actions(jobs) == {"image.kite": "blocked", "video.above": "blocked"}
    assert tally(bench.run(jobs)) == (0, 0, 2, 0)
    assert len(bench.creates()) == 1
    assert tally(bench.run(jobs, retry_addresses=["image.kite"])) == (2, 0, 0, 0)
    assert "failed" not in bench.workspace.read_lock().blocks["image.kite"]


def test_a_transient_failure_gets_the_retries_it_was_given(bench):
    """Two attempts fail, the third succeeds; one more failure than retries ends the job."""
    bench.faults({"fault": "task_failure", "message": "internal error, try again", "times": 2})
    assert tally(bench.run([image("kite", retries=2)])) == (1, 0, 0, 0)
    assert sorted(name[-3:] for name in bench.creates() if "-a" in name) == ["-a2", "-a3"]


def test_a_failure_beside_others_stops_only_what_needs_it(bench):
    """Independent jobs are done, whatever failed beside them."""
    bad, good = image("bad", "bad"), image("good", "good")
    bench.faults(
        {"fault": "task_failure", "match": {"external_id": f"*{bad.key[:20]}"}, "message": "Image pixel is invalid"}
    )
    result = bench.run([bad, good, video("under", frame=bad), video("fine", frame=good)])
    assert {one.address: one.ending for one in result.outcomes} == {
        "image.bad": "failed",
        "image.good": "made",
        "video.under": "failed",
        "video.fine": "made",
    }
    assert "`image.bad`" in next(one.message for one in result.outcomes if one.address == "video.under")


def test_wrong_credentials_stop_the_run_with_exit_4(bench):
    """Nothing is created, and the error says what to check."""
    from kling_pipe.errors import CredentialsError

    bench.running = replace(bench.running, secret_key="wrong" * 7)
    with pytest.raises(CredentialsError) as caught:
        bench.run([image("kite")])
    assert caught.value.exit_code == 4


def test_detach_returns_when_all_is_submitted_and_a_later_run_goes_on(bench):
    """Exit 75 first; then the same tasks are waited for."""
    bench.clock(mode="manual")
    jobs = [image("kite"), image("dragon", "a dragon")]
    result = bench.run(jobs, settings=replace(bench.settings, detach=True))
    assert tally(result) == (0, 0, 0, 2)
    assert (result.exit_code, result.at_kling) == (75, 2)
    assert bench.actions(jobs) == {"image.kite": "resume", "image.dragon": "resume"}
    bench.clock(mode="real")
    assert tally(bench.run(jobs)) == (2, 0, 0, 0)
    assert set(bench.creates().values()) == {1}


def test_a_time_out_stops_waiting_and_loses_nothing(bench):
    """Exit 75 with the number of tasks that go on."""
    bench.clock(mode="manual")
    result = bench.run([image("kite")], settings=replace(bench.settings, timeout=0.5))
    assert (result.stopped, result.exit_code, result.at_kling) == ("timeout", 75, 1)
    bench.clock(mode="real")
    assert tally(bench.run([image("kite")])) == (1, 0, 0, 0)


def test_more_jobs_than_slots_all_get_done_without_a_refusal_when_the_limit_is_known(bench):
    """Twenty clips on five slots."""
    jobs = [video(f"v{n}", f"clip {n}") for n in range(20)]
    result = bench.run(jobs, settings=replace(bench.settings, limits={"video": 5}))
    assert tally(result) == (20, 0, 0, 0)
    assert bench.ledger()["requests"]["codes"].get("1303", 0) == 0


def test_unknown_limits_are_learned_from_refusals(bench):
    """Started too wide, the run narrows, finishes, and remembers for the next one."""
    jobs = [video(f"v{n}", f"clip {n}") for n in range(12)]
    assert tally(bench.run(jobs, settings=replace(bench.settings, limits={"video": 50}))) == (12, 0, 0, 0)
    store = bench.workspace.store()
    assert min(limit for limit, _ in store.limits().values()) <= 10
    store.close()


def test_a_frozen_job_uses_what_the_lock_records_whatever_changed(bench):
    """The file and the key of before count."""
    before = image("kite")
    bench.run([before])
    frozen = replace(image("kite", "changed"), frozen=True, key=before.key)
    assert bench.actions([frozen]) == {"image.kite": "frozen"}
    assert tally(bench.run([frozen])) == (0, 1, 0, 0)


def test_a_deleted_element_is_remade_when_a_new_job_needs_it(bench):
    """Keys below stay as they are: the picture that exists is not made again."""
    hana = element("hana")
    first = image("first", "one", known=[hana])
    bench.run([hana, first])
    block = bench.workspace.read_lock().blocks["element.hana"]
    delete_element(bench, block["outputs"][0]["element_id"])
    second = image("second", "two", known=[hana])
    assert bench.actions([hana, first]) == {"element.hana": "reuse", "image.first": "reuse"}
    assert bench.actions([hana, first, second]) == {
        "element.hana": "create",
        "image.first": "reuse",
        "image.second": "create",
    }
    assert tally(bench.run([hana, first, second])) == (2, 1, 0, 0)
    assert bench.workspace.read_lock().blocks["element.hana"]["attempt"] == 2


def delete_element(bench, element_id):
    import urllib.request

    body = json.dumps({"element_id": str(element_id)}).encode()
    request = urllib.request.Request(bench.running.base_url + "/v1/general/delete-elements", data=body, method="POST")
    request.add_header("Authorization", f"Bearer {bench.running.api_key}")
    request.add_header("Content-Type", "application/json")
    with urllib.request.urlopen(request, timeout=5) as answer:
        assert json.loads(answer.read())["code"] == 0


def test_what_is_lost_is_said_and_not_paid_again(bench):
    """File, object and remote result are gone: `lost`, with the price; --replace makes it anew."""
    jobs = [image("kite")]
    bench.run(jobs)
    bench.path("out/image/kite.png").unlink()
    for one in bench.path(".kling-pipe/objects").glob("*/*"):
        one.unlink()
    bench.clock(mode="real", advance=31 * 24 * 3600)
    bench.seams = replace(bench.seams, sleep=at_once)
    young = bench.run(jobs)  # by our clock it is young, and Kling hands out links
    assert tally(young) == (0, 0, 0, 1)
    assert "HTTP 403 for its result, also for fresh links (5 asked for)" in young.outcomes[0].message
    bench.faults({"fault": "odd_answer", "at": "/data/updated_at", "value": 1, "match": {"method": "GET"}})
    result = bench.run(jobs)
    assert tally(result) == (0, 0, 1, 0), [one.message for one in result.outcomes]
    bench.faults()
    assert len(bench.creates()) == 1
    assert tally(bench.run(jobs, replace_addresses=["image.kite"])) == (1, 0, 0, 0)


def test_pull_fetches_what_the_lock_records_and_creates_nothing(bench, tmp_path):
    """A teammate has the lock and the account, nothing else."""
    import asyncio
    import shutil

    from kling_pipe.engine.commands import pull

    bench.run([image("kite"), *chain("hana")])
    mate = bench.elsewhere(tmp_path / "mate")
    mate.root.mkdir()
    shutil.copy(bench.workspace.lock_path, mate.workspace.lock_path)
    pulled = asyncio.run(pull(mate.workspace))
    assert {one.state for one in pulled} == {"fetched"}
    assert mate.path("out/video/hana.mp4").read_bytes() == bench.path("out/video/hana.mp4").read_bytes()
    assert {one.state for one in asyncio.run(pull(mate.workspace))} == {"there"}
    assert set(bench.creates().values()) == {1}


def test_adopt_binds_a_task_that_exists(bench):
    """A job that was never sent takes over a task made by hand."""
    import asyncio

    from kling_pipe.engine.commands import adopt

    bench.run([image("kite")])
    task = bench.workspace.read_lock().blocks["image.kite"]["task_id"]
    mine = image("mine", "made by hand elsewhere")
    record = asyncio.run(adopt(mine, task, bench.workspace))
    assert record.state == "succeed"
    assert tally(bench.run([mine])) == (0, 1, 0, 0)
    assert len(bench.creates()) == 1


def test_keys_of_the_bench_are_those_of_the_project():
    """The hand-made jobs are digested by the real function."""
    one = image("kite")
    assert one.key == key_of("omni-image", one.request, {}.__getitem__)


def test_a_replacement_that_the_lock_never_heard_of_counts(bench):
    """Killed between saving and writing the lock: the new attempt is paid, so it is the one that counts."""
    jobs = [image("kite")]
    bench.run(jobs)
    lock = bench.workspace.lock_path.read_text()
    bench.run(jobs, replace_addresses=["image.kite"])
    made = bench.workspace.lock_path.read_text()
    bench.workspace.lock_path.write_text(lock)
    store = bench.workspace.store()
    store.put(store.records().all()[1], unlocked=True)
    store.close()
    assert tally(bench.run(jobs)) == (0, 1, 0, 0)
    assert bench.workspace.lock_path.read_text() == made


def test_an_older_lock_takes_back_a_replacement(bench):
    """Somebody restored the lock from version control: its attempt wins."""
    jobs = [image("kite")]
    bench.run(jobs)
    lock = bench.workspace.lock_path.read_text()
    bench.run(jobs, replace_addresses=["image.kite"])
    bench.workspace.lock_path.write_text(lock)
    plan = bench.plan(jobs)
    assert [(step.action, step.attempt) for step in plan.steps] == [
        ("download", 1)
    ]  # another file stands there; the object is here
    bench.run(jobs)
    assert bench.workspace.lock_path.read_text() == lock


def test_fail_fast_submits_nothing_after_a_failure_and_ends(bench):
    """What is under way is finished, a retry that would need a slot is not waited for."""
    jobs = [image(f"i{n}", f"p {n}", retries=1) for n in range(6)]
    bench.faults({"fault": "task_failure", "message": "Image pixel is invalid", "times": 1})
    result = bench.run(jobs, settings=replace(bench.settings, fail_fast=True, limits={"image": 2}))
    assert result.failed == 1
    assert result.waiting >= 3
    assert len(bench.creates()) <= 3
    assert tally(bench.run(jobs))[2:] == (1, 0)
