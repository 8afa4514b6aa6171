"""Tasks: the wire form, both ids, lists, unique external ids, the life cycle, slots and units."""

import re

import pytest

from kling_pipe.catalog import operations
from tests.emulator.conftest import IMAGE, VIDEO, clip, still


def test_a_create_answers_in_the_envelope(kling):
    """Code 0, SUCCEED, a request id, a task id of 18 digits as text, times in whole ms."""
    answer = kling.post(VIDEO, clip("one")).json()
    assert (answer["code"], answer["message"]) == (0, "SUCCEED")
    assert answer["request_id"]
    data = answer["data"]
    assert re.fullmatch(r"\d{18}", data["task_id"])
    assert (data["task_status"], data["task_info"]) == ("submitted", {"external_task_id": "one"})
    assert isinstance(data["created_at"], int)
    assert data["created_at"] == data["updated_at"] > 10**12


def test_a_task_is_found_by_either_id_and_after_a_slash(kling):
    """Both forms of GET answer the same task; a slash after the create's path is fine."""
    task_id = kling.post(f"{VIDEO}/", clip("one")).json()["data"]["task_id"]
    assert kling.get(f"{VIDEO}/one") == kling.get(f"{VIDEO}/{task_id}")


@pytest.mark.parametrize("name", ["nobody", "880000000000000000", "a%2Fb", "%00", "x" * 3000])
def test_an_unknown_task_is_a_1201(kling, name):
    """Not a 404: that is what the live API does."""
    answer = kling.http.get(f"{VIDEO}/{name}")
    assert (answer.status_code, answer.json()["code"]) == (400, 1201)
    assert answer.json()["message"].startswith("Task not found by id/external id: ")


def test_a_task_lives_under_the_path_that_made_it(kling):
    """Another product's path does not know it."""
    kling.post(VIDEO, clip("one"))
    assert kling.http.get(f"{IMAGE}/one").json()["code"] == 1201


def test_an_external_id_is_unique_across_products_and_for_ever(kling):
    """A second create is refused, makes nothing and is counted, also when the first has failed."""
    kling.faults({"fault": "task_failure", "match": {"external_id": "fails"}})
    kling.post(VIDEO, clip("one"))
    kling.post(VIDEO, clip("fails"))
    kling.advance(60)
    for path, body in ((VIDEO, clip("one")), (IMAGE, still("one")), (VIDEO, clip("fails", prompt="other"))):
        answer = kling.post(path, body)
        assert (answer.status_code, answer.json()["code"]) == (400, 1201)
        assert "already exists" in answer.json()["message"]
    ledger = kling.ledger()
    assert ledger["creates"] == {"one": 1, "fails": 1}
    assert ledger["duplicates_refused"] == {"one": 2, "fails": 1}


def test_the_id_of_a_failed_task_may_be_used_again_if_so_set(start):
    """What the real API does here is not known, so it is a switch."""
    kling = start(media="tiny", reuse_failed_ids=True)
    kling.faults({"fault": "task_failure", "times": 1})
    assert kling.make(VIDEO, clip("one"))["task_status"] == "failed"
    assert kling.make(VIDEO, clip("one"))["task_status"] == "succeed"
    assert kling.get(f"{VIDEO}/one")["task_status"] == "succeed"


def test_lists_are_newest_first_in_pages(kling):
    """30 a page unless asked for, and an empty page after the last."""
    for number in range(35):
        kling.post("/v1/images/generations", {**still(f"n{number}"), "model_name": "kling-v3"})
        kling.advance(5)

    def names(**query):
        tasks = kling.get("/v1/images/generations", **query)
        return [task["task_info"]["external_task_id"] for task in tasks]

    assert names() == [f"n{number}" for number in range(34, 4, -1)]
    assert names(pageNum=4, pageSize=10) == ["n4", "n3", "n2", "n1", "n0"]
    assert names(pageNum=1000, pageSize=500) == []


@pytest.mark.parametrize(
    "query", [{"pageSize": 501}, {"pageSize": 0}, {"pageNum": 1001}, {"pageNum": "x"}, {"pageNum": "-1"}]
)
def test_a_page_out_of_bounds_is_refused(kling, query):
    """1 to 1000 pages, 1 to 500 tasks on each."""
    assert kling.http.get(VIDEO, params=query).json()["code"] == 1201


def test_a_task_goes_through_its_states(kling):
    """submitted, processing, succeed; units and results only at the end."""
    kling.post(VIDEO, clip("one"))
    seen = []
    for seconds in (0, 0.5, 1.2):
        kling.advance(seconds)
        task = kling.get(f"{VIDEO}/one")
        seen.append((task["task_status"], bool(task["task_result"]), task.get("final_unit_deduction")))
    assert seen == [("submitted", False, None), ("processing", False, None), ("succeed", True, "1.8")]
    video = task["task_result"]["videos"][0]
    assert (video["duration"], "watermark_url" in video) == ("3.041", False)
    assert task["updated_at"] - task["created_at"] == 1500


def test_a_failed_task_costs_nothing_and_says_why(kling):
    """The envelope still says SUCCEED."""
    kling.faults({"fault": "task_failure", "message": "Image pixel is invalid"})
    task = kling.make(VIDEO, clip("one"))
    assert (task["task_status"], task["task_status_msg"], task["task_result"]) == (
        "failed",
        "Image pixel is invalid",
        {},
    )
    assert task["final_unit_deduction"] == "0"
    assert kling.ledger()["units"] == {}


