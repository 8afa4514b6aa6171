"""Answers that no page of the vendor's shows: their job waits or does without, the others and the task stay."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from scenario import HEAD, Stage, many, tally

HUGE = 2**63
GET = {"method": "GET", "path": "/v1/*"}
RESULT = "/data/task_result"
IMAGES = f"{RESULT}/images"

UNREADABLE = {
    "all of it a list": ("", []),
    "all of it null": ("", None),
    "all of it text": ("", "busy"),
    "code as text": ("/code", "0"),
    "code as a float": ("/code", 0.0),
    "code as a truth": ("/code", False),
    "code missing": ("/code", ...),
    "data a list": ("/data", [1]),
    "data text": ("/data", "x"),
    "data null": ("/data", None),
    "another task's id": ("/data/task_id", "1"),
    "an id that is a float": ("/data/task_id", 8.8e17),
    "an id that is a list": ("/data/task_id", ["x"]),
    "status a number": ("/data/task_status", 7),
    "status a list": ("/data/task_status", ["succeed"]),
    "status null": ("/data/task_status", None),
    "status missing": ("/data/task_status", ...),
    "results a list": (RESULT, [1]),
    "results text": (RESULT, "done"),
    "images an object": (IMAGES, {"url": "https://a.example/b.png"}),
    "images text": (IMAGES, "https://a.example/b.png"),
    "images of null": (IMAGES, [None]),
    "images of text": (IMAGES, ["https://a.example/b.png"]),
    "images of lists": (IMAGES, [[{"url": "x"}]]),
    "images a number": (IMAGES, 3),
    "images false": (IMAGES, False),
    "url a number": (f"{IMAGES}/0/url", 5),
    "url an object": (f"{IMAGES}/0/url", {"href": "x"}),
    "url of another kind": (f"{IMAGES}/0/url", "javascript:alert(1)"),
    "url without a host": (f"{IMAGES}/0/url", "http:///x.png"),
    "url with a broken host": (f"{IMAGES}/0/url", "http://[::1"),
    "url with a port too large": (f"{IMAGES}/0/url", "http://127.0.0.1:99999/x.png"),
    "url with a line break": (f"{IMAGES}/0/url", "http://127.0.0.1/x\n::warning::y"),
}
"""Place and value (`...`: without it) of what cannot be read: the job cannot end on it."""

READABLE = {
    "created beyond every ledger": ("/data/created_at", HUGE),
    "created far beyond": ("/data/created_at", 10**400),
    "created as text": ("/data/created_at", "yesterday"),
    "created before time": ("/data/created_at", -1),
    "created infinite": ("/data/created_at", float("inf")),
    "updated no number": ("/data/updated_at", float("nan")),
    "updated an object": ("/data/updated_at", {}),
    "updated true": ("/data/updated_at", True),
    "units no number": ("/data/final_unit_deduction", "eight units"),
    "units not a number": ("/data/final_unit_deduction", "NaN"),
    "units infinite": ("/data/final_unit_deduction", float("inf")),
    "units a list": ("/data/final_unit_deduction", ["8"]),
    "units an object": ("/data/final_unit_deduction", {"amount": 8}),
    "units below nothing": ("/data/final_unit_deduction", -8),
    "message an object": ("/data/task_status_msg", {"text": "x"}),
    "info a list": ("/data/task_info", ["x"]),
    "info of numbers": ("/data/task_info/external_task_id", 12.5),
    "index huge": (f"{IMAGES}/0/index", HUGE),
    "id a list": (f"{IMAGES}/0/id", [1]),
    "duration an object": (f"{IMAGES}/0/duration", {}),
    "more than there should be": ("/data/extra", {"deep": [[[{}]]]}),
}
"""What can be done without: the file is what was paid for."""


def odd(place, value, **match):
    change = {"without": True} if value is ... else {"raw": json.dumps(value)}
    return {"fault": "odd_answer", "at": place, **change, "match": {**GET, **match}}


@pytest.fixture
def two(picture):
    """Two pictures, too few for lists, and a client that does not ask for long."""
    picture.settings = replace(picture.settings, patience=3.0)
    return picture.write(many(2))


def ids(stage: Stage) -> set[str]:
    """The task ids that are known here."""
    store = stage.workspace.store()
    try:
        return {record.task_id for record in store.records().all()}
    finally:
        store.close()


WRONG = UNREADABLE["another task's id"]


def each_with(stage: Stage, changes, **match) -> dict[str, str]:
    """A picture for each change, and a rule that strikes its answers alone. Returns addresses by external id."""
    stage.settings = replace(stage.settings, limits={"image": 100})
    stage.write(many(len(changes) + 2))
    steps = stage.plan().steps
    names = {step.external_task_id: step.job.address for step in steps}
    rules = [odd(*change, external_id=name, **match) for change, name in zip(changes, names, strict=False)]
    # No page of the list can be read: each is looked at by itself, and meets its own rule.
    stage.faults(
        {
            "fault": "odd_answer",
            "at": "/code",
            "value": "0",
            "match": {"path": "/v1/images/omni-image", "method": "GET"},
        },
        *rules,
    )
    return names


def test_an_answer_that_cannot_be_read_is_its_jobs_trouble(two):
    """Of 34 jobs 32 meet one each: 75, ids kept, the two others are made, the next run makes all, each by one create.

    Whose look-up before its create cannot be read is not sent at all.
    """
    names = each_with(two, list(UNREADABLE.values()))
    result = two.run()

    assert tally(result) == (2, 0, 0, len(UNREADABLE)), [one.message for one in result.outcomes if one.message]
    assert result.exit_code == 75
    assert len(ids(two) - {""}) == len(two.ledger()["creates"])
    noted = [event.address for event in two.events if event.type == "noted"]
    assert len(noted) == len(set(noted)) == len(two.ledger()["creates"]) - 2
    assert not two.ledger()["duplicates_refused"]

    two.faults()
    assert tally(two.run()) == (len(UNREADABLE), 2, 0, 0)
    two.assert_paid_once(len(names))
    assert not two.ledger()["duplicates_refused"]
    two.assert_whole(len(names))


def test_what_can_be_done_without_keeps_no_file_from_being_saved(two):
    """Every job is made and saved in this run, by one create each, and the ledger can hold what it was told."""
    names = each_with(two, list(READABLE.values()))
    result = two.run()

    assert tally(result) == (len(names), 0, 0, 0), [one.message for one in result.outcomes if one.message]
    two.assert_paid_once(len(names))
    two.assert_whole(len(names))
    assert tally(two.run()) == (0, len(names), 0, 0)
    assert not two.ledger()["duplicates_refused"]


def test_an_odd_answer_to_a_create_makes_no_second_task(two):
    """Whatever stands in it, one create each makes them all."""
    two.settings = replace(two.settings, patience=20.0)
    changes = [one for one in (*UNREADABLE.values(), *READABLE.values()) if one != WRONG]
    names = each_with(two, changes, method="POST")
    result = two.run()

    assert tally(result) == (len(names), 0, 0, 0), [one.message for one in result.outcomes if one.message]
    two.assert_paid_once(len(names))
    assert not two.ledger()["duplicates_refused"]


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("", 1),
        ("/data", {"x": 1}),
        ("/data", "x"),
        ("/data/0", None),
        ("/data/1", "x"),
        ("/data/*", [1]),
        ("/data/*/task_id", 1.5),
        ("/data/0/task_id", {}),
        ("/data/*/task_status", ["succeed"]),
        ("/data/0/task_result", [None]),
        ("/data/*/task_result/images", "x"),
        ("/data/*/created_at", HUGE),
        ("/data/*/final_unit_deduction", "x"),
    ],
)
def test_odd_rows_of_a_list_keep_nobody_from_being_looked_at(picture, place, value):
    """Six pictures are made by six creates though every page of the list has something odd."""
    picture.write(many(6))
    operation = "/v1/images/omni-image"
    picture.faults(odd(place, value, path=operation))
    result = picture.run()

    assert tally(result) == (6, 0, 0, 0), [one.message for one in result.outcomes if one.message]
    picture.assert_paid_once(6)
    assert picture.posts == 6


def test_one_odd_answer_is_asked_again_in_the_same_run(two):
    """The second answer is read: made, with the units that the first one told wrong."""
    two.faults(odd("/data/final_unit_deduction", "x", nth=[2, 3]), {**odd(IMAGES, [None]), "times": 1})
    result = two.run()

    assert tally(result) == (2, 0, 0, 0), [one.message for one in result.outcomes if one.message]
    assert result.units == {"image": 16.0}


@pytest.mark.parametrize("value", [8.6e17, -5, 0, True, "x", HUGE, None, [1], {}])
def test_an_element_without_a_whole_id_waits_and_is_made_once(chain, value):
    """A float has lost its last digits, and nothing is made with it; later the same task gives the right one."""
    chain.settings = replace(chain.settings, patience=0.3)
    chain.faults(odd("/data/task_result/elements/0/element_id", value))
    result = chain.run()

    assert tally(result) == (0, 0, 0, 3), [one.message for one in result.outcomes if one.message]
    chain.faults()
    assert tally(chain.run()) == (3, 0, 0, 0)
    chain.assert_paid_once(3)
    assert chain.posts == 3


@pytest.mark.parametrize("status", [400, 500])
@pytest.mark.parametrize("message", [None, 5, {"a": [1]}, ["x"], "\x1b[31m::error::x\r\n::warning::y"])
def test_an_odd_error_is_its_jobs_trouble(two, status, message):
    """A refusal with any message is its job's alone; here its task is there all the same, and is followed."""
    first = next(iter(step.external_task_id for step in two.plan().steps))
    change = {"value": {"code": 1301, "message": message, "request_id": [1]}}
    two.faults({"fault": "odd_answer", **change, "match": {"method": "POST", "external_id": first}})
    result = two.run()

    assert tally(result) == (1, 1, 0, 0), [one.message for one in result.outcomes if one.message]
    two.assert_paid_once(2)
    two.assert_whole(2)


