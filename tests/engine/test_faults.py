"""One task per external id, whatever the network does: counts come from the emulator's ledger, never from ours."""

from dataclasses import replace

import pytest
from campaigns import chain, image, video

LOST = {"match": {"method": "POST"}, "times": 1}


def tally(result):
    return result.made, result.reused, result.failed, result.waiting


@pytest.mark.parametrize(
    "fault",
    [
        {"fault": "answer_lost", **LOST},
        {"fault": "reset_before", **LOST},
        {"fault": "reset_during", **LOST},
        {"fault": "bad_gateway", "created": True, **LOST},
        {"fault": "bad_gateway", "created": False, **LOST},
        *(
            {"fault": "error", "code": code, "created": created, **LOST}
            for code in (5000, 5001, 5002)
            for created in (True, False)
        ),
        {"fault": "error", "code": 1302, "match": {"method": "POST"}, "times": 2, "retry_after": 1},
        {"fault": "error", "code": 1303, **LOST},
        {"fault": "error", "code": 1303, "http": 200, **LOST},
        {"fault": "error", "code": 1004, **LOST},
        {"fault": "error", "code": 1004, "match": {"method": "GET"}, "times": 1},
        {"fault": "answer_lost", "match": {"method": "GET"}, "times": 3},
        {"fault": "error", "code": 5000, "match": {"method": "GET"}, "times": 2},
        {"fault": "bad_gateway", "match": {"method": "GET"}, "times": 2},
        {"fault": "truncated", "share": 0.5, "times": 2},
        {"fault": "expired_url", "times": 1},
        {"fault": "invisible", "seconds": 0.4, "refuse_duplicates": True},
    ],
    ids=lambda fault: (
        "-".join(str(fault[name]) for name in ("fault", "code", "http", "created") if name in fault)
        + fault.get("match", {}).get("method", "")
    ),
)
def test_each_fault_ends_in_one_task_and_a_file(bench, fault):
    """The job is made in the first run, created once, billed once."""
    bench.faults(fault)
    result = bench.run([image("kite")])
    ledger = bench.ledger()
    assert tally(result) == (1, 0, 0, 0), [one.message for one in result.outcomes]
    assert list(ledger["creates"].values()) == [1]
    assert ledger["units"] == {"image": 8.0}
    assert bench.workspace.outputs().whole(bench.workspace.read_lock().blocks["image.kite"]["outputs"][0]["sha256"])


def test_an_answer_lost_while_the_task_is_not_yet_visible_is_adopted(bench):
    """The POST's answer is lost, GET says not found for a while, and the id is refused already: still one task."""
    bench.faults({"fault": "answer_lost", **LOST}, {"fault": "invisible", "seconds": 1.0, "refuse_duplicates": True})
    result = bench.run([image("kite")], settings=replace(bench.settings, settle=0.5))
    assert tally(result) == (1, 0, 0, 0), [one.message for one in result.outcomes]
    assert list(bench.creates().values()) == [1]


def test_a_lag_within_the_settle_time_makes_no_duplicate_even_if_ids_are_not_refused(bench):
    """The settle time is there for this: the second look finds the task."""
    bench.faults({"fault": "answer_lost", **LOST}, {"fault": "invisible", "seconds": 0.5, "refuse_duplicates": False})
    result = bench.run([image("kite")], settings=replace(bench.settings, settle=1.0))
    assert tally(result) == (1, 0, 0, 0)
    assert list(bench.creates().values()) == [1]


def test_a_refused_request_fails_with_what_kling_said_and_is_not_sent_twice(bench):
    """A definite 1201 with nothing to be found is the end of the job, and the next run may try again."""
    wrong = image("wrong", fields={"aspect_ratio": "7:3"})
    result = bench.run([wrong, image("fine")])
    assert tally(result) == (1, 0, 1, 0)
    assert "1201" in result.outcomes[0].message
    assert bench.ledger()["requests"]["routes"]["POST /v1/images/omni-image"] == 2


def test_an_empty_pack_stops_its_type_only(bench):
    """1102 on images: clips are made all the same, and the run says 4."""
    bench.faults({"fault": "error", "code": 1102, "match": {"method": "POST", "operation": "omni-image"}})
    result = bench.run([image("kite"), image("dragon", "d"), video("clip")])
    endings = {one.address: one.ending for one in result.outcomes}
    assert endings == {"image.kite": "failed", "image.dragon": "failed", "video.clip": "made"}
    assert result.exit_code == 4


def test_an_unreachable_kling_is_exit_69_and_the_next_run_goes_on(bench):
    """Patience ends, the state is kept."""
    bench.faults({"fault": "reset_before", "match": {"method": "POST"}})
    result = bench.run([image("kite")], settings=replace(bench.settings, patience=1.0, settle=0.1))
    assert result.exit_code == 69
    bench.faults()
    assert tally(bench.run([image("kite")])) == (1, 0, 0, 0)
    assert list(bench.creates().values()) == [1]


def test_an_unwritable_output_folder_is_exit_74_and_the_task_is_kept(bench):
    """A file stands where the folder should be; once it is gone the next run only saves."""
    bench.path("out").write_text("in the way")
    result = bench.run([image("kite")])
    assert result.exit_code == 74
    assert "cannot be written" in str(result.error)
    bench.path("out").unlink()
    assert tally(bench.run([image("kite")])) == (0, 1, 0, 0)
    assert list(bench.creates().values()) == [1]


def test_a_lag_beyond_the_settle_time_on_a_server_that_takes_ids_twice_is_the_limit(bench):
    """The one way to a second task: longer invisible than settled, and the id is taken again."""
    bench.faults({"fault": "answer_lost", **LOST}, {"fault": "invisible", "seconds": 3, "refuse_duplicates": False})
    bench.run([image("kite")], settings=replace(bench.settings, settle=0.1))
    assert list(bench.creates().values()) == [2]


def test_mixed_faults_on_a_chain(bench):
    """A seeded storm over element, picture and clip."""
    bench.faults(
        {"fault": "answer_lost", "match": {"method": "POST"}, "probability": 0.3, "seed": 7},
        {"fault": "error", "code": 5000, "probability": 0.2, "seed": 8},
        {"fault": "truncated", "probability": 0.3, "seed": 9},
    )
    jobs = [*chain("hana"), *chain("kite"), *(image(f"i{n}", f"p {n}") for n in range(6))]
    result = bench.run(jobs)
    assert tally(result) == (len(jobs), 0, 0, 0), [one.message for one in result.outcomes]
    assert set(bench.creates().values()) == {1}
