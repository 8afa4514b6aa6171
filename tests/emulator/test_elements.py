"""Elements: ids, both names of their kind, presets, use in a video, deletion by both paths."""

import pytest

from tests.emulator.conftest import ELEMENT, VIDEO, clip, element

PRESET_VOICE = "850000000000000077"


def made(kling, name, **fields):
    return kling.make(ELEMENT, element(name, **fields))["task_result"]["elements"][0]


def test_an_element_has_an_id_that_no_float_holds(kling):
    """An integer of 18 digits; both the documents' and the live API's name of its kind; no voice unless given."""
    hana = made(kling, "hana", tag_list=[{"tag_id": "o_102"}])
    assert isinstance(hana["element_id"], int)
    assert len(str(hana["element_id"])) == 18
    assert int(float(hana["element_id"])) != hana["element_id"]
    assert (hana["reference_type"], hana["element_type"], hana["status"]) == ("image_refer", "image_refer", "succeed")
    assert hana["tag_list"][0]["id"] == "o_102"
    assert "element_voice_info" not in hana
    assert made(kling, "loud", element_voice_id=PRESET_VOICE)["element_voice_info"]["voice_id"] == PRESET_VOICE


def test_an_element_costs_no_units_and_no_slot(start):
    """Even where there is no slot at all."""
    kling = start(media="tiny", slots={"video": 0, "image": 0})
    assert kling.make(ELEMENT, element("hana"))["final_unit_deduction"] == "0"
    assert kling.ledger()["units"] == {}


def test_an_elements_pictures_are_served_again(kling):
    """What went in as Base64 comes back as a URL."""
    url = made(kling, "hana")["element_image_list"]["frontal_image"]
    answer = kling.http.get(url)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")


@pytest.mark.parametrize("path", ["/v1/general/delete-elements", "/v1/general/delete-advanced-elements"])
def test_a_deleted_element_is_marked_and_of_no_more_use(kling, path):
    """Both paths delete; the task is still there and says so; a video with the element is refused."""
    number = made(kling, "hana")["element_id"]
    assert kling.post(path, {"element_id": str(number)}).json()["code"] == 0
    assert kling.get(f"{ELEMENT}/hana")["task_result"]["elements"][0]["status"] == "deleted"
    assert kling.post(path, {"element_id": str(number)}).json()["code"] == 1201
    answer = kling.post(VIDEO, clip("one", element_list=[{"element_id": number}]))
    assert answer.json()["message"] == f"Element not found by id: {number}"


@pytest.mark.parametrize("given", [None, "", "x", 3, [], {}, "9" * 400, -1, 1.5])
def test_deleting_what_is_not_there_is_a_1201(kling, given):
    """Whatever is sent."""
    assert kling.post("/v1/general/delete-elements", {"element_id": given}).json()["code"] == 1201


def test_presets_are_listed_and_can_be_used(kling):
    """They belong to Kling, and a video accepts them."""
    presets = kling.get("/v1/general/advanced-presets-elements", pageSize=2)
    assert len(presets) == 2
    first = presets[0]["task_result"]["elements"][0]
    assert first["owned_by"] == "kling"
    assert kling.post(VIDEO, clip("one", element_list=[{"element_id": first["element_id"]}])).json()["code"] == 0


def test_an_element_is_of_no_use_before_it_is_done(kling):
    """Its id is not known before that anyway, but might be guessed."""
    kling.post(ELEMENT, element("early"))
    number = made(kling, "hana")["element_id"] - 15_838
    kling.faults({"fault": "task_failure"})
    kling.post(ELEMENT, element("fails"))
    kling.advance(10)
    failed = number + 2 * 15_838
    assert kling.post(VIDEO, clip("one", element_list=[{"element_id": failed}])).json()["code"] == 1201