def test_a_refusal_is_told_in_words_that_a_terminal_and_ci_can_be_shown(two):
    """Control characters, colours and lines that CI would obey are gone from what the job says."""
    first = next(iter(step.external_task_id for step in two.plan().steps))
    message = "\x1b[31m::error::x\r\n::warning::y"
    two.faults({"fault": "error", "code": 1301, "message": message, "match": {"method": "POST", "external_id": first}})
    result = two.run()

    assert tally(result) == (1, 0, 1, 0), [one.message for one in result.outcomes if one.message]
    told = next(one.message for one in result.outcomes if one.ending == "failed")
    assert told.isprintable()
    assert not told.startswith("::")


def test_odd_costs_keep_nobody_from_anything(picture):
    """`doctor` says what cannot be read, and no traceback."""
    for value in ({"a": 1}, ["x"], [{"total_quantity": "many"}], [{"remaining_quantity": float("nan")}], 5):
        picture.faults(
            {"fault": "odd_answer", "at": "/data/resource_pack_subscribe_infos", "raw": json.dumps(value),
             "match": {"path": "/account/costs"}}
        )  # fmt: skip
        done = picture.cli("doctor")
        assert "Traceback" not in done.stderr + done.stdout
        assert done.returncode != 70
        assert "cannot be read" in done.stdout + done.stderr


