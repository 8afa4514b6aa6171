"""The second standard's endpoints: a path for each model, one place for all tasks, the same tasks as the first."""

import re

import pytest

from kling_pipe.catalog.api_v2.table import endpoints
from kling_pipe.emulator.answers import Refusal
from kling_pipe.emulator.api_v2_requests import read
from tests.emulator.conftest import IMAGE, VIDEO, clip, started, still

OMNI, WORDS = "/omni-video/kling-3.0-omni", "/text-to-video/kling-3.0"


@pytest.fixture(scope="module")
def empty():
    """An emulator in which nothing is ever made."""
    with started(media="tiny") as kling:
        yield kling
        assert kling.ledger()["tasks"] == 0


def film(name="one", **changes):
    """A small valid request."""
    body = {
        "contents": [{"type": "prompt", "text": "a cup of tea"}],
        "settings": {"multi_shot": False, "resolution": "720p", "duration": 3, "aspect_ratio": "16:9"},
        "options": {"external_task_id": name},
    }
    return {**body, **changes}


def said(text, *contents, **settings):
    """A request with a prompt and further contents."""
    own = {"multi_shot": False, "resolution": "720p", "duration": 3, "aspect_ratio": "16:9", **settings}
    return film(contents=[{"type": "prompt", "text": text}, *contents], settings=own)


def test_a_create_answers_in_its_own_words(kling):
    """Ids, a state, times in ms and the external id, without an object around it."""
    answer = kling.post(OMNI, film()).json()
    data = answer["data"]

    assert (answer["code"], answer["message"]) == (0, "SUCCEED")
    assert re.fullmatch(r"\d{18}", data["id"])
    assert (data["status"], data["external_id"]) == ("submitted", "one")
    assert isinstance(data["create_time"], int)
    assert data["create_time"] == data["update_time"]


def test_a_finished_task_has_outputs_and_a_bill(kling):
    """`succeeded` instead of `succeed`, outputs by type, units in `billing`."""
    kling.post(OMNI, film(options={"external_task_id": "one", "watermark_info": {"enabled": True}}))
    kling.advance(60)
    [task] = kling.get("/tasks", external_task_ids="one")
    [output] = task["outputs"]

    assert (task["status"], task["message"]) == ("succeeded", "")
    assert (output["type"], output["duration"]) == ("video", "3.041")
    assert kling.http.get(output["url"]).status_code == kling.http.get(output["watermark_url"]).status_code == 200
    assert task["billing"] == [{"charge_type": "unit", "amount": "1.8", "package_type": "video"}]


def test_the_same_task_in_both_standards(kling):
    """One store: made in either form it is seen in both, with one id, one film and one price."""
    kling.post(OMNI, film("second"))
    kling.post(VIDEO, clip("first"))
    kling.advance(60)
    found = {task["external_id"]: task for task in kling.get("/tasks", external_task_ids="first,second")}

    for name in ("first", "second"):
        old = kling.get(f"{VIDEO}/{name}")
        new = found[name]
        assert (old["task_id"], old["task_status"], new["status"]) == (new["id"], "succeed", "succeeded")
        assert old["final_unit_deduction"] == new["billing"][0]["amount"]
        assert old["task_result"]["videos"][0]["id"] == new["outputs"][0]["id"]


def test_an_external_id_is_unique_across_both_standards(kling):
    """Whoever was first, the second one is refused, in either form, and nothing is made."""
    kling.post(OMNI, film("second"))
    kling.post(VIDEO, clip("first"))
    for path, body in ((VIDEO, clip("second")), (OMNI, film("first")), (OMNI, film("second"))):
        answer = kling.post(path, body)
        assert (answer.status_code, answer.json()["code"]) == (400, 1201)
        assert "already exists" in answer.json()["message"]

    assert kling.ledger()["creates"] == {"first": 1, "second": 1}


def test_both_standards_fill_the_same_slots(start):
    """Two slots: one task of each form, and no third."""
    kling = start(media="tiny", slots={"video": 2})
    codes = [kling.post(*one).json()["code"] for one in ((OMNI, film("a")), (VIDEO, clip("b")), (OMNI, film("c")))]

    assert codes == [0, 0, 1303]


