"""Requests in the second standard: every field in its place, nothing lost, and what has no place is told."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from kling_pipe.catalog import operations
from kling_pipe.catalog.api_v2 import Sent, encoded, findings
from kling_pipe.catalog.api_v2.schema import body_schema
from kling_pipe.catalog.api_v2.table import endpoints
from kling_pipe.catalog.defaults import written
from kling_pipe.catalog.validation.schema_errors import SchemaShape
from kling_pipe.emulator.api_v2_requests import read
from tests.catalog.api_v2.conftest import OPERATIONS, bodies, is_sound

BODIES = bodies()
SENT = {
    place: (name, body, sent)
    for place, (name, body) in BODIES.items()
    if isinstance(sent := encoded(operations.load_operation(name), body), Sent)
}
URL = "https://example.com/a.png"


def as_told(name: str, body: dict[str, Any]) -> dict[str, Any]:
    """A body as Kling reads it, without what it ignores; shots as the second standard writes them."""
    told = operations.as_read(operations.load_operation(name), body)
    cut = told.get("multi_shot") is True
    shots = cut and told.get("shot_type") == "customize"
    for field in ("prompt",) if shots else ("multi_prompt",) if cut else ("multi_prompt", "shot_type"):
        told.pop(field, None)
    for shot in told.get("multi_prompt", ()):
        shot["prompt"] = shot["prompt"].replace(";", ",")
    for words in (told, *told.get("multi_prompt", ())):
        if "prompt" in words:
            words["prompt"] = (
                "".join(words["prompt"].split()) if shots else re.sub(r" ?(<<<\w+>>>) ?", r"\1", words["prompt"])
            )
    for video in told.get("video_list", ()):
        video.setdefault("keep_original_sound", "no")
        video.setdefault("refer_type", "base")
    for element in told.get("element_list", ()):
        element["element_id"] = str(element["element_id"])
    return told


@pytest.mark.parametrize("place", SENT)
def test_what_is_sent_is_read_as_the_same_request(place: str) -> None:
    """The emulator, which shares no code with the encoder, takes each body and understands what was asked for."""
    name, body, sent = SENT[place]
    end = endpoints()[sent.path]

    assert SchemaShape(body_schema(end)).fault(sent.body) is None
    assert as_told(name, read(end, sent.body, strict=True)) == as_told(name, body)


def test_most_requests_at_hand_have_a_place() -> None:
    """The comparison above is about many bodies of each operation, not about a few that happen to pass."""
    counts = {name: sum(one == name for one, _, _ in SENT.values()) for name in OPERATIONS}

    assert min(counts.values()) >= 5, counts
    assert len(SENT) > 120


@pytest.mark.parametrize("place", [place for place in BODIES if place not in SENT])
def test_what_has_no_place_is_named(place: str) -> None:
    """Each refusal says which field, that it is about the second standard, and what to do."""
    name, body = BODIES[place]
    errors = [one for one in findings(operations.load_operation(name), body) if one.level == "error"]

    assert errors
    for one in errors:
        assert one.rule in ("KP340", "KP341")
        assert "second standard" in one.message
        assert one.hint.endswith(".")
        assert one.pointer[0] in body


# -- any request

WORDS = st.text(
    st.characters(codec="utf-8", exclude_characters=";", exclude_categories=("C",)), min_size=1, max_size=40
)


@st.composite
def omni(draw: st.DrawFn) -> dict[str, Any]:
    """Sound omni requests: pictures, frames, a film, elements, one prompt or shots, with tokens anywhere in words."""
    frames = draw(st.sampled_from([[], ["first_frame"], ["first_frame", "end_frame"]]))
    film = draw(st.sampled_from([None, "base", "feature"])) if not frames else None
    pictures = [*frames, *[None] * draw(st.integers(0, 2))]
    elements = draw(st.integers(0, 2))
    body: dict[str, Any] = {"model_name": "kling-v3-omni", "mode": draw(st.sampled_from(["std", "pro"]))}
    body["aspect_ratio"] = draw(st.sampled_from(["16:9", "9:16", "1:1"]))
    if pictures:
        body["image_list"] = [{"image_url": URL, **({"type": one} if one else {})} for one in pictures]
    if film:
        sound = draw(st.sampled_from(["yes", "no"])) if film == "base" else "no"
        body["video_list"] = [{"video_url": URL, "refer_type": film, "keep_original_sound": sound}]
    if elements:
        body["element_list"] = [{"element_id": 829836802793406551 + number} for number in range(elements)]
    kinds = {"image": len(pictures), "element": elements, "video": int(film is not None)}
    tokens = [f"<<<{kind}_{number}>>>" for kind, count in kinds.items() for number in range(1, count + 1)]
    said = st.lists(st.one_of(WORDS, *([st.sampled_from(tokens)] if tokens else [])), min_size=1, max_size=5)
    sentence = said.map(lambda pieces: "x" + "".join(pieces))
    if draw(st.booleans()) and film is None:
        count = draw(st.integers(1, 3))
        body |= {"multi_shot": True, "shot_type": "customize", "duration": str(count * 3)}
        body["multi_prompt"] = [{"index": n + 1, "prompt": draw(sentence), "duration": "3"} for n in range(count)]
    else:
        body["prompt"] = draw(sentence)
        if film != "base":
            body["duration"] = draw(st.sampled_from(["3", "7", "10"]))
    if film is None:
        body["sound"] = draw(st.sampled_from(["on", "off"]))
    return body


@st.composite
def plain(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    """Requests of any endpoint but omni's, as far as its own data says what it takes."""
    ends = [one for one in endpoints().values() if one.operation != "omni-video"]
    end = draw(st.sampled_from(ends))
    known = end.settings
    modes = [mode for mode, size in {"std": "720p", "pro": "1080p", "4k": "4k"}.items() if size in known["resolution"]]
    body: dict[str, Any] = {"model_name": end.model, "mode": draw(st.sampled_from(modes)), "prompt": "x" + draw(WORDS)}
    for field in ("aspect_ratio", "character_orientation", "duration"):
        if field in known and (field == "character_orientation" or draw(st.booleans())):
            body[field] = str(draw(st.sampled_from(known[field])))
    if "native" in known.get("audio", ()):
        body["sound"] = draw(st.sampled_from(["on", "off"]))
    if "original" in known.get("audio", ()):
        body["keep_original_sound"] = draw(st.sampled_from(["yes", "no"]))
    for field, sort in (
        ("image", "first_frame"),
        ("image_tail", "last_frame"),
        ("image_url", "image"),
        ("video_url", "video"),
    ):
        if sort in end.takes and (sort != "last_frame" or draw(st.booleans())):
            body[field] = URL
    for kind in ("element", "voice"):
        ids = [{f"{kind}_id": str(829836802793406551 + n)} for n in range(draw(st.integers(0, end.takes.get(kind, 0))))]
        if ids:
            body[f"{kind}_list"] = ids
            body["prompt"] += f"<<<{kind}_{len(ids)}>>>" + draw(WORDS)
    return end.operation, body


