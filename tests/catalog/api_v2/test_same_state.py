"""Every request at hand, sent to one emulator in both forms: the same task comes of it, film and price included."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from kling_pipe.catalog import operations
from kling_pipe.catalog.api_v2 import Sent, encoded
from kling_pipe.core.json_pointer import walk
from kling_pipe.emulator.answers import Refusal
from kling_pipe.emulator.api_v1 import ApiV1
from kling_pipe.emulator.elements import PRESETS, VOICES
from kling_pipe.emulator.http_exchange import Request
from kling_pipe.emulator.options import Options
from kling_pipe.emulator.state import State, open_world
from kling_pipe.emulator.task import Task
from tests.catalog.api_v2.conftest import bodies
from tests.catalog.api_v2.test_encode import as_told

PICTURE = "https://example.com/a.png"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[State]:
    """A Kling with room for everything, without HTTP."""
    options = Options(media="tiny", slots={"video": 10**6, "image": 10**6})
    found = open_world(tmp_path_factory.mktemp("world"), options, operations.operations())
    yield found
    found.close()


def known_here(body: dict[str, Any]) -> dict[str, Any]:
    """The body with things that every emulator has in place of ids and stand-ins."""
    own: dict[str, Any] = json.loads(json.dumps(body))
    for pattern, ids in (("/element_list/*", PRESETS), ("/voice_list/*", VOICES)):
        for (_, item), number in zip(walk(own, pattern), list(ids) * 9, strict=False):
            name = next(iter({"element_id", "voice_id"} & set(item)))
            item[name] = number if name == "element_id" else str(number)
    for pattern in ("/image_list/*", "/video_list/*"):
        for _, item in walk(own, pattern):
            item.update({name: PICTURE for name in item if name.endswith("_url")})
    own.update({name: PICTURE for name in ("image", "image_tail", "image_url", "video_url") if name in own})
    return own


def task_of(world: State, path: str, body: dict[str, Any], name: str) -> Task | str:
    """What becomes of a create: the task as it is kept, or the refusal."""
    api = ApiV1(world)
    request = Request("POST", path, "", {}, json.dumps(body).encode(), "http://here")
    try:
        api.answer(request, api.route("POST", path), world.accounts[0].name)
    except Refusal as refusal:
        return str(refusal)
    task = world.index.owner(world.accounts[0].name, name)
    assert task is not None
    return task


def kept(task: Task) -> dict[str, Any]:
    """What decides over a task's film, its price and its place in a queue."""
    body = {name: value for name, value in task.body.items() if name != "external_task_id"}
    return {
        "body": as_told(task.operation, body),
        **{
            name: getattr(task, name) for name in ("operation", "units", "seconds", "outputs", "pack", "slot", "weight")
        },
    }


@pytest.mark.parametrize(("place", "name", "body"), [(place, *one) for place, one in bodies().items()])
def test_both_forms_make_the_same_task(world: State, place: str, name: str, body: dict[str, Any]) -> None:
    """Accepted in both or refused in both, unless the second standard has no place for it; then nothing is sent."""
    operation, request = operations.load_operation(name), known_here(body)
    old, new = ({**request, "external_task_id": f"{place}-{form}"} for form in ("v1", "v2"))
    sent = encoded(operation, new)
    if not isinstance(sent, Sent):
        assert sent.rule in ("KP340", "KP341")
        return
    first = task_of(world, operation.path, old, f"{place}-v1")
    second = task_of(world, sent.path, dict(sent.body), f"{place}-v2")

    assert isinstance(first, Task), first
    assert isinstance(second, Task), second
    assert kept(first) == kept(second)
    assert (first.form, second.form) == ("", "v2")