def test_kept_apart_each_standard_shows_its_own(start):
    """A switch, since nobody has seen what the real ones show; ids stay unique in the account."""
    kling = start(media="tiny", standards_apart=True)
    kling.post(OMNI, film("second"))
    kling.post(VIDEO, clip("first"))

    assert [task["external_id"] for task in kling.get("/tasks", external_task_ids="first,second")] == ["second"]
    assert kling.http.get(f"{VIDEO}/second").json()["code"] == 1201
    assert [task["task_info"]["external_task_id"] for task in kling.get(VIDEO)] == ["first"]
    assert kling.post(VIDEO, clip("second")).json()["code"] == 1201


def test_a_token_opens_the_first_standard_alone(empty):
    """As the vendor's change log says: API keys only."""
    import jwt

    token = jwt.encode({"iss": empty.running.access_key, "exp": 4_000_000_000}, empty.running.secret_key, "HS256")
    headers = {"Authorization": f"Bearer {token}"}

    assert empty.http.get(VIDEO, headers=headers).json()["code"] == 0
    for answer in (empty.http.post(OMNI, json=film(), headers=headers), empty.http.get("/tasks", headers=headers)):
        assert (answer.status_code, answer.json()["code"]) == (401, 1002)
    assert empty.ledger()["creates"] == {}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (film(settings={"resolution": "480p"}), "settings.resolution value '480p' is invalid"),
        (film(settings={"duration": "3"}), "settings.duration value '3' is invalid"),
        (film(contents=[]), "contents value '[]' is invalid"),
        (film(contents=[{"type": "prompt", "text": "x" * 3073}]), "contents.0"),
        (film(prompt="x"), "does not exist here"),
        (film(model_name="kling-v3-omni"), "does not exist here"),
        (said("x", {"type": "refer_image", "url": "https://example.com/a.png", "id": "a"},
              {"type": "refer_image", "url": "https://example.com/a.png", "id": "a"}), "duplicated"),
        (said("x", {"type": "prompt", "text": "y"}), "one prompt"),
        (said("x", {"type": "last_frame", "url": "https://example.com/a.png"}), "first frame"),
        (said("x", {"type": "element", "element_id": "1", "id": "hana"}), "Element not found"),
        (said("shot 1, 2, a; shot 3, 1, b;", multi_shot=True), "shot 2 is invalid"),
        (said("shot 1, 2, a; and more;", multi_shot=True), "shot 2 is invalid"),
        (said("shot 1, 2, a; shot 2, 2, b;", multi_shot=True), "duration"),
        (said(f"shot 1, 3, {'x' * 513};", multi_shot=True), "512"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_refused_and_makes_nothing(empty, body, message):
    """1201 with the place, before anything is stored."""
    answer = empty.post(OMNI, body)

    assert (answer.status_code, answer.json()["code"]) == (400, 1201), answer.text
    assert message in answer.json()["message"]
    assert empty.ledger()["tasks"] == 0


def test_prompts_may_be_longer_here(kling):
    """3072 characters, where the first standard takes 2500."""
    assert kling.post(WORDS, {"prompt": "x" * 3000}).json()["code"] == 0
    assert kling.post("/v1/videos/text2video", {"model_name": "kling-v3", "prompt": "x" * 3000}).json()["code"] == 1201


def test_a_model_of_the_second_standard_is_unknown_to_the_first(kling):
    """Its name is no value of `model_name` there; here it is a path."""
    refused = kling.post("/v1/videos/text2video", {"model_name": "kling-3.0-turbo", "prompt": "x"}).json()

    assert (refused["code"], refused["message"]) == (1201, "model_name value 'kling-3.0-turbo' is invalid")
    assert kling.post("/text-to-video/kling-3.0-turbo", {"prompt": "x"}).json()["code"] == 0


@pytest.mark.parametrize(("path", "code"), [("/omni-video/kling-9", 1203), ("/omni-video", 1203), ("/tasks/7", 1203)])
def test_other_paths_do_not_exist(empty, path, code):
    """A typing mistake in a model is no task of another model."""
    assert empty.post(path, film()).json()["code"] == code


@pytest.mark.parametrize("query", [{}, {"task_ids": "1", "external_task_ids": "a"}, {"task_ids": ",".join("7" * 21)}])
def test_tasks_are_asked_for_in_one_way_and_twenty_at_once(empty, query):
    """Neither both kinds of ids nor more than the vendor takes."""
    assert empty.http.get("/tasks", params=query).json()["code"] == 1201


def test_what_is_not_known_is_missing(kling):
    """No error: the list is shorter. Another account's tasks are not known either."""
    kling.post(OMNI, film())

    assert len(kling.get("/tasks", external_task_ids="one,two")) == 1
    assert kling.get("/tasks", task_ids="880000000000000003") == []


def test_all_tasks_page_by_page(kling):
    """Newest first, of both standards and all products, until there are no more; filters choose."""
    for number in range(3):
        kling.post(OMNI, film(f"v{number}"))
    kling.post(IMAGE, still("i"))
    first = kling.post("/tasks", {"limit": 3}).json()["data"]
    second = kling.post("/tasks", {"limit": 3, "cursor": first["next_cursor"]}).json()["data"]
    films = kling.post("/tasks", {"filters": [{"key": "product_type", "values": ["video"]}]}).json()["data"]

    assert [task["external_id"] for task in first["result"]] == ["i", "v2", "v1"]
    assert (first["count"], first["has_more"]) == (3, True)
    assert [task["external_id"] for task in second["result"]] == ["v0"]
    assert (second["has_more"], second["next_cursor"]) == (False, "")
    assert len(films["result"]) == 3


@pytest.mark.parametrize(
    "body",
    [
        {"limit": 501},
        {"limit": "3"},
        {"cursor": "x"},
        {"start_time": "soon"},
        {"filters": [{"key": "colour", "values": []}]},
    ],
    ids=str,
)
def test_a_page_that_cannot_be_asked_for(empty, body):
    """Bounds are those of the vendor's page."""
    assert empty.post("/tasks", body).json()["code"] == 1201


def test_a_list_goes_back_thirty_days_unless_it_is_told(kling):
    """Times are text on most of the vendor's pages and numbers on two: both are taken."""
    kling.post(OMNI, film())
    kling.advance(31 * 24 * 3600)

    assert kling.post("/tasks", {}).json()["data"]["result"] == []
    for start_time in (1, "1"):
        assert len(kling.post("/tasks", {"start_time": start_time}).json()["data"]["result"]) == 1


def test_references_and_shots_are_kept_as_in_the_first_standard():
    """Whatever ids a client chose: the same numbered tokens, shots and seconds, and so the same pictures drawn."""
    picture = {"type": "refer_image", "url": "https://example.com/a.png"}
    text = "shot 1, 2, @Zhang walks; SHOT 2, 1, @ZhangSan and @gmail;"
    body = said(text, {**picture, "id": "Zhang"}, {**picture, "id": "ZhangSan"}, multi_shot=True)
    kept = read(endpoints()[OMNI], body, strict=False)

    assert kept == {
        "model_name": "kling-v3-omni", "mode": "std", "duration": "3", "aspect_ratio": "16:9", "sound": "off",
        "multi_shot": True, "shot_type": "customize", "external_task_id": "one",
        "image_list": [{"image_url": picture["url"]}, {"image_url": picture["url"]}],
        "multi_prompt": [
            {"index": 1, "duration": "2", "prompt": "<<<image_1>>> walks"},
            {"index": 2, "duration": "1", "prompt": "<<<image_2>>> and @gmail"},
        ],
    }  # fmt: skip
    with pytest.raises(Refusal, match="a part of"):
        read(endpoints()[OMNI], body, strict=True)


def test_defaults_are_those_of_the_vendors_pages():
    """Several shots in 720p, where the first standard makes one shot in 1080p; the sound of a film stays."""
    words = read(endpoints()[WORDS], {"prompt": "rain"}, strict=True)
    contents = [
        {"type": "image", "url": "https://example.com/a.png"},
        {"type": "video", "url": "https://example.com/a.mp4"},
    ]
    body = {"contents": contents, "settings": {"character_orientation": "image"}}
    moved = read(endpoints()["/motion-control/kling-3.0"], body, strict=True)

    assert words == {
        "model_name": "kling-v3", "prompt": "rain", "mode": "std", "sound": "off",
        "multi_shot": True, "shot_type": "intelligence",
    }  # fmt: skip
    assert (moved["keep_original_sound"], moved["mode"]) == ("yes", "std")


@pytest.mark.parametrize("match", [{"operation": "omni-video"}, {"external_id": "on*"}, {"path": "/tasks"}])
@pytest.mark.parametrize("by", ["task_ids", "external_task_ids"])
def test_faults_know_a_question_by_what_it_asks_about(kling, match, by):
    """Operation and external id of the first task, though neither stands in the path."""
    ids = {"external_task_ids": "one", "task_ids": kling.post(OMNI, film()).json()["data"]["id"]}
    kling.faults({"fault": "rate_limited", "match": {"method": "GET", **match}, "times": 1})
    answers = [kling.http.get("/tasks", params={by: ids[by]}).json()["code"] for _ in range(2)]

    assert answers == [1302, 0]
