"""Deleting from the account what this project made there and no manifest uses any more. Never anything else."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from dataclasses import dataclass

from kling_pipe.catalog.operations import Operation, operations
from kling_pipe.client import Client, Listed, Prepared, Refused, TaskState, json_types
from kling_pipe.core.json_tree import leaves
from kling_pipe.core.keys import PREFIX, external_id
from kling_pipe.engine.job_errors import JobError
from kling_pipe.engine.run_errors import UNANSWERED, error_of, stop_for
from kling_pipe.engine.task_records import forms, outputs, state_of
from kling_pipe.model import Job, Json

_DIGEST = 20
_AGAIN = "Run again: what is deleted stays deleted."


@dataclass(frozen=True, slots=True)
class Leftover:
    """A thing in the account that nothing here uses. `made_at` in ms."""

    kind: str
    operation: str
    id: str
    name: str
    external_task_id: str
    made_at: int


@dataclass(frozen=True, slots=True)
class KeptElement:
    """What manifests use: whole jobs by external id (any attempt), and ids that are written by hand."""

    projects: frozenset[str]
    jobs: frozenset[str]
    ids: frozenset[str]

    def is_ours(self, name: str) -> bool:
        """Whether a project of these manifests made the task with this external id."""
        return any(
            name.startswith(f"{PREFIX}-{project}-") and _rest_is_ours(name, project) for project in self.projects
        )

    def uses(self, name: str, id_: str) -> bool:
        """Whether some manifest asks for that very task, or names its result by id."""
        return _without_attempt(name) in self.jobs or id_ in self.ids


def _without_attempt(name: str) -> str:
    head, mark, attempt = name.rpartition("-a")
    return head if mark and attempt.isdecimal() else name


def _rest_is_ours(name: str, project: str) -> bool:
    """`tea` has not made what `tea-two` made: after the project comes the key's digest alone."""
    digest = name.removeprefix(f"{PREFIX}-{project}-").partition("-")[0]
    return len(digest) == _DIGEST and all(letter in "0123456789abcdef" for letter in digest)


def kept(jobs: Iterable[Job]) -> KeptElement:
    """What these jobs use."""
    every = list(jobs)
    return KeptElement(
        frozenset(job.project for job in every),
        frozenset(external_id(job.project, job.key, job.take) for job in every),
        frozenset(str(one) for job in every for one in _ids(job.request)),
    )


def _ids(request: Json) -> Iterator[str | int]:
    """Whatever in a request may be the id of a thing."""
    return (one for _, one in leaves(request) if isinstance(one, str | int) and not isinstance(one, bool))


async def leftovers(client: Client, used: KeptElement, clock: Callable[[], float]) -> list[Leftover]:
    """What the account has of these projects' making that nothing uses, oldest last. Raises what a look-up raises."""
    found: list[Leftover] = []
    for operation in (one for one in operations().values() if "delete" in one.kling):
        async for task in _tasks(client, operation):
            if used.is_ours(task.external_task_id):
                found += _unused(operation, task, used, clock())
    return found


def _unused(operation: Operation, task: TaskState, used: KeptElement, now: float) -> Iterator[Leftover]:
    """Nothing of a task that cannot be read: what is not known is not deleted."""
    try:
        made = tuple(outputs(operation, task, now)) if state_of(operation, task) == "succeed" else ()
    except JobError:
        return
    result = operation.kling["result"]
    for output, form in zip(made, forms(operation, task), strict=False):
        id_ = str(output.element_id or output.id)
        deleted = form.get(result.get("status_key", "status")) == result.get("deleted", "deleted")
        if not deleted and not used.uses(task.external_task_id, id_):
            name = json_types.text(form.get(f"{operation.kind}_name"))
            yield Leftover(operation.kind, operation.name, id_, name, task.external_task_id, task.created_at)


async def _tasks(client: Client, operation: Operation) -> AsyncIterator[TaskState]:
    pages = operation.kling["list"]
    for page in range(1, 1 + int(pages["pageNum"]["max"])):
        answer = await client.list(operation, page, int(pages["pageSize"]["max"]))
        if not isinstance(answer, Listed):
            raise error_of(answer, "to list what is there", silent=UNANSWERED, hint=_AGAIN)
        for task in answer.tasks:
            yield task
        if not answer.full:
            return


async def delete(client: Client, leftover: Leftover) -> str:
    """Delete one thing; `""`, or Kling's reason when it does not. Raises CredentialsError and Unreachable."""
    form = operations()[leftover.operation].kling["delete"]
    given = leftover.id if form["type"] == "string" else int(leftover.id)
    answer = await client.prepare(form["paths"][0], {form["field"]: given}, external_task_id=leftover.external_task_id)
    if isinstance(answer, Prepared):
        return ""
    if isinstance(answer, Refused) and stop_for(answer) is None:
        return answer.message
    raise error_of(answer, silent=UNANSWERED, hint=_AGAIN)
