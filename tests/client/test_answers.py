"""Any JSON in any place of any answer becomes values of the right types, or an error of the family: nothing else."""

from __future__ import annotations

import asyncio
import json
import math
from copy import deepcopy
from dataclasses import replace

import httpx
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kling_pipe.catalog.operations import load_operation
from kling_pipe.client import Client, Created, Found, InDoubt, Listed, NotFound, Prepared, Refused, TaskState
from kling_pipe.client.credentials import AccessKey, ApiKey
from kling_pipe.core.redact import printable
from kling_pipe.engine.resource_packs import packs_at
from kling_pipe.engine.task_records import check, forms, merge_found_task, merge_task
from kling_pipe.errors import KlingPipeError
from kling_pipe.model import Record
from kling_pipe.storage.ledger.rows import decoded, encoded

OPERATIONS = tuple(
    map(load_operation, ("omni-image", "omni-video", "element", "voice", "tts", "image-recognize", "video-to-audio"))
)
ANSWERS = (Created, Found, NotFound, Prepared, Listed, Refused, InDoubt)
FIRST, SECOND = AccessKey("ak", "sk" * 20), ApiKey("api-key")
EVERYTHING = settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])

texts = st.text(st.characters(), max_size=8) | st.sampled_from(
    ["succeed", "submitted", "failed", "http://", "http://[::1", "https://a.example/b.png?signature=x", "NaN", "1e999",
     "9" * 30, "٣", "::error::x", "##[group]", "\x1b[2J", "\u202e", "\ud83d", "\x00"]
)  # fmt: skip
numbers = st.integers() | st.sampled_from([2**63, -(2**63), 10**400, 0, -1]) | st.floats()
values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)

TASK = {
    "task_id": "880000000000000001",
    "task_status": "succeed",
    "task_status_msg": "fine",
    "task_info": {"external_task_id": "kp1-a"},
    "task_result": {
        "images": [{"index": 0, "url": "https://a.example/b.png?signature=x", "type": "object_seg"}],
        "videos": [{"id": "7", "url": "https://a.example/b.mp4?signature=x", "duration": "5.1"}],
        "audios": [{"id": "8", "url": "https://a.example/b.mp3", "url_mp3": "https://a.example/b.mp3"}],
        "elements": [{"element_id": 860000000000015839, "status": "succeed"}],
        "voices": [{"voice_id": "v7", "status": "succeed"}],
    },
    "final_unit_deduction": "1.5",
    "created_at": 1764235825029,
    "updated_at": 1764236054436,
}
SECOND_TASK = {
    "id": "880000000000000001",
    "status": "succeeded",
    "message": "fine",
    "external_id": "kp1-a",
    "outputs": [{"type": "video", "id": "7", "url": "https://a.example/b.mp4?signature=x", "duration": "5.1"}],
    "billing": [{"charge_type": "unit", "amount": "1.5"}, {"charge_type": "unit", "amount": "1"}],
    "create_time": 1764235825029,
    "update_time": 1764236054436,
}
PACK = {"resource_pack_name": "video", "total_quantity": 5.0, "remaining_quantity": 4, "status": "online",
        "invalid_time": 1764236054436}  # fmt: skip


def places(form, at=()):
    """Every place in a JSON value, itself first."""
    yield at
    for name, inner in form.items() if isinstance(form, dict) else enumerate(form) if isinstance(form, list) else ():
        yield from places(inner, (*at, name))


def changed(form, at, value):
    """The form with another value at a place, or without the place when the value is `...`."""
    if not at:
        return None if value is ... else value
    copy = deepcopy(form)
    inner = copy
    for name in at[:-1]:
        inner = inner[name]
    if value is ... and isinstance(inner, dict):
        del inner[at[-1]]
    else:
        inner[at[-1]] = None if value is ... else value
    return copy


def odd(form):
    """The form with anything in one or two of its places, or without them."""
    where = st.sampled_from(list(places(form)))
    one = st.builds(changed, st.just(form), where, values | st.just(...))
    return one | one.flatmap(
        lambda once: st.builds(changed, st.just(once), st.sampled_from(list(places(once))), values | st.just(...))
    )


def envelope(data):
    return {"code": 0, "message": "SUCCEED", "request_id": "r", "data": data}


def asked(content, call, *, key=FIRST, standard="v1"):
    """What a client makes of an answer."""
    body = content if isinstance(content, bytes) else json.dumps(content).encode()

    async def at_once(_):
        await asyncio.sleep(0)

    async def handle(request):
        return httpx.Response(200, content=body)

    async def work():
        seams = {"transport": httpx.MockTransport(handle), "http": httpx, "sleep": at_once, "standard": standard}
        async with Client("http://kling.test", key, **seams) as client:
            return await call(client)

    return asyncio.run(work())


def blank(operation, **more):
    return Record("kp1-a", "p", "k" * 64, 1, 1, operation.name, "me", "processing", **more)


def is_storable(record) -> bool:
    """Whether SQLite and PostgreSQL can hold it, and whoever reads it can print it."""
    row = encoded(record)
    whole = all(-(2**63) <= one < 2**63 for one in row if isinstance(one, int))
    words = [one for one in row if isinstance(one, str)]
    again = decoded(row)
    sizes = all(one.element_id is None or 0 < one.element_id < 2**63 for one in again.outputs)
    shown = (record.message, record.units, record.task_id, *(one.duration + one.id for one in record.outputs))
    return (
        whole
        and sizes
        and all("\x00" not in one and one.encode("utf-8") is not None for one in words)
        and all(one.isprintable() or one == printable(one) for one in shown)
        and math.isfinite(record.charged)
        and ("signature=" not in row[12] or any(one.sole for one in record.outputs))
    )


