"""The data of the second standard: its own schema, what it says of models, and the vendor's shapes."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from referencing import Registry, Resource

from kling_pipe.catalog import operations
from kling_pipe.catalog.api_v2 import decode, exists_in, speaks
from kling_pipe.catalog.api_v2.schema import body_schema
from kling_pipe.catalog.api_v2.table import endpoints, table_of
from kling_pipe.catalog.validation.schema_errors import SchemaShape

FOLDER = operations.schemas_folder()


def complaints(data: Any) -> list[str]:
    """What the meta schema has to say."""
    meta = json.loads((FOLDER / "meta.schema.json").read_text(encoding="utf-8"))
    own = json.loads((FOLDER / "meta" / "standard.schema.json").read_text(encoding="utf-8"))
    registry: Registry[Any] = Registry().with_resource(meta["$id"], Resource.from_contents(meta))
    return [error.message for error in Draft202012Validator(own, registry=registry).iter_errors(data)]


def test_the_table_keeps_to_its_meta_schema() -> None:
    """A misspelt word cannot pass silently."""
    table = json.loads((FOLDER / "standards" / "v2.json").read_text(encoding="utf-8"))
    wrong = [copy.deepcopy(table) for _ in range(4)]
    wrong[0]["task"] = {}
    wrong[1]["operations"]["text2video"]["settings"]["audio"]["case"] = []
    wrong[2]["operations"]["omni-video"]["models"]["kling-v3-omni"]["take"] = {}
    wrong[3]["operations"]["omni-video"]["contents"][0]["form"] = "/x"

    assert complaints(table) == []
    assert [bool(complaints(one)) for one in wrong] == [True] * 4


def test_every_operation_and_model_of_the_table_exists() -> None:
    """The table names models by the first standard's names, as the operations' own files do."""
    for end in endpoints().values():
        fields = operations.load_operation(end.operation).fields
        assert end.model in fields["model_name"]["enum"]
        assert set(end.settings) <= set(end.form["settings"])
        assert set(end.takes) <= {sort for how in end.form["contents"] for sort in _sorts(how)}


def _sorts(how: dict[str, Any]) -> list[str]:
    return [how["type"]] if "type" in how else [*how["types"]["is"].values(), how["types"]["else"]]


def test_the_endpoints_are_those_of_the_vendors_pages() -> None:
    """Read off the pages' own headings, 2026-09."""
    assert sorted(endpoints()) == [
        "/image-to-video/kling-2.5-turbo", "/image-to-video/kling-2.6", "/image-to-video/kling-3.0",
        "/image-to-video/kling-3.0-turbo", "/motion-control/kling-2.6", "/motion-control/kling-3.0",
        "/omni-video/kling-3.0-omni", "/omni-video/kling-o1", "/text-to-video/kling-2.5-turbo",
        "/text-to-video/kling-2.6", "/text-to-video/kling-3.0", "/text-to-video/kling-3.0-turbo",
    ]  # fmt: skip


FRAME = {"type": "first_frame", "url": "https://example.com/a.png", "id": "image_1"}
SHAPES = {
    # Bodies in the shapes that the vendor prints, with words and links of our own.
    "omni, words alone": ("/omni-video/kling-3.0-omni", {
        "contents": [{"type": "prompt", "text": "a parrot"}],
        "settings": {"resolution": "1080p", "duration": 5, "audio": "native", "multi_shot": False},
        "options": {"callback_url": "https://example.com/callback", "external_task_id": "one"},
    }),
    "omni, frames and elements": ("/omni-video/kling-3.0-omni", {
        "contents": [
            {"type": "prompt", "text": "a parrot"}, FRAME,
            {"type": "last_frame", "url": "https://example.com/b.png", "id": "image_2"},
            {"type": "element", "element_id": "162", "id": "element_1"},
            {"type": "element", "element_id": "163", "id": "element_2"},
        ],
        "settings": {"resolution": "1080p", "duration": 5, "audio": "native", "multi_shot": True},
    }),
    "omni, a film to carry on": ("/omni-video/kling-3.0-omni", {
        "contents": [
            {"type": "prompt", "text": "a parrot"},
            {"type": "feature_video", "url": "https://example.com/a.mp4", "id": "video_1"},
        ],
        "settings": {"resolution": "4k", "audio": "off", "multi_shot": True},
    }),
    "omni, a film to edit": ("/omni-video/kling-3.0-omni", {
        "contents": [
            {"type": "prompt", "text": "a parrot"},
            {"type": "base_video", "url": "https://example.com/a.mp4", "id": "video_1"},
        ],
        "settings": {"resolution": "1080p", "audio": "original", "multi_shot": False},
    }),
    "from a frame": ("/image-to-video/kling-3.0", {
        "contents": [{"type": "prompt", "text": "a girl"}, {"type": "first_frame", "url": "https://example.com/a.png"}],
        "settings": {"resolution": "4k", "duration": 10, "audio": "off", "multi_shot": False},
        "options": {"callback_url": "https://example.com/cb", "watermark_info": {"enabled": False}},
    }),
    "turbo, from a frame": ("/image-to-video/kling-3.0-turbo", {
        "contents": [{"type": "prompt", "text": "a girl"}, {"type": "first_frame", "url": "https://example.com/a.png"}],
        "settings": {"resolution": "1080p", "duration": 10},
        "options": {"watermark_info": {"enabled": True}},
    }),
    "movement": ("/motion-control/kling-3.0", {
        "contents": [
            {"type": "prompt", "text": "a grey shirt"},
            {"type": "image", "url": "https://example.com/a.png"},
            {"type": "video", "url": "https://example.com/a.mp4"},
        ],
        "settings": {"character_orientation": "video", "resolution": "1080p", "audio": "original"},
    }),
}  # fmt: skip


