"""Asking the account what it knows: by single GETs when few are asked for, by the list when many are."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from kling_pipe.catalog import Operation
from kling_pipe.catalog import load as operation_named
from kling_pipe.client import Client, Found, InDoubt, Listed, NotFound, Refused, TaskState
from kling_pipe.engine.answers import told
from kling_pipe.engine.reasons import UnknownStatusError
from kling_pipe.engine.stops import stop_for
from kling_pipe.errors import KlingPipeError, Unreachable
from kling_pipe.keys import external_id
from kling_pipe.model import Job, Record

Identity = tuple[str, str, int]
_BY_LIST_FROM = 8
_PAGES_AT_LEAST = 3


@dataclass(slots=True)
class Findings:
    """What the account said: records by identity (oldest attempt first), who was asked for, elements found deleted."""

    records: dict[Identity, tuple[Record, ...]] = field(default_factory=dict)
    asked: set[Identity] = field(default_factory=set)
    deleted_elements: set[int] = field(default_factory=set)


async def lookup(
    jobs: Iterable[Job],
    client: Client,
    account: str,
    clock: Callable[[], float],
    *,
    attempts: Callable[[Job], int] = lambda _: 1,
) -> Findings:
    """Every attempt of every job that the account knows. Attempts are walked until one is not found.

    `attempts` says how many to ask for at least. Raises Unreachable, CredentialsError.
    """
    findings = Findings()
    by_operation: dict[str, dict[Identity, Job]] = defaultdict(dict)
    for job in jobs:
        by_operation[job.operation].setdefault(job.identity, job)
    for name, wanted in by_operation.items():
        operation = operation_named(name)
        seen = await _listed(operation, list(wanted.values()), client)
        inquiry = _Inquiry(operation, client, account, clock, seen, findings)
        await asyncio.gather(*(inquiry.walk(job, attempts(job)) for job in wanted.values()))
    return findings


@dataclass(slots=True)
class _Seen:
    """Tasks from list pages by external id. `whole` when no task of the account is missing."""

    tasks: dict[str, TaskState] = field(default_factory=dict)
    whole: bool = False


async def _listed(operation: Operation, jobs: list[Job], client: Client) -> _Seen:
    """Pages of the list, as long as they are cheaper than single GETs."""
    seen = _Seen()
    pages = operation.kling.get("list")
    if pages is None or (len(jobs) < _BY_LIST_FROM and operation.kling["lookup"] == "path"):
        return seen
    wanted = {external_id(job.project, job.key, job.take) for job in jobs}
    size = int(pages["pageSize"]["max"])
    most = int(pages["pageNum"]["max"])
    if operation.kling["lookup"] == "path":
        most = min(most, max(_PAGES_AT_LEAST, len(jobs) // _BY_LIST_FROM))
    for page in range(1, 1 + most):
        answer = await client.list(operation, page, size)
        if not isinstance(answer, Listed):
            raise _trouble(answer)
        for task in answer.tasks:
            if task.external_task_id:
                seen.tasks.setdefault(task.external_task_id, task)
                wanted.discard(task.external_task_id)
        if not answer.full:
            seen.whole = True
            break
        # Newest first: when every first attempt was seen, every later one was, too.
        if not wanted:
            break
    return seen


@dataclass(slots=True)
class _Inquiry:
    """Asks for the attempts of jobs of one operation."""

    operation: Operation
    client: Client
    account: str
    clock: Callable[[], float]
    seen: _Seen
    findings: Findings

    async def walk(self, job: Job, at_least: int) -> None:
        records = []
        attempt = 1
        while True:
            task = await self._task(external_id(job.project, job.key, job.take, attempt))
            if task is not None:
                records.append(self._record(job, attempt, task))
                self.findings.deleted_elements |= _deleted(self.operation, task)
            elif attempt >= at_least:
                break
            attempt += 1
        self.findings.asked.add(job.identity)
        if records:
            self.findings.records[job.identity] = tuple(records)

    async def _task(self, name: str) -> TaskState | None:
        if name in self.seen.tasks:
            return self.seen.tasks[name]
        if self.seen.whole or self.operation.kling["lookup"] != "path":
            return None
        answer = await self.client.get(self.operation, name)
        if isinstance(answer, Found):
            return answer.task
        if isinstance(answer, NotFound):
            return None
        raise _trouble(answer)

    def _record(self, job: Job, attempt: int, task: TaskState) -> Record:
        blank = Record(
            external_task_id=external_id(job.project, job.key, job.take, attempt),
            project=job.project,
            key=job.key,
            take=job.take,
            attempt=attempt,
            operation=job.operation,
            account=self.account,
            state="processing",
            address=job.address,
            source="account",
        )
        try:
            return told(blank, self.operation, task, self.clock())
        except UnknownStatusError:  # waiting for it will tell
            return replace(blank, task_id=task.task_id)


def _deleted(operation: Operation, task: TaskState) -> set[int]:
    """Ids of the task's elements that were deleted since."""
    result = operation.kling["result"]
    if "status_key" not in result:
        return set()
    forms = task.result.get(result["key"]) or ()
    return {int(form[result["id"]]) for form in forms if form.get(result["status_key"]) == result["deleted"]}


def _trouble(answer: Refused | InDoubt) -> KlingPipeError:
    if isinstance(answer, Refused):
        return stop_for(answer) or Unreachable(f"Kling refuses a look-up: {answer.code} {answer.message}")
    return Unreachable(f"Kling cannot be reached: {answer.reason}", hint="check the network and KLING_BASE_URL")