def test_an_odd_answer_to_a_look_up_makes_no_second_task(two, tmp_path):
    """An empty machine cannot tell whether Kling has the task: that job waits, the other one is found."""
    two.run()
    machine = two.elsewhere(tmp_path / "empty")
    first = next(iter(step.external_task_id for step in machine.plan().steps))
    machine.faults(odd("/data", "x", external_id=first))
    result = machine.run(refresh=True)

    assert tally(result) == (0, 1, 0, 1), [one.message for one in result.outcomes if one.message]
    machine.faults()
    assert tally(machine.run(refresh=True))[2:] == (0, 0)
    machine.assert_paid_once(2)


def test_a_film_behind_an_odd_picture_waits_with_it(picture):
    """What needs the job waits, too: nothing fails, nothing is sent for it, and the next run makes both."""
    picture.settings = replace(picture.settings, patience=0.3)
    picture.write(HEAD + "images: { key: { prompt: x } }\nvideos: { film: { first_frame: image.key, prompt: y } }\n")
    picture.faults(odd(IMAGES, {}, operation="omni-image"))
    assert tally(picture.run()) == (0, 0, 0, 2)
    picture.faults()
    assert tally(picture.run()) == (2, 0, 0, 0)
    picture.assert_paid_once(2)


def test_a_create_that_names_another_task_is_found_by_its_external_id(two):
    """Nobody knows the id that was named: the task is asked for by ours, and made by one create."""
    two.faults({**odd(*WRONG), "match": {"method": "POST"}, "times": 1})
    result = two.run()

    assert tally(result) == (2, 0, 0, 0), [one.message for one in result.outcomes]
    two.assert_paid_once(2)
    assert two.posts == 2


def steps_of(url: str) -> list:
    import psycopg

    with psycopg.connect(url) as connection:
        return connection.execute("SELECT state, message FROM kling_pipe.steps ORDER BY state").fetchall()


@pytest.mark.needs("postgres")
def test_in_the_fleet_an_unreadable_step_ends_and_is_not_posted_again(two, tmp_path, postgres):
    """It is failed with what was odd, not queued for ever; posted again it is made, by two creates in all."""
    url = postgres.database()
    assert two.cli("run", "-y", "-q", "--detach", "--store", url).returncode == 75
    first = next(iter(step.external_task_id for step in two.plan().steps))
    two.faults(odd(IMAGES, "x", external_id=first))
    machine = two.elsewhere(tmp_path / "machine")
    assert machine.cli("worker", "--store", url, "--drain").returncode == 0
    ended = steps_of(url)
    assert [state for state, _ in ended] == ["done", "failed"]
    assert "cannot be read" in ended[1][1]

    two.faults()
    assert two.cli("run", "-y", "-q", "--detach", "--store", url).returncode == 75
    assert machine.cli("worker", "--store", url, "--drain").returncode == 0
    assert two.cli("run", "-y", "-q", "--store", url).returncode == 0
    two.assert_paid_once(2)
    two.assert_whole(2)
    assert two.posts == 2
