"""Waiting for tasks: many by the list, few one by one, not before one is likely done."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from kling_pipe.catalog.operations import Operation
from kling_pipe.client import Client, Found, InDoubt, Listed, NotFound, Refused, TaskState
from kling_pipe.engine.job_errors import LostError, UnreadableError
from kling_pipe.engine.learned_durations import Durations
from kling_pipe.engine.run_errors import error_of
from kling_pipe.engine.task_records import check
from kling_pipe.errors import Unreachable
from kling_pipe.model import Json

_SHORTEST, _LONGEST = 0.02, 5.0
_BY_LIST_FROM = 3
_ODD_LOOKS, _ODD_SECONDS, _REMARKED_LOOKS = 5, 10.0, 2
"""How often, and how long at least, an answer that cannot be read is asked for again; how often one that lacks what
can be done without.
"""

_UNKNOWN_LOOKS = 3
_EARLY = 0.97
"""The first look at a task comes at this share of the shortest time seen."""


class Listener(NamedTuple):
    """A job that waits: who is told of a new status, and what of an answer cannot be read."""

    on_status: Callable[[TaskState], None]
    on_odd: Callable[[str], None]


@dataclass(slots=True, eq=False)
class Watch:
    """One task that is waited for, by any number of jobs. Times are on the poller's clock.

    `since` is when it was created, as Kling says, `began` when it was first waited for. `listeners` are told of every
    new status, one for each job that waits. `odd` counts the looks in a row at answers that could not be read,
    `unknown` those that Kling knew no such task at.
    """

    task_id: str
    sort: str
    since: float
    began: float
    look_at: float
    done: asyncio.Future[TaskState]
    listeners: list[Listener] = field(default_factory=list)
    status: str = ""
    latest: TaskState | None = None
    odd: int = 0
    odd_since: float = 0.0
    told: str = ""
    unknown: int = 0
    unknown_since: float = 0.0


@dataclass(slots=True, eq=False)
class _Group:
    """The tasks of one operation, as far as they are asked for in the same way: so many `at_once`, or one by one."""

    operation: Operation
    request: Mapping[str, Json] | None = None
    at_once: int = 0
    watches: dict[str, Watch] = field(default_factory=dict)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    pump: asyncio.Task[None] | None = None
    looked: float = 0.0
    wakes_at: float = 0.0
    cost: float = 0.0
    failing_since: float | None = None
    nudged: dict[str, Watch] = field(default_factory=dict)


class Poller:
    """Waits for every task of a run. One pump per operation, alive while it has tasks."""

    def __init__(
        self,
        client: Client,
        durations: Durations,
        *,
        clock: Callable[[], float],
        patience: float = 300.0,
        pace: float = 1.0,
    ) -> None:
        self._pace = pace
        self._client = client
        self._durations = durations
        self._clock = clock
        self._patience = patience
        self._groups: dict[tuple[str, int], _Group] = {}

    async def finished(
        self,
        operation: Operation,
        task_id: str,
        sort: str,
        age: float,
        on_status: Callable[[TaskState], None],
        request: Mapping[str, Json] | None = None,
        on_odd: Callable[[str], None] = lambda _: None,
    ) -> TaskState:
        """The task once its status is final (or unknown to this version). `age`: seconds since it was created.

        `request` is what it was asked for with: it decides where tasks are asked for. `on_odd` is told what of an
        answer cannot be read, once.

        Raises Unreachable when Kling does not answer for too long, UnreadableError when it answers what cannot be
        read again and again, LostError when it knows no such task for as long, and what `stop_for` raises.
        """
        at_once = self._client.at_once(operation, request)
        group = self._groups.setdefault((operation.name, at_once), _Group(operation, request, at_once))
        watch = group.watches.get(task_id) or self._watched(group, task_id, sort, age)
        listener = Listener(on_status, on_odd)
        watch.listeners.append(listener)
        if watch.latest is not None:
            on_status(watch.latest)
        if watch.look_at < group.wakes_at:
            group.changed.set()
        if group.pump is None or group.pump.done():
            group.pump = asyncio.create_task(self._pump(group))
        try:
            return await asyncio.shield(watch.done)
        finally:
            self._leave(group, watch, listener)

    def _watched(self, group: _Group, task_id: str, sort: str, age: float) -> Watch:
        now = self._clock()
        watch = Watch(task_id, sort, now - age, now, 0.0, asyncio.get_running_loop().create_future())
        watch.look_at = self._first_look(watch, now)
        group.watches[task_id] = watch
        return watch

    def _leave(self, group: _Group, watch: Watch, listener: Listener) -> None:
        """One job waits no more; with the last one goes the watch."""
        watch.listeners.remove(listener)
        if watch.listeners:
            return
        watch.done.cancel()
        if group.watches.get(watch.task_id) is watch:
            del group.watches[watch.task_id]

    def nudge(self, task_id: str, status: str) -> None:
        """Somebody says that a task has this status now: look at it at once if that would be its end."""
        for group in self._groups.values():
            watch = group.watches.get(task_id)
            if watch and status not in group.operation.kling["states"]["pending"]:
                group.nudged[task_id] = watch
                group.changed.set()

    async def close(self) -> None:
        """Stop all pumps."""
        pumps = [group.pump for group in self._groups.values() if group.pump]
        for pump in pumps:
            pump.cancel()
        await asyncio.gather(*pumps, return_exceptions=True)

    async def _pump(self, group: _Group) -> None:
        try:
            while group.watches:
                await self._until_due(group)
                due = list(group.nudged.values()) or self._due(group)
                group.nudged.clear()
                if due:
                    started = self._clock()
                    await self._look(group, due)
                    group.looked = self._clock()
                    group.cost = group.looked - started
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            # Whatever ended the looking ends the waiting, or the run would wait for ever.
            for watch in list(group.watches.values()):
                if not watch.done.done():
                    watch.done.set_exception(error)

    async def _until_due(self, group: _Group) -> None:
        """Sleep until the earliest look is due; a new task may be due earlier."""
        while group.watches and not group.nudged:
            earliest = min(watch.look_at for watch in group.watches.values())
            wait = max(earliest, group.looked + self._interval(group)) - self._clock()
            if wait <= 0:
                return
            group.wakes_at = self._clock() + wait
            group.changed.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await group.changed.wait()

    def _due(self, group: _Group) -> list[Watch]:
        now = self._clock()
        return [watch for watch in group.watches.values() if watch.look_at <= now]

    def _first_look(self, watch: Watch, now: float) -> float:
        learned = self._durations.known(watch.sort)
        return max(now, watch.since + (learned.low * _EARLY if learned else 0.1))

    def _interval(self, group: _Group) -> float:
        """Seconds between two looks: a small share of what tasks take, more when one look costs much."""
        watches = list(group.watches.values())
        known = [one.mean for watch in watches if (one := self._durations.known(watch.sort))]
        if known:
            mean = sum(known) / len(known)
            # About one look for every other task that ends, but never more than 5 % or less than 1.5 % late.
            wanted = min(0.05 * mean, max(0.015 * mean, 2.2 * mean / len(watches)))
        else:
            # Not by the age that Kling tells: with its clock a minute behind, and callbacks, looks were 50 s apart.
            wanted = max(0.1, 0.08 * (self._clock() - min((watch.began for watch in watches), default=0.0)))
        # Where callbacks come in looks are rarer; a look that took long says nothing of callbacks.
        return max(self._pace * min(_LONGEST, max(_SHORTEST, wanted)), min(_LONGEST, 2 * group.cost))

    async def _look(self, group: _Group, due: list[Watch]) -> None:
        unseen: list[Watch] | None = due
        if len(due) >= max(_BY_LIST_FROM, group.at_once * _BY_LIST_FROM):
            unseen = await self._look_by_list(group, due)
        if group.at_once and unseen:
            unseen = await self._look_by_ids(group, unseen)
        answers = await asyncio.gather(*(self._look_at_one(group, watch) for watch in unseen or ()))
        self._note_reach(group, answered=unseen is not None and (any(answers) or not answers))

    async def _look_by_list(self, group: _Group, due: list[Watch]) -> list[Watch] | None:
        """Newest first, until every task that is due was seen. Gives those that no page held; None if a page failed."""
        largest = int(group.operation.kling["list"]["pageSize"]["max"])
        likely = math.ceil(len(group.watches) * 1.4) + 8
        size = min(largest, likely)
        unseen = {watch.task_id: watch for watch in due}
        for page in range(1, 1 + math.ceil(likely / size)):
            answer = await self._client.list(group.operation, page, size, group.request)
            if isinstance(answer, InDoubt) and answer.odd:
                break
            if not isinstance(answer, Listed):
                self._failed(answer)
                return None
            for row in answer.rows:
                task_id = str(row.get("task_id"))
                watch = group.watches.get(task_id)
                task = TaskState.read(row) if watch and row.get("task_status") != watch.status else None
                if watch and task and not _is_readable(group.operation, task):
                    continue  # its own answer may be better
                unseen.pop(task_id, None)
                if watch and task:
                    self._tell(group.operation, watch, task)
            if not unseen or not answer.full:
                break
        return list(unseen.values())

    async def _look_by_ids(self, group: _Group, due: list[Watch]) -> list[Watch] | None:
        """So many with each question. Gives those that no answer held; None if a question failed."""
        unseen = {watch.task_id: watch for watch in due}
        ids = list(unseen)
        for start in range(0, len(ids), group.at_once):
            answer = await self._client.by_ids(ids[start : start + group.at_once])
            if isinstance(answer, InDoubt) and answer.odd:
                break
            if not isinstance(answer, Listed):
                self._failed(answer)
                return None
            for task in answer.tasks:
                if watch := unseen.pop(task.task_id, None):
                    self._tell(group.operation, watch, task)
        return list(unseen.values())

    async def _look_at_one(self, group: _Group, watch: Watch) -> bool:
        answer = await self._client.get(group.operation, watch.task_id, group.request, everywhere=True)
        if isinstance(answer, Found) and answer.task.task_id not in ("", watch.task_id):
            self._odd(watch, f"asked about task {watch.task_id}, Kling answers about task {answer.task.task_id}")
        elif isinstance(answer, Found):
            self._tell(group.operation, watch, answer.task)
        elif isinstance(answer, NotFound):
            self._unknown(watch)
        elif isinstance(answer, InDoubt) and answer.odd:
            self._odd(watch, answer.reason)
        else:
            return self._failed(answer)
        return True

    def _unknown(self, watch: Watch) -> None:
        """Kling says that it knows no such task, which it named itself: once, it may be mistaken, at any age."""
        now = self._clock()
        watch.unknown_since = watch.unknown_since if watch.unknown else now
        watch.unknown += 1
        seconds = now - watch.unknown_since
        if watch.unknown >= _UNKNOWN_LOOKS and seconds > self._patience and not watch.done.done():
            text = f"Kling has not known task {watch.task_id} for {seconds:.0f} s"
            watch.done.set_exception(LostError(text, hint="its id is kept, and the next run asks again"))

    def _odd(self, watch: Watch, what: str) -> None:
        """An answer that cannot be read is asked for again, less and less often; nobody else waits for that."""
        now = self._clock()
        watch.odd_since = watch.odd_since if watch.odd else now
        watch.odd += 1
        watch.look_at = now + self._pace * min(_LONGEST, 0.05 * 2.0**watch.odd)
        if watch.told != what:
            watch.told = what
            for listener in tuple(watch.listeners):
                listener.on_odd(what)
        is_enough = watch.odd >= _ODD_LOOKS and now - watch.odd_since > min(self._patience, _ODD_SECONDS)
        if is_enough and not watch.done.done():
            watch.done.set_exception(UnreadableError(what, hint="the task is kept: run again to ask again"))

    def _tell(self, operation: Operation, watch: Watch, task: TaskState) -> None:
        if watch.done.done():
            return
        watch.unknown = 0
        try:
            remarks = check(operation, task)
        except UnreadableError as error:
            self._odd(watch, error.message)
            return
        if remarks and watch.odd < _REMARKED_LOOKS:
            self._odd(watch, f"task {watch.task_id}: {'; '.join(remarks)}")
            return
        watch.odd = 0
        if task.status != watch.status:
            watch.status, watch.latest = task.status, task
            for listener in tuple(watch.listeners):
                listener.on_status(task)
        if task.status not in operation.kling["states"]["pending"]:
            watch.done.set_result(task)

    def _failed(self, answer: Refused | InDoubt) -> bool:
        if isinstance(answer, Refused) and answer.row.read != "retry":
            raise error_of(answer, "to say how tasks are")
        return False

    def _note_reach(self, group: _Group, *, answered: bool) -> None:
        now = self._clock()
        if answered:
            group.failing_since = None
        elif group.failing_since is None:
            group.failing_since = now
        elif now - group.failing_since > self._patience:
            raise Unreachable("Kling has not answered for too long", hint="the tasks go on; run again to go on")


def _is_readable(operation: Operation, task: TaskState) -> bool:
    try:
        return not check(operation, task)
    except UnreadableError:
        return False
