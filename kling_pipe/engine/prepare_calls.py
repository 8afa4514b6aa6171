"""The calls that come before a create (`x-kling.prepare`): a session is opened, things in it are chosen.

    {video_url, face_choose: [{face: 0, ...}]}  ->  POST identify-face {video_url}
                                                ->  {session_id, face_choose: [{face_id: "3", ...}]}

They make nothing that lasts, so that one whose answer is lost is simply sent again. A create that has what they give
needs none of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from kling_pipe.catalog.operations import Operation
from kling_pipe.client import Client, InDoubt, Prepared, Refused, json_types
from kling_pipe.client.error_codes import code_row
from kling_pipe.core.json_pointer import parts, walk

_BAD_VALUE = 1201
Step = Mapping[str, Any]


async def prepared(
    client: Client, operation: Operation, request: Mapping[str, Any], external_task_id: str
) -> Mapping[str, Any] | Refused | InDoubt:
    """The request as the create wants it, or the answer of the call that did not go well."""
    steps = [step for step in operation.kling.get("prepare", ()) if "by_hand" not in step]
    kept = [place for step in steps for place in step.get("keeps", {}).values()]
    if not steps or all(any(walk(request, place)) for place in kept):
        return request
    body = deepcopy(dict(request))
    for step in steps:
        for fields in _fields(step, body):
            answer = await client.prepare(str(step["path"]), fields, external_task_id=external_task_id)
            if not isinstance(answer, Prepared):
                return answer
            try:
                refusal = _taken(step, answer.data, body)
            except json_types.OddError as error:
                refusal = _refused(f"{step['path']} answered with {error}")
            if refusal:
                return refusal
    return _without(steps, kept, body)


def _fields(step: Step, body: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The bodies of a step's calls: one, or one for each item."""
    items = [item for _, item in walk(body, f"{step['each']}/*")] if "each" in step else [None]
    for item in items:
        fields = {name: _found(place, item, body) for name, place in step["sends"].items()}
        yield {name: value for name, value in fields.items() if value is not None}


def _found(place: str, item: Any, body: Mapping[str, Any]) -> Any:
    own = place.startswith("$")
    return next((value for _, value in walk(item if own else body, place.removeprefix("$"))), None)


def _taken(step: Step, data: Mapping[str, Any], body: dict[str, Any]) -> Refused | None:
    """Put what an answer gives into the body; a refusal when it gives something else than it should.

    Raises OddError for what cannot be read.
    """
    for name, wanted in step.get("refused_unless", {}).items():
        if data.get(name, wanted) != wanted:
            return _refused(f"{step['path']} answered {name} {json_types.found(data[name])}")
    for name, place in step.get("keeps", {}).items():
        if not json_types.identifier(data.get(name)):
            return _refused(f"{step['path']} gave no {name}")
        body[parts(place)[0]] = data[name]
    return _chosen(step["chooses"], data, body) if "chooses" in step else None


def _chosen(form: Mapping[str, str], data: Mapping[str, Any], body: dict[str, Any]) -> Refused | None:
    things = json_types.mappings(data.get(form["among"]))
    for _, item in walk(body, form["in"]):
        choice = _Choice(item.pop(form["number"], None), item.pop(form["moment"], None))
        if choice.number is None and choice.moment is None:
            continue
        thing = choice.of(things, form)
        if thing is None:
            return _refused(f"{len(things)} of {form['among']} were found, and none {choice}")
        if thing.get(form["id"]) != 0 and not json_types.identifier(thing.get(form["id"])):
            return _refused(f"one of {form['among']} has no {form['id']}")
        item[form["id"]] = thing[form["id"]]
    return None


@dataclass(frozen=True, slots=True)
class _Choice:
    """Which of several things is meant: by number from 0, or by a moment in ms at which it is there."""

    number: int | None
    moment: int | None

    def __str__(self) -> str:
        return f"has the number {self.number}" if self.number is not None else f"is there at {self.moment} ms"

    def of(self, things: list[Mapping[str, Any]], form: Mapping[str, str]) -> Mapping[str, Any] | None:
        if self.number is not None:
            return things[self.number] if self.number < len(things) else None
        moment = self.moment or 0
        return next((one for one in things if _moment(one, form["from"]) <= moment <= _moment(one, form["to"])), None)


def _moment(thing: Mapping[str, Any], name: str) -> int:
    return json_types.moment(thing.get(name))


def _refused(message: str) -> Refused:
    return Refused(_BAD_VALUE, message, code_row(_BAD_VALUE))


def _without(steps: list[Step], kept: list[str], body: dict[str, Any]) -> dict[str, Any]:
    """The body without what the calls before have sent already."""
    sent = {place for step in steps for place in step["sends"].values() if not place.startswith("$")}
    gone = {parts(place)[0] for place in (sent - set(kept)) | {step["each"] for step in steps if "each" in step}}
    return {name: value for name, value in body.items() if name not in gone}