def test_units_are_billed_on_success_by_pack(kling):
    """A clip from the video pack, pictures from the image pack, never added up."""
    kling.make(VIDEO, clip("one", sound="on"))
    kling.make(IMAGE, still("two", n=3))
    ledger = kling.ledger()
    assert ledger["units"] == {"video": 2.4, "image": 24.0}
    assert list(ledger["billed"]) == [kling.running.access_key]


def test_a_sixth_video_waits_for_a_slot(kling):
    """429 and 1303 without data; a slot is free again when its task ends, whether it was fetched or not."""
    for number in range(5):
        assert kling.post(VIDEO, clip(f"n{number}")).status_code == 200
    answer = kling.post(VIDEO, clip("late"))
    assert (answer.status_code, answer.json()["code"], "data" in answer.json()) == (429, 1303, False)
    assert kling.http.get(f"{VIDEO}/late").json()["code"] == 1201
    kling.advance(60)
    assert kling.post(VIDEO, clip("late")).status_code == 200
    assert kling.ledger()["slots"]["peak"] == {f"{kling.running.access_key}/video": 5}


def test_an_image_task_holds_as_many_slots_as_it_makes_pictures(start):
    """n=5 and n=5 do not fit into 9; here the refusal comes as HTTP 200, as some have seen it."""
    kling = start(media="tiny", over_limit_http=200)
    kling.post(IMAGE, still("one", n=5))
    answer = kling.post(IMAGE, still("two", n=5))
    assert (answer.status_code, answer.json()["code"]) == (200, 1303)
    assert kling.post(IMAGE, still("three", n=4)).json()["code"] == 0


def test_slots_may_be_counted_per_model(start):
    """A second model has places of its own."""
    kling = start(media="tiny", slots={"video": 1}, slots_per_model=True)
    assert kling.post(VIDEO, clip("one")).json()["code"] == 0
    assert kling.post(VIDEO, clip("two")).json()["code"] == 1303
    assert kling.post(VIDEO, clip("three", model_name="kling-video-o1", duration="5")).json()["code"] == 0


def test_an_empty_pack_is_a_1102(start):
    """What is running counts; another pack goes on."""
    kling = start(media="tiny", packs={"video": 3})
    assert kling.post(VIDEO, clip("one")).json()["code"] == 0
    answer = kling.post(VIDEO, clip("two"))
    assert (answer.status_code, answer.json()["code"]) == (429, 1102)
    assert kling.post(IMAGE, still("three")).json()["code"] == 0
    rows = kling.get("/account/costs", start_time=1, end_time=2)["resource_pack_subscribe_infos"]
    assert {row["resource_pack_id"] for row in rows} == {"emulated-video", "emulated-image"}


def test_a_series_stands_under_its_own_key(kling):
    """`result_type: series` answers series_images."""
    task = kling.make(IMAGE, still("one", result_type="series", series_amount=3))
    assert len(task["task_result"]["series_images"]) == 3
    several = kling.make(IMAGE, still("two", n=2, watermark_info={"enabled": True}))["task_result"]["images"]
    assert [image["index"] for image in several] == [0, 1]
    assert several[0]["watermark_url"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"duration": "99"}, "duration value '99' is invalid"),
        ({"model_name": "kling-v9"}, "model_name value 'kling-v9' is invalid"),
        ({"image_list": [{"image_url": "no base64!"}]}, "File is not in a valid base64 format"),
        ({"element_list": [{"element_id": 860000000000999999}]}, "Element not found by id: 860000000000999999"),
    ],
)
def test_an_invalid_request_gets_klings_own_words(kling, changes, message):
    """1201, and nothing is made."""
    answer = kling.post(VIDEO, clip("one", **changes))
    assert (answer.status_code, answer.json()["code"], answer.json()["message"]) == (400, 1201, message)
    assert kling.ledger()["creates"] == {}


@pytest.mark.parametrize("name", operations.names())
def test_every_operation_is_served(kling, name):
    """Whatever the schemas describe can be listed where it has a list, and refuses an empty request."""
    operation = operations.load_operation(name)
    if "list" in operation.kling:
        assert kling.get(operation.path) == []
    else:
        assert kling.http.get(operation.path).json()["code"] == 1202
    assert kling.post(operation.path, {}).json()["code"] in {1201, 0}


def test_tolerance_is_a_switch(kling, start):
    """By default as the real API evidently is; strict where asked for."""
    strict = start(media="tiny", strict=True)
    extra = clip("one", model="kling-v1")
    blank = clip("two", callback_url="")
    for body in (extra, blank):
        assert kling.post(VIDEO, body).json()["code"] == 0
        assert strict.post(VIDEO, body).json()["code"] == 1201
    headers = {"Content-Type": "application/json"}
    assert kling.http.get(VIDEO, headers=headers).json()["code"] == 0
    assert strict.http.get(VIDEO, headers=headers).json()["code"] == 1200


def test_the_cost_page_answers_in_two_envelopes(kling):
    """Clients use it to find out whether their key is good."""
    data = kling.get("/account/costs", start_time=1, end_time=2)
    assert (data["code"], data["msg"]) == (0, "success")
    assert kling.http.get("/account/costs").json()["code"] == 1201