@pytest.mark.parametrize("name", SHAPES)
def test_bodies_as_the_vendor_prints_them_are_taken(name: str) -> None:
    """The schema is held against shapes that our encoder had no hand in."""
    path, body = SHAPES[name]

    assert SchemaShape(body_schema(endpoints()[path])).fault(body) is None


@pytest.mark.parametrize(
    "change",
    [
        {"settings": {"resolution": "480p"}},
        {"settings": {"duration": "5"}},
        {"settings": {"audio": "loud"}},
        {"settings": {"mode": "pro"}},
        {"contents": []},
        {"contents": [{"type": "prompt", "text": ""}]},
        {"contents": [{"type": "prompt", "text": "x" * 3073}]},
        {"contents": [{"type": "element", "element_id": "1"}]},
        {"contents": [{"type": "voice", "voice_id": "1", "id": "voice_1"}]},
        {"contents": [{"type": "first_frame", "text": "x"}]},
        {"options": {"watermark_info": {"enabled": "true"}}},
        {"model_name": "kling-v3-omni"},
    ],
    ids=str,
)
def test_other_bodies_are_not(change: dict[str, Any]) -> None:
    """Each limit of the schema refuses something."""
    path, body = SHAPES["omni, words alone"]

    assert SchemaShape(body_schema(endpoints()[path])).fault({**body, **change}) is not None


def test_who_speaks_which_standard() -> None:
    """The first unless told otherwise; a model that only the second has speaks it in any case."""
    assert not speaks("v1", "omni-video", "kling-v3-omni")
    assert speaks("v2", "omni-video", "kling-v3-omni")
    assert speaks("v2", "text2video", "kling-v1-6")  # and is refused there, with what to do
    assert not speaks("v2", "omni-image", "kling-v3-omni")
    assert speaks("v1", "text2video", "kling-3.0-turbo")
    assert not exists_in("v1", "text2video", "kling-3.0-turbo")
    assert exists_in("v1", "text2video", "kling-v3")


def test_an_answer_is_told_in_the_words_of_the_first_standard() -> None:
    """Ids, states, times, results in order, and the units."""
    told = decode.row({
        "id": "7", "status": "succeeded", "message": "", "create_time": 1, "update_time": 2, "external_id": "kp1-x",
        "outputs": [
            {"type": "video", "id": "8", "url": "u", "watermark_url": "w", "duration": "5.041"},
            {"type": "hologram", "url": "h"},
        ],
        "billing": [
            {"charge_type": "unit", "amount": "2.5", "package_type": "video"},
            {"charge_type": "cash", "amount": "0.7", "cash_type": "balance"},
        ],
    })  # fmt: skip

    assert told == {
        "task_id": "7", "task_status": "succeed", "task_status_msg": "", "created_at": 1, "updated_at": 2,
        "task_info": {"external_task_id": "kp1-x"}, "final_unit_deduction": "2.5",
        "task_result": {"videos": [{"id": "8", "url": "u", "watermark_url": "w", "duration": "5.041"}]},
    }  # fmt: skip


def test_an_unknown_status_keeps_its_name() -> None:
    """So that the engine can say which one it was."""
    assert decode.row({"id": "7", "status": "paused"}) == {"task_id": "7", "task_status": "paused"}
    assert decode.row({"id": "7", "outputs": None, "billing": None}) == {"task_id": "7"}


def test_units_of_two_packs_are_added_and_money_is_none() -> None:
    """An amount in money is no number of units."""
    units = [{"charge_type": "unit", "amount": "1.5"}, {"charge_type": "unit", "amount": "2"}]

    assert decode.row({"id": "7", "billing": units})["final_unit_deduction"] == "3.5"
    assert "final_unit_deduction" not in decode.row({"id": "7", "billing": [{"charge_type": "cash", "amount": "1"}]})


@pytest.mark.parametrize(
    ("form", "heard"),
    [
        ({"task_id": "7", "task_status": "succeed"}, ("7", "succeed")),
        ({"id": "7", "status": "succeeded", "external_id": "x"}, ("7", "succeed")),
        ({"id": "7", "status": "processing"}, ("7", "processing")),
        ({"id": 7, "status": "succeeded"}, None),
        ({"id": "", "status": "succeeded"}, None),
        ({"status": "succeeded"}, None),
        ({}, None),
    ],
)
def test_callbacks_of_both_standards_are_heard(form: dict[str, Any], heard: tuple[str, str] | None) -> None:
    """The vendor's callback page prints both shapes."""
    assert decode.heard(form) == heard


def test_states_are_translated_one_to_one() -> None:
    """No two states of one standard are the same in the other."""
    states = table_of()["answer"]["states"]

    assert len(set(states.values())) == len(states) == 4
