"""The cheapest question that needs credentials: is anybody there, and are we let in."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

from kling_pipe.catalog.operations import Operation, operations
from kling_pipe.client import Client, Created, Found, Listed, Refused, json_types
from kling_pipe.client.http import Http, NoAnswerError
from kling_pipe.engine.element_cleanup import Leftover, delete
from kling_pipe.engine.run_errors import error_of
from kling_pipe.engine.task_records import forms, of_id
from kling_pipe.engine.workspace import Workspace
from kling_pipe.errors import Unreachable


async def count_tasks(workspace: Workspace) -> int:
    """How many tasks one page of one shows, of the operation that costs nothing.

    Raises CredentialsError and Unreachable.
    """
    base_url, credentials = workspace.connection()
    free = next(one for one in operations().values() if one.kling["pool"]["pack"] is None and "list" in one.kling)
    async with Client(base_url, credentials) as client:
        answer = await client.list(free, 1, 1)
    if isinstance(answer, Listed):
        return len(answer.rows)
    raise error_of(answer)


_BY_HAND = "look for `kp1-probe-` among the elements, and delete it by hand"
_LOOKS = 40
"""So often a thing that is being made is looked at before it is left to a person."""


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """One thing that was tried: whether it is as it should be, and what was seen."""

    ok: bool
    text: str


async def skew(base_url: str, clock: Callable[[], float]) -> float | None:
    """Seconds by which this machine's clock is ahead of Kling's; None when Kling does not tell the time."""
    http = Http(connections=1)
    try:
        answer = await http.send("GET", f"{base_url}/", {})
    except NoAnswerError as failure:
        raise Unreachable(f"Kling cannot be reached: {failure.reason}") from failure
    finally:
        await http.close()
    said = answer.headers.get("date")
    return clock() - parsedate_to_datetime(said).timestamp() if said else None


async def probe(
    workspace: Workspace, body: Mapping[str, Any], sleep: Callable[[float], Awaitable[None]]
) -> list[ProbeResult]:
    """Try it with `body`, a request of the operation that costs nothing. Raises CredentialsError and Unreachable."""
    base_url, credentials = workspace.connection()
    operation = next(
        one for one in operations().values() if one.kling["pool"]["pack"] is None and "delete" in one.kling
    )
    name = f"kp1-probe-{secrets.token_hex(8)}"
    async with Client(base_url, credentials) as client:
        first = await client.create(operation, body, name)
        if not isinstance(first, Created):
            raise error_of(first, "a free request", silent="Kling does not answer a create", hint=_BY_HAND)
        again = await client.create(operation, body, name)
        found = await client.get(operation, name)
        findings = [_unique(again), _findable(found, first.task.task_id)]
        # A second thing under the id, should Kling have made one, has to go as well.
        made = [one.task.task_id for one in (first, again) if isinstance(one, Created)]
        return findings + [await _removed(client, operation, name, task, sleep) for task in made]


def _unique(again: object) -> ProbeResult:
    if isinstance(again, Refused):
        return ProbeResult(True, f"an external id is accepted once: the second create was refused ({again.code})")
    return ProbeResult(False, "an external id was accepted twice: nothing keeps this account from paying twice")


def _findable(found: object, task: str) -> ProbeResult:
    if isinstance(found, Found) and found.task.task_id == task:
        return ProbeResult(True, "a task is found by its external id")
    return ProbeResult(False, "a task is not found by its external id: after a lost answer nobody can tell")


async def _removed(
    client: Client, operation: Operation, name: str, task: str, sleep: Callable[[float], Awaitable[None]]
) -> ProbeResult:
    result = operation.kling["result"]
    for _ in range(_LOOKS):
        answer = await client.get(operation, task)
        if isinstance(answer, Found) and answer.task.status in operation.kling["states"]["failure"]:
            return ProbeResult(True, f"task {task} failed at Kling ({answer.task.message}): there is nothing to delete")
        listed = forms(operation, answer.task) if isinstance(answer, Found) else ()
        for form in listed:
            try:
                output = of_id(operation, form.get(result["id"]))
            except json_types.OddError as error:
                return ProbeResult(
                    False, f"Kling's answer about task {task} cannot be read ({error}): delete it by hand"
                )
            made = Leftover(operation.kind, operation.name, str(output.element_id or output.id), "", name, 0)
            why_not = await delete(client, made)
            if why_not:
                return ProbeResult(False, f"{operation.kind} {made.id} could not be deleted, do it by hand: {why_not}")
            return ProbeResult(True, "what was made for this is deleted again")
        await sleep(1.0)
    return ProbeResult(False, f"task {task} is still being made: delete {name} by hand when it is done")
