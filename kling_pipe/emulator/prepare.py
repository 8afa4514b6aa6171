"""The calls before a create: they open a session, or choose something in one, and answer in the shape of the data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kling_pipe.catalog.operations import Operation
from kling_pipe.emulator.answers import Refusal
from kling_pipe.emulator.clip_durations import input_seconds, own_task
from kling_pipe.emulator.media.card import FRAME_RATE
from kling_pipe.emulator.sessions import Step, filled, given, keeps
from kling_pipe.emulator.state import State

_SIZE = (1280, 720)


def prepared(
    world: State, account: str, operation: Operation, step: Step, body: Mapping[str, Any], host: str
) -> dict[str, Any]:
    """The answer's data. Raises Refusal 1201."""
    now = world.advance()
    sent = given(step, body)
    if "keeps" in step:
        _must_exist(world, account, operation, sent, now)
        session = world.sessions.open(account, operation, sent, now)
    else:
        name = next(one for one in keeps(operation) if one in sent)
        session = world.sessions.find(account, operation, sent[name], now)
    value = next(iter(session.sent.values()))
    seconds = input_seconds(world.index, world.blobs, value)
    ms = round(seconds * 1000)
    url = str(value) if not str(value).isdecimal() else f"{host}/media/{value}"
    words = {"session": session.session_id, "fps": FRAME_RATE, "ms": ms, "half_ms": ms // 2, "url": url}
    size = {"width": _SIZE[0], "height": _SIZE[1], "frames": round(seconds * FRAME_RATE)}
    answer: dict[str, Any] = filled(step["answer"], words | size)
    return answer


def _must_exist(world: State, account: str, operation: Operation, sent: Mapping[str, Any], now: int) -> None:
    by_id = {entry["at"].strip("/"): entry["kind"] for entry in operation.kling["media"] if "as" in entry}
    for name, value in sent.items():
        found = own_task(world.index, str(value)) if name in by_id else None
        if name in by_id and (found is None or found[0].account != account or not found[0].succeeded(now)):
            raise Refusal(1201, f"{by_id[name].capitalize()} not found by id: {value}")
