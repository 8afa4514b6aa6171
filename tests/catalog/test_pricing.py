"""Prices: the figures of the vendor's page, unknown as unknown, and nothing in Python."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_pipe.catalog import operations
from kling_pipe.catalog.pricing import estimate, price_date, unit_price

OMNI, TEXT, PICTURE = "omni-video", "text2video", "image2video"
BASE = [{"video_url": "u", "refer_type": "base"}]
FEATURE = [{"video_url": "u", "refer_type": "feature"}]
VOICE = [{"voice_id": "1"}]


def cost(name, **body):
    return estimate(operations.load_operation(name), body)


@pytest.mark.parametrize(
    ("name", "body", "units", "usd"),
    [
        (OMNI, {"model_name": "kling-v3-omni", "mode": "std"}, 3.0, 0.42),
        (OMNI, {"model_name": "kling-v3-omni", "duration": "3"}, 2.4, 0.336),
        (OMNI, {"model_name": "kling-v3-omni", "sound": "on", "duration": "10"}, 10.0, 1.4),
        (OMNI, {"model_name": "kling-v3-omni", "mode": "std", "sound": "on"}, 4.0, 0.56),
        (OMNI, {"model_name": "kling-v3-omni", "mode": "4k", "duration": "15"}, 45.0, 6.3),
        (OMNI, {"model_name": "kling-v3-omni", "video_list": FEATURE}, 6.0, 0.84),
        (OMNI, {"model_name": "kling-video-o1", "mode": "std"}, 3.0, 0.42),
        (OMNI, {}, 4.0, 0.56),
        (OMNI, {"model_name": "kling-video-o1", "video_list": FEATURE, "duration": "3"}, 3.6, 0.504),
        (OMNI, {"model_name": "kling-v3-omni", "video_list": [], "duration": ""}, 4.0, 0.56),
        (TEXT, {"model_name": "kling-v3"}, 3.0, 0.42),
        (TEXT, {"model_name": "kling-v3", "sound": "on", "mode": "pro"}, 6.0, 0.84),
        (PICTURE, {"model_name": "kling-v3", "sound": "on", "voice_list": VOICE}, 5.5, 0.77),
        (TEXT, {"model_name": "kling-v2-6"}, 1.5, 0.21),
        (TEXT, {"model_name": "kling-v2-6", "mode": "pro", "sound": "on"}, 5.0, 0.7),
        (PICTURE, {"model_name": "kling-v2-6", "mode": "pro", "sound": "on", "voice_list": VOICE}, 6.0, 0.84),
        (PICTURE, {"model_name": "kling-v2-5-turbo", "mode": "pro", "duration": "10"}, 5.0, 0.7),
        (PICTURE, {"model_name": "kling-v2-1", "duration": "10"}, 4.0, 0.56),
        (PICTURE, {"model_name": "kling-v1-5", "mode": "pro"}, 3.5, 0.49),
        (TEXT, {}, 1.0, 0.14),
        (TEXT, {"model_name": "kling-v2-master", "duration": "10"}, 20.0, 2.8),
        ("multi-image2video", {"mode": "pro", "duration": "10"}, 7.0, 0.98),
        ("omni-image", {"model_name": "kling-v3-omni", "n": 3}, 24.0, 0.084),
        ("omni-image", {"model_name": "kling-v3-omni", "resolution": "4k"}, 16.0, 0.056),
        ("omni-image", {"model_name": "kling-v3-omni", "result_type": "series"}, 32.0, 0.112),
        ("omni-image", {}, 8.0, 0.028),
        ("image-generation", {"model_name": "kling-v3", "resolution": "2k"}, 8.0, 0.028),
        ("image-generation", {"model_name": "kling-v2-1", "n": 2}, 8.0, 0.028),
        ("image-generation", {"model_name": "kling-v2-1", "image": "u"}, 8.0, 0.028),
        ("element", {"element_name": "x"}, 0.0, 0.0),
    ],
)  # fmt: skip
def test_a_known_price_follows_from_the_request(name, body, units, usd):
    found = cost(name, **body)
    assert (found.units, found.usd) == (units, usd)
    assert found.pack == (
        None if name == "element" else "image" if "image" in name and "video" not in name else "video"
    )


@pytest.mark.parametrize(
    ("name", "body", "pack", "why"),
    [
        (OMNI, {"model_name": "kling-v3-omni", "video_list": BASE}, "video", "length of the video"),
        (OMNI, {"model_name": "kling-v3-omni", "video_list": [{"video_url": "u"}]}, "video", "length of the video"),
        (OMNI, {"model_name": "kling-v9"}, "video", "kling-v9"),
        (OMNI, {"model_name": "kling-video-o1", "mode": "4k"}, "video", "4k"),
        (TEXT, {"model_name": "kling-v2-6", "sound": "on"}, "video", "std"),
        (TEXT, {"model_name": "kling-v3", "duration": "soon"}, "video", ""),
        ("omni-image", {"model_name": "kling-v3-omni", "result_type": "series", "series_amount": "auto"}, "image",
         "number of pictures"),
        ("image-generation", {"model_name": "kling-v1"}, "image", "kling-v1"),
    ],
)  # fmt: skip
def test_an_unknown_price_is_none_and_says_why(name, body, pack, why):
    found = cost(name, **body)
    assert (found.units, found.usd, found.pack) == (None, None, pack)
    assert why in found.note
    assert found.note


@pytest.mark.parametrize(("seconds", "units"), [(3.041, 2.7), (5.5, 5.4), (5.4, 4.5)])
def test_an_edited_video_is_billed_by_its_rounded_length(seconds, units):
    body = {"model_name": "kling-v3-omni", "mode": "std", "video_list": BASE}
    assert estimate(operations.load_operation(OMNI), body, input_seconds=seconds).units == units


def test_old_and_odd_prices_carry_a_note():
    assert "old" in cost(TEXT, model_name="kling-v1").note
    assert "2026-02" in cost(TEXT, model_name="kling-v3", sound="on", voice_list=VOICE).note


def test_the_table_has_a_date_and_unit_prices():
    assert price_date() == "2026-09-20"
    assert (unit_price("video"), unit_price("image")) == (0.14, 0.0035)


@given(st.sampled_from(["kling-v3-omni", "kling-video-o1"]), st.integers(3, 14))
def test_a_longer_video_never_costs_less(model, seconds):
    shorter, longer = (cost(OMNI, model_name=model, duration=str(one)).units for one in (seconds, seconds + 1))
    assert shorter < longer


def test_every_model_that_may_be_ordered_has_a_price_or_is_known_to_have_none():
    without = {
        (name, model)
        for name, operation in operations.operations().items()
        for model in operation.fields.get("model_name", {}).get("enum", [])
        if cost(name, model_name=model).units is None
    }
    by_what_goes_in = {("motion-control", f"kling-{model}") for model in ("v3", "v2-6")}
    priced = {name for row in operations.table("pricing")["rows"] for name in row["operations"]}
    silent = {(name, model) for name, model in without if name not in priced}
    old = {("image-generation", f"kling-{model}") for model in ("v1", "v1-5", "v2", "v2-new")}
    assert without == by_what_goes_in | silent | old
