"""Asking accounts what they know: by single GETs when few jobs are asked for, by the list when many are.

Several accounts are walked together: an id names no account, so that an attempt was not made when none of them has it.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from kling_pipe.catalog.operations import Operation, load_operation
from kling_pipe.client import Client, Found, InDoubt, Listed, NotFound, Refused, TaskState, json_types
from kling_pipe.core.keys import external_id
from kling_pipe.engine.run_errors import UNANSWERED, error_of
from kling_pipe.engine.task_records import forms, merge_found_task
from kling_pipe.errors import KlingPipeError
from kling_pipe.model import Job, Record

Identity = tuple[str, str, int]
_BY_LIST_FROM = 8
_PAGES_AT_LEAST = 3
_GAP = 3
"""So many attempts in a row must be missing before no later one is looked for.

An attempt can be gone while a later one stands: refused at its create, or forgotten by Kling 30 days after it failed.
"""


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
    """Every attempt of every job that the account knows. Attempts are walked until some in a row are not found.

    `attempts` says how many to ask for at least. Raises Unreachable, CredentialsError.
    """
    found, silent = await lookup_everywhere(jobs, {account: client}, clock, attempts=attempts)
    if silent:
        raise silent[account]
    return found[account]


async def lookup_everywhere(
    jobs: Iterable[Job],
    clients: Mapping[str, Client],
    clock: Callable[[], float],
    *,
    attempts: Callable[[Job], int] = lambda _: 1,
) -> tuple[dict[str, Findings], dict[str, KlingPipeError]]:
    """`lookup` in several accounts at once, by account; and the accounts that could not be asked, and why."""
    sources = [_Source(client, account) for account, client in clients.items()]
    by_operation: dict[str, dict[Identity, Job]] = defaultdict(dict)
    for job in (form for one in jobs for form in (one, *one.former)):
        by_operation[job.operation].setdefault(job.identity, job)
    for name, wanted in by_operation.items():
        operation = load_operation(name)
        await asyncio.gather(*(source.list(operation, list(wanted.values())) for source in sources))
        inquiry = _Inquiry(operation, sources, clock)
        highest = [source.seen.highest_attempts() for source in sources]
        least = {one: max(attempts(job), *(of.get(_name(job, 1), 1) for of in highest)) for one, job in wanted.items()}
        await asyncio.gather(*(inquiry.walk(job, least[one]) for one, job in wanted.items()))
    found = {source.account: source.findings for source in sources if source.silent is None}
    return found, {source.account: source.silent for source in sources if source.silent is not None}


async def find(
    client: Client, operation: Operation, name: str, request: Mapping[str, Any], *, everywhere: bool = True
) -> Found | NotFound | Refused | InDoubt:
    """The task of an external id in one account. How to ask is data; where it cannot be asked for it is not found.

    `everywhere`: also where tasks of another standard are.
    """
    how = str(operation.kling["lookup"])
    if how == "path":
        return await client.get(operation, name, request, everywhere=everywhere)
    if how == "none":
        return NotFound()
    size = int(operation.kling["list"]["pageSize"]["max"])
    for page in range(1, 1 + int(operation.kling["list"]["pageNum"]["max"])):
        answer = await client.list(operation, page, size)
        if not isinstance(answer, Listed):
            return answer
        for task in answer.tasks:
            if task.external_task_id == name:
                return Found(task)
        if answer.odd:
            return InDoubt("its list holds what are no tasks", odd=True)
        # A page that is not full says nothing: only one without a task is the end.
        if not answer.rows:
            break
    return NotFound()


@dataclass(slots=True)
class _Seen:
    """Tasks from list pages by external id. `whole` when the list has ended: not that it lacks nothing."""

    tasks: dict[str, TaskState] = field(default_factory=dict)
    whole: bool = False

    def highest_attempts(self) -> dict[str, int]:
        """The highest attempt that was seen, by the external id of the first."""
        found: dict[str, int] = {}
        for name in self.tasks:
            first, _, number = name.rpartition("-a")
            if number.isdecimal():
                found[first] = max(found.get(first, 0), int(number))
        return found


async def _listed(operation: Operation, jobs: list[Job], client: Client) -> _Seen:
    """Pages of the list, as long as they are cheaper than single GETs."""
    seen = await _named(operation, jobs, client)
    pages = operation.kling.get("list")
    if pages is None or (len(jobs) < _BY_LIST_FROM and operation.kling["lookup"] == "path"):
        return seen
    wanted = {external_id(job.project, job.key, job.take) for job in jobs} - seen.tasks.keys()
    size = int(pages["pageSize"]["max"])
    most = int(pages["pageNum"]["max"])
    if operation.kling["lookup"] == "path":
        most = min(most, max(_PAGES_AT_LEAST, len(jobs) // _BY_LIST_FROM))
    odd = False
    for page in range(1, 1 + most):
        answer = await client.list(operation, page, size, everything=True)
        if isinstance(answer, InDoubt) and answer.odd and operation.kling["lookup"] == "path":
            break  # each is asked for by itself
        if not isinstance(answer, Listed):
            raise error_of(answer)
        for task in answer.tasks:
            if task.external_task_id:
                seen.tasks.setdefault(task.external_task_id, task)
                wanted.discard(task.external_task_id)
        if answer.odd and operation.kling["lookup"] != "path":
            raise error_of(InDoubt("its list holds what are no tasks"), silent=UNANSWERED)
        odd = odd or answer.odd
        if not (answer.rows if operation.kling["lookup"] == "list" else answer.full):
            seen.whole = not odd
            break
        # Newest first: when every first attempt was seen, every later one was, too.
        if not wanted:
            break
    return seen


async def _named(operation: Operation, jobs: list[Job], client: Client) -> _Seen:
    """Tasks that can be asked for by name, many at once, some attempts at a time until none of them is found."""
    seen, first = _Seen(), 1
    asked = [job for job in jobs if client.at_once(operation, job.request)]
    most = client.at_once(operation, asked[0].request) if asked else 0
    while asked:
        wanted = [(job, [_name(job, attempt) for attempt in range(first, first + _GAP)]) for job in asked]
        names = [name for _, some in wanted for name in some]
        for start in range(0, len(names), most):
            answer = await client.by_names(names[start : start + most])
            if not isinstance(answer, Listed):
                raise error_of(answer)
            seen.tasks.update({task.external_task_id: task for task in answer.tasks})
        asked = [job for job, some in wanted if not seen.tasks.keys().isdisjoint(some)]
        first += _GAP
    return seen


def _name(job: Job, attempt: int) -> str:
    return external_id(job.project, job.key, job.take, attempt)


@dataclass(slots=True)
class _Source:
    """One account that is asked. `silent`: why it cannot be."""

    client: Client
    account: str
    seen: _Seen = field(default_factory=_Seen)
    findings: Findings = field(default_factory=Findings)
    silent: KlingPipeError | None = None

    async def list(self, operation: Operation, jobs: list[Job]) -> None:
        """Look through its list, where that is cheaper."""
        self.seen = _Seen()
        if self.silent is None:
            try:
                self.seen = await _listed(operation, jobs, self.client)
            except KlingPipeError as error:
                self.silent = error

    async def task(self, operation: Operation, job: Job, attempt: int, *, far: bool) -> TaskState | None:
        """The task of an attempt, None when it has none or cannot be asked. `far`: beyond one that was not found."""
        name = _name(job, attempt)
        if name in self.seen.tasks:
            return self.seen.tasks[name]
        if self.silent is not None or operation.kling["lookup"] != "path" or self._is_settled(operation, job, far=far):
            return None
        answer = await self.client.get(operation, name, job.request)
        if isinstance(answer, Found):
            return answer.task
        if isinstance(answer, InDoubt) and answer.odd:
            # It may exist: whoever works on the job asks again. The other jobs have nothing to do with it.
            return TaskState(task_id="", status="", odd=answer.reason)
        if not isinstance(answer, NotFound):
            self.silent = self.silent or error_of(answer)
        return None

    def _is_settled(self, operation: Operation, job: Job, *, far: bool) -> bool:
        """Whether what the list does not name need not be asked for by name, although a list may lack what was made.

        It is newest first: where it shows that the first attempt did not fail, no further one was called for before it.
        """
        first, states = self.seen.tasks.get(_name(job, 1)), operation.kling["states"]
        rests = first is not None and first.status in (*states["pending"], *states["success"])
        return rests or (far and self.seen.whole)


@dataclass(slots=True)
class _Inquiry:
    """Asks for the attempts of jobs of one operation."""

    operation: Operation
    sources: list[_Source]
    clock: Callable[[], float]

    async def walk(self, job: Job, at_least: int) -> None:
        """Ask for attempts until `at_least`, and until as many in a row as `_GAP` were not found."""
        records: dict[str, dict[int, Record]] = defaultdict(dict)
        last, asked = 0, 0
        while asked < max(at_least, last + _GAP):
            attempts = range(asked + 1, max(at_least, last + _GAP) + 1)
            found = await asyncio.gather(*(self._ask(job, one, far=one > max(at_least, last + 1)) for one in attempts))
            for attempt, tasks in zip(attempts, found, strict=True):
                for source, task in zip(self.sources, tasks, strict=True):
                    if task is not None:
                        records[source.account][attempt] = self._record(job, attempt, task, source.account)
                        source.findings.deleted_elements |= _deleted(self.operation, task)
                        # Of an answer that cannot be read nobody knows whether a next attempt is worth asking for.
                        last = last if task.odd else attempt
            asked = attempts[-1]
        for source in self.sources:
            if source.silent is None:
                source.findings.asked.add(job.identity)
            if source.account in records:
                source.findings.records[job.identity] = tuple(records[source.account].values())

    async def _ask(self, job: Job, attempt: int, *, far: bool) -> list[TaskState | None]:
        asked = (source.task(self.operation, job, attempt, far=far) for source in self.sources)
        return await asyncio.gather(*asked)

    def _record(self, job: Job, attempt: int, task: TaskState, account: str) -> Record:
        blank = Record(
            external_task_id=_name(job, attempt),
            project=job.project,
            key=job.key,
            take=job.take,
            attempt=attempt,
            operation=job.operation,
            account=account,
            state="processing",
            address=job.address,
            source="account",
        )
        return merge_found_task(blank, self.operation, task, self.clock())


def _deleted(operation: Operation, task: TaskState) -> set[int]:
    """Ids of the task's elements that were deleted since."""
    result = operation.kling["result"]
    if "status_key" not in result:
        return set()
    deleted = (form for form in forms(operation, task) if form.get(result["status_key"]) == result["deleted"])
    return {int(id_) for form in deleted if (id_ := json_types.text(form.get(result["id"]))).isdecimal()}