@given(plain())
def test_any_request_of_the_other_endpoints_comes_back(asked: tuple[str, dict[str, Any]]) -> None:
    """Words, frames, films, elements, voices and all settings of each model."""
    name, body = asked
    assume(is_sound(name, body))
    sent = encoded(operations.load_operation(name), body)

    assert isinstance(sent, Sent), sent
    assert as_told(name, read(endpoints()[sent.path], sent.body, strict=True)) == as_told(name, body)


@given(omni())
def test_any_request_comes_back(body: dict[str, Any]) -> None:
    """Whatever stands in a prompt: signs, other scripts, tokens side by side, words that look like ids."""
    assume(is_sound("omni-video", body))
    sent = encoded(operations.load_operation("omni-video"), body)

    assert isinstance(sent, Sent), sent
    assert as_told("omni-video", read(endpoints()[sent.path], sent.body, strict=True)) == as_told("omni-video", body)


@given(
    st.lists(st.sampled_from(["@image_1", "@Image_1", "@imagex_1", "<<<image_1>>>", "<<<image_2>>>", "0", "a", " "]))
)
def test_words_that_look_like_ids_name_nothing(pieces: list[str]) -> None:
    """A literal `@image_1` stays what it is: ids are chosen so that they stand in no prompt, and end where they end."""
    body = {
        "model_name": "kling-v3-omni", "prompt": "x" + "".join(pieces), "aspect_ratio": "1:1",
        "image_list": [{"image_url": URL}, {"image_url": URL}],
    }  # fmt: skip
    sent = encoded(operations.load_operation("omni-video"), body)
    assert isinstance(sent, Sent)
    back = read(endpoints()[sent.path], sent.body, strict=True)

    assert re.sub(r" ?(<<<\w+>>>) ?", r"\1", back["prompt"]) == re.sub(
        r" ?(<<<\w+>>>) ?", r"\1", body["prompt"].strip("\n")
    )
    assert back["prompt"].count("<<<") == body["prompt"].count("<<<")