def assert_told(operation, task: TaskState) -> None:
    """It becomes a record that any ledger holds, or an error of the family; the task's id is never lost."""
    try:
        check(operation, task)
        assert is_storable(merge_task(blank(operation), operation, task, 1e9))
    except KlingPipeError as error:
        assert error.message == printable(error.message)  # noqa: PT017  # either way is right
    kept = merge_found_task(blank(operation, task_id="7"), operation, task, 1e9)
    assert kept.task_id == "7" or not task.odd
    assert is_storable(kept)
    forms(operation, task)


@EVERYTHING
@given(st.sampled_from(OPERATIONS), odd(TASK))
def test_a_task_of_any_shape_is_a_record_or_an_error_of_the_family(operation, data) -> None:
    """Whatever Kling says of a task, for every kind of result."""
    if isinstance(data, dict):
        assert_told(operation, TaskState.read(data))


@EVERYTHING
@given(st.sampled_from(OPERATIONS), odd(envelope(TASK)), odd(envelope([TASK, TASK])))
def test_any_answer_of_the_first_standard_is_an_answer(operation, one, many) -> None:
    """To a create, a question and a list; every row of a list can be read."""
    calls = (
        lambda client: client.create(operation, {}, "kp1-a"),
        lambda client: client.get(operation, "kp1-a"),
        lambda client: client.prepare("/x", {}),
        lambda client: client.ask("/account/costs", {}),
    )
    for call in calls:
        answer = asked(one, call)
        assert isinstance(answer, ANSWERS)
        if isinstance(answer, Created | Found):
            assert_told(operation, answer.task)
    listed = asked(many, lambda client: client.list(operation, 1, 2))
    assert isinstance(listed, ANSWERS)
    for task in listed.tasks if isinstance(listed, Listed) else ():
        assert_told(operation, task)


@EVERYTHING
@given(odd(envelope(SECOND_TASK)), odd(envelope([SECOND_TASK])), odd(envelope({"result": [SECOND_TASK]})))
def test_any_answer_of_the_second_standard_is_an_answer(created, found, page) -> None:
    """The same in the other form, with its own pages."""
    operation, request = load_operation("text2video"), {"model_name": "kling-v3"}
    second = {"key": SECOND, "standard": "v2"}
    calls = (
        (created, lambda client: client.create(operation, request, "kp1-a")),
        (found, lambda client: client.get(operation, "880000000000000001", request, everywhere=True)),
        (found, lambda client: client.by_ids(["880000000000000001"])),
        (page, lambda client: client.list(operation, 1, 2, request)),
    )
    for content, call in calls:
        answer = asked(content, call, **second)
        assert isinstance(answer, ANSWERS)
        tasks = answer.tasks if isinstance(answer, Listed) else [getattr(answer, "task", None)]
        for task in tasks:
            if task is not None:
                assert_told(operation, task)


@EVERYTHING
@given(odd({"code": 1201, "message": "x", "request_id": "r"}))
def test_any_error_is_an_answer_that_can_be_printed(content) -> None:
    """Code, message and request id of any type."""
    answer = asked(content, lambda client: client.create(OPERATIONS[0], {}, "kp1-a"))
    assert isinstance(answer, ANSWERS)
    if isinstance(answer, Refused):
        assert answer.message == printable(answer.message)
        assert answer.request_id == printable(answer.request_id)


@EVERYTHING
@given(odd(envelope({"code": 0, "msg": "ok", "resource_pack_subscribe_infos": [PACK]})))
def test_any_account_of_costs_is_packs_or_an_error_of_the_family(content) -> None:
    """Numbers that are finite, and words that can be printed."""
    try:
        found = asked(content, lambda client: packs_at(client, lambda: 1e9))
    except KlingPipeError:
        return
    assert all(math.isfinite(pack.total) and math.isfinite(pack.remaining) for pack in found)
    assert all(pack.name == printable(pack.name) for pack in found)


@EVERYTHING
@given(st.binary(max_size=40))
def test_bytes_that_are_no_json_are_no_answer(content) -> None:
    """They leave in doubt what was sent."""
    assert isinstance(asked(content, lambda client: client.create(OPERATIONS[0], {}, "kp1-a")), InDoubt)


@given(
    st.text(st.characters())
    | texts
    | st.lists(st.sampled_from([":", "#", "[", "a", " ", "\n", "\x1b", "\u200b"])).map("".join)
)
def test_a_text_is_one_line_that_nobody_obeys(text) -> None:
    """No control characters, no commands, the same when it is done twice."""
    shown = printable(text)
    assert not any(ord(letter) < 32 or 127 <= ord(letter) < 160 for letter in shown)
    assert not any(word.startswith("::") for word in shown.split())
    assert "##[" not in shown
    assert printable(shown) == shown


def test_what_can_be_shown_stays_as_it_is() -> None:
    """Emoji of several parts, other scripts, and colons in the midst of words."""
    for text in ("a::b at 10:30", "ключ 早安 👩\u200d🚀 é", "# 12 [x]", "50 %"):
        assert printable(text) == text


def test_an_older_word_does_not_undo_a_newer_one() -> None:
    """A task that succeeded is not under way again, whatever an answer says that was long on its way."""
    operation = OPERATIONS[0]
    made = merge_task(blank(operation), operation, TaskState.read(TASK), 1e9)
    late = merge_task(made, operation, TaskState.read({**TASK, "task_status": "processing", "task_result": {}}), 1e9)
    assert late == made
    assert replace(made, units="inf").charged == 0.0
