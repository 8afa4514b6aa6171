"""Kling's ready-made elements and voices by name: the id is asked for when a request needs it."""

from __future__ import annotations

import contextlib

from kling_pipe.catalog.operations import Operation, operations
from kling_pipe.client import Client, Listed, json_types
from kling_pipe.core.text import nearest
from kling_pipe.engine.job_errors import UnusableInputError
from kling_pipe.engine.run_errors import UNANSWERED, error_of
from kling_pipe.engine.task_records import forms, of_id
from kling_pipe.model import PresetRef


async def preset_id(client: Client, wanted: PresetRef) -> int | str:
    """The id of a preset. Raises UnusableInputError when there is none of that name, Unreachable, CredentialsError."""
    operation = next(one for one in operations().values() if one.kind == wanted.kind and "presets" in one.kling)
    known = await _known(client, operation)
    if wanted.name not in known:
        near = nearest(wanted.name, known)
        meant = f"did you mean `{near}`?" if near else f"there are {', '.join(sorted(known)[:8])}"
        raise UnusableInputError(f"Kling has no preset {wanted.kind} named `{wanted.name}`: {meant}")
    return known[wanted.name]


async def _known(client: Client, operation: Operation) -> dict[str, int | str]:
    result, pages, found = operation.kling["result"], operation.kling["list"], dict[str, int | str]()
    for page in range(1, 1 + int(pages["pageNum"]["max"])):
        answer = await client.presets(operation, page, int(pages["pageSize"]["max"]))
        if not isinstance(answer, Listed):
            raise error_of(answer, "to list presets", silent=UNANSWERED, hint="Run again to go on.")
        for form in (form for task in answer.tasks for form in forms(operation, task)):
            with contextlib.suppress(json_types.OddError):  # one that has no id is none of use
                made = of_id(operation, form.get(result["id"]))
                found.setdefault(json_types.text(form.get(f"{operation.kind}_name")), made.element_id or made.id)
        if not answer.full:
            break
    return found