# -- one thing at a time


def omni_body(**fields: Any) -> dict[str, Any]:
    return {"model_name": "kling-v3-omni", "prompt": "a cup", "aspect_ratio": "1:1", **fields}


def sent_of(name: str, body: dict[str, Any]) -> dict[str, Any]:
    sent = encoded(operations.load_operation(name), body)
    assert isinstance(sent, Sent), sent
    return dict(sent.body)


def text_of(body: dict[str, Any]) -> str:
    return next(one["text"] for one in sent_of("omni-video", body)["contents"] if one["type"] == "prompt")


def test_defaults_that_differ_are_sent() -> None:
    """The first standard makes one shot in 1080p, the second several in 720p: what is meant is written."""
    assert sent_of("omni-video", omni_body())["settings"] == {
        "multi_shot": False, "audio": "off", "resolution": "1080p", "aspect_ratio": "1:1",
    }  # fmt: skip


def test_shots_are_one_text() -> None:
    """Numbers, seconds, words; a line break is a space, a semicolon a comma, and a warning says so."""
    shots = [
        {"index": 1, "prompt": "a door;\n it opens", "duration": "3"},
        {"index": 2, "prompt": "rain", "duration": "2"},
    ]
    body = omni_body(multi_shot=True, shot_type="customize", multi_prompt=shots, duration="5")
    del body["prompt"]
    [warning] = findings(operations.load_operation("omni-video"), body)

    assert text_of(body) == "shot 1, 3, a door, it opens; shot 2, 2, rain;"
    assert (warning.rule, warning.level, warning.pointer) == ("KP341", "warn", ("multi_prompt", 0, "prompt"))


def test_words_that_would_begin_another_shot_are_refused() -> None:
    """`shot 2, 5,` inside a prompt that is cut would be read as a shot."""
    body = omni_body(multi_shot=True, shot_type="intelligence", prompt="a duel: shot 2, 5, and smoke")
    [error] = findings(operations.load_operation("omni-video"), body)

    assert (error.rule, error.level, error.found) == ("KP341", "error", "shot 2, 5,")
    assert text_of(omni_body(prompt=body["prompt"])) == body["prompt"]


@pytest.mark.parametrize(
    ("text", "written_"),
    [
        ("<<<image_1>>> and <<<image_2>>>", "@image_1 and @image_2"),
        ("<<<image_1>>>0", "@image_1 0"),
        ("a<<<image_1>>>b", "a @image_1 b"),
        ("<<<image_1>>><<<image_2>>>", "@image_1 @image_2"),
        ("<<<image_1>>>'s cup", "@image_1's cup"),
        ("<<<image_1>>>走る", "@image_1 走る"),
        ("me@image_1.org, <<<image_1>>>", "me@image_1.org, @imagex_1"),
        ("@IMAGE_2: <<<image_2>>>", "@IMAGE_2: @imagex_2"),
        ("<<<image_01>>>", "@image_1"),
    ],
)
def test_tokens_become_ids(text: str, written_: str) -> None:
    """Set apart from letters around them, and never the same as something that stands there already."""
    assert text_of(omni_body(prompt=text, image_list=[{"image_url": URL}, {"image_url": URL}])) == written_


def test_no_id_is_a_part_of_another() -> None:
    """With ten inputs of a kind the numbers get a digit more."""
    from kling_pipe.catalog.api_v2.prompt_syntax import names

    ids = list(names({"image": 12, "element": 3, "video": 1}, ()).ids.values())

    assert [(one, other) for one in ids for other in ids if one != other and one in other] == []


@pytest.mark.parametrize(
    ("name", "body", "pointer"),
    [
        ("text2video", {"model_name": "kling-v3", "prompt": "x", "negative_prompt": "y"}, ("negative_prompt",)),
        ("text2video", {"model_name": "kling-v3", "prompt": "x", "cfg_scale": 0.5}, ("cfg_scale",)),
        ("text2video", {"model_name": "kling-v1-6", "prompt": "x"}, ("model_name",)),
        ("text2video", {"model_name": "kling-v3", "prompt": "x", "future_field": 1}, ("future_field",)),
        ("image2video", {"model_name": "kling-v2-6", "image": URL, "static_mask": URL}, ("static_mask",)),
        (
            "image2video",
            {"model_name": "kling-v3", "image": URL, "voice_list": [{"voice_id": "1"}], "sound": "on"},
            ("voice_list", 0),
        ),
        ("image2video", {"model_name": "kling-v2-6", "image": URL, "multi_shot": True}, ("multi_shot",)),
        ("image2video", {"model_name": "kling-v3", "image": URL, "prompt": "<<<image_1>>>"}, ("prompt",)),
        (
            "omni-video",
            omni_body(video_list=[{"video_url": URL, "refer_type": "feature", "keep_original_sound": "yes"}]),
            ("video_list", 0, "keep_original_sound"),
        ),
        ("omni-video", omni_body(image_list=[{"image_url": URL, "weight": 1}]), ("image_list", 0, "weight")),
        (
            "omni-video",
            omni_body(
                multi_shot=True, shot_type="customize", duration="12",
                multi_prompt=[{"index": n, "prompt": "y" * 512, "duration": "2"} for n in range(1, 7)],
            ),
            ("multi_prompt",),
        ),
    ],
)  # fmt: skip
def test_what_has_no_place_is_pointed_at(name: str, body: dict[str, Any], pointer: tuple[str | int, ...]) -> None:
    """The pointer leads to the very value, so that a problem stands at its line."""
    errors = [one for one in findings(operations.load_operation(name), body) if one.level == "error"]

    assert [one.pointer for one in errors] == [pointer]


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_field_has_a_place_or_is_known_to_have_none(name: str) -> None:
    """A field that is added to an operation must be thought about here too."""
    from kling_pipe.catalog.api_v2.table import form, table_of
    from kling_pipe.core.json_pointer import parts

    known, shots, found = table_of(), table_of()["shots"], form(name)
    assert found is not None
    places = [known["model"], known["prompt"]["from"], shots["on"], shots["sort"], shots["from"]]
    places += [how["from"] for how in (*found["contents"], *found["settings"].values()) if "from" in how]
    places += [place for how in found["settings"].values() for case in how.get("cases", ()) for place in case["when"]]
    placed = {parts(place)[0] for place in places} | set(known["options"])

    assert set(operations.load_operation(name).fields) <= placed | set(known["nowhere"])
    assert written(known["nowhere"]).keys() & {"prompt", "duration"} == set()
