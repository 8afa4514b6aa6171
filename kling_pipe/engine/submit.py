"""The submit protocol: one task per external id, whatever happens.

looked up just now, or looked up here
intent (durable) -> POST once -> answer        -> record
                              -> in doubt      -> look up -> found     -> adopt
                                                          -> not found -> settle, look up, POST the same id again
                              -> no room       -> wait for a slot, POST the same id again
                              -> refused       -> the job fails; what stops more than the job is raised
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from kling_pipe.catalog.operations import Operation
from kling_pipe.client import Created, Found, InDoubt, NotFound, Refused, TaskState
from kling_pipe.engine.context import Context
from kling_pipe.engine.job_errors import (
    JobError,
    NoRoomError,
    OverBudgetError,
    OvertakenError,
    UnknownStatusError,
    UnreadableError,
    UnseenError,
)
from kling_pipe.engine.lookup import find
from kling_pipe.engine.pause_detection import STILL
from kling_pipe.engine.prepare_calls import prepared
from kling_pipe.engine.run_errors import error_of, stop_for
from kling_pipe.engine.slots import SlotRequest
from kling_pipe.engine.task_records import merge_found_task, merge_task
from kling_pipe.engine.uploads import linked
from kling_pipe.errors import KlingPipeError, Unreachable
from kling_pipe.model import Failure, Record

_SETTLES_AFTER_REFUSED_ID = 3
"""How often a settle time is waited for a task whose id is refused and which is not to be seen."""

_ODD_LOOKS = 4
"""How often an answer that cannot be read is asked for before the job is left to a later run."""

_LATEST_SHOWN = 600.0
"""Seconds after a lost answer in which its task may still come to light: so long no other account is given the job."""

_LOOK_LASTS = 5.0
"""Seconds in which an id that was looked up counts as not there: others may make it at any time."""

_FIRST_WAIT, _LONGEST_WAIT = 1.0, 30.0


@dataclass(slots=True)
class Submission:
    """One external id on its way to a task. `record` is what the ledger holds: an intent, until Kling answers.

    `looked` is when the id was last looked up, on the clock of the pulse, which the caller watches; `held` how often a
    create was held back because that had become doubtful before its first byte.
    """

    context: Context
    operation: Operation
    request: Mapping[str, Any]
    want: SlotRequest
    record: Record
    began: float = 0.0
    waits: int = 0
    doubt_at: float | None = None
    lost_at: float | None = None
    resent: bool = False
    again: str = ""
    is_ready: bool = False
    looked: float | None = None
    held: int = 0

    async def run(self, *, doubt_at: float | None) -> Record:
        """From the intent to a record that Kling knows, or that Kling refused (state `failed`).

        `doubt_at` (seconds): when an intent that was found had been sent, None for a new one. Raises Unreachable and
        what `stop_for` gives.
        """
        self.began, self.doubt_at = self.context.clock(), doubt_at
        self.again = "" if doubt_at is None else "the last run ended before the answer"
        self.looked = self.context.looked.get(self.record.external_task_id)
        while True:
            if self.doubt_at is not None:
                if task := await self._look_up_settled(self.doubt_at):
                    return await self._adopted(task)
                if self.operation.kling["lookup"] == "none":
                    return self._undecidable(
                        "the answer to the create was lost, and this operation's tasks cannot be looked up"
                    )
            record = await self._post()
            if record is not None:
                return record

    async def _post(self) -> Record | None:
        """One POST and what follows from its answer; None: send again."""
        # Before the intent: an upload that fails costs nothing and leaves nothing in doubt.
        request = await linked(self.request, self.operation.kling["media"], self.context.publisher)
        if not self.is_ready:
            ready = await prepared(self.context.client, self.operation, request, self.record.external_task_id)
            if isinstance(ready, Refused | InDoubt):
                return await self._unprepared(ready)
            self.is_ready = True
            if ready is not request:
                self.request = request = dict(ready)
        await self.context.elsewhere(self.operation, self.record.external_task_id)
        if not self._is_sure() and (task := await self._look_up_again()):
            return await self._met(task)
        if self.context.withdrawn():
            raise JobError("cancelled")
        await self._intend()
        answer = await self._send(request)
        if self.looked is None:  # held back before its first byte
            return None
        if isinstance(answer, Created):
            self.context.slots.accepted(self.want)
            return await self._known(answer.task, "submitted")
        if isinstance(answer, InDoubt):
            self.doubt_at = self.context.clock() if answer.sent else self.doubt_at
            await self._back_off(answer.reason, answer.retry_after)
            return None
        return await self._refused(answer)

    async def _unprepared(self, answer: Refused | InDoubt) -> Record | None:
        """A call before the create did not go well: there is no task to look up, and it may be sent again."""
        if isinstance(answer, InDoubt):
            await self._back_off(answer.reason, answer.retry_after)
            return None
        if answer.row.family == "server":
            await self._back_off(answer.message, answer.retry_after)
            return None
        return self._failed(answer) if answer.row.create == "lookup" else await self._refused(answer)

    def _is_sure(self, *, rounds: int = 0) -> bool:
        """Whether the last look-up still counts; after many `rounds` of a process that is slow an older one does."""
        pulse, patience = self.context.pulse, 2.0 ** min(rounds, 20)
        if self.looked is None or pulse.now() - self.looked > _LOOK_LASTS * patience:
            return False
        return not pulse.stood_still(self.looked, STILL * patience)

    def _is_sure_at_last(self) -> bool:
        """Right before the first byte: who was stopped after its intent was written looks up once more."""
        if self._is_sure(rounds=self.held + 1 if self.held else 0):
            return True
        self.looked, self.held = None, self.held + 1
        return False

    async def _look_up_again(self) -> TaskState | None:
        """Whoever stood still may have lost its claim meanwhile. Raises OvertakenError."""
        if self.held and not self.context.store.claim(self.record.external_task_id, dict(self.want.pools)):
            raise OvertakenError
        self.looked = self.context.pulse.now()  # where it cannot be asked for
        return await self.look_up()

    async def _send(self, request: Mapping[str, Any]) -> Created | Refused | InDoubt:
        """The POST. When the run is stopped meanwhile, an answer that is on its way is worth a moment."""
        name, again = self.record.external_task_id, self.again
        create = self.context.client.create(
            self.operation, self._body(request), name, again=again, ready=self._is_sure_at_last
        )
        sending = asyncio.ensure_future(create)
        try:
            return await asyncio.shield(sending)
        except asyncio.CancelledError:
            await asyncio.wait({sending}, timeout=self.context.settings.grace)
            if not sending.done():
                sending.cancel()
            elif not sending.cancelled() and sending.exception() is None:
                self._note_late(sending.result())
            raise

    def _body(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        url = self.context.settings.callback_url
        wanted = url and "callback_url" in self.operation.fields
        return {**request, "callback_url": url} if wanted else request

    def _note_late(self, answer: Created | Refused | InDoubt) -> None:
        if isinstance(answer, Created):
            self.record = merge_found_task(self.record, self.operation, answer.task, self.context.clock())
            self.context.store.put(self.record)
        elif isinstance(answer, Refused) and answer.row.create != "lookup":
            self._forget_unless_unknown()

    async def _refused(self, answer: Refused) -> Record | None:
        if answer.row.create == "back_off":
            await self._back_off(_reason(answer), answer.retry_after)
            return None
        if answer.row.create == "wait_slot":
            await self._wait_for_slot()
            return None
        if answer.row.create == "lookup":
            return await self._after_lookup_refusal(answer)
        return await self._refused_for_good(answer)

    async def _refused_for_good(self, answer: Refused) -> Record:
        """A code that says that nothing was made, unless the id is taken: that may be answered in any words.

        Seen: a second POST of an id is refused with 1102, 1200 or 1301, while its paid task goes on.
        """
        task = None
        if answer.row.family != "auth":
            try:
                task = await self.look_up(everywhere=True)
            except KlingPipeError as error:
                # Nobody can tell: the intent stays, and the next run looks it up.
                raise stop_for(answer) or error from error
        if task is not None:
            return await self._met(task)
        self._forget_unless_unknown()
        if stop := stop_for(answer):
            raise stop
        return self._failed(answer)

    async def _after_lookup_refusal(self, answer: Refused) -> Record | None:
        """A code that may mean that the task exists: the look-up decides, never the message."""
        if answer.row.family == "server":
            self.doubt_at = self.context.clock()
            await self._back_off(_reason(answer), answer.retry_after)
            return None
        # An id that was sent before and is refused now most likely exists and is not to be seen yet.
        settles = _SETTLES_AFTER_REFUSED_ID if self.resent else 1
        for _ in range(settles):
            if task := await self.look_up(everywhere=True):
                return await self._met(task)
            await self.context.sleep(self.context.settings.settle)
        last = await self.look_up(everywhere=True)
        if last is None and self.resent:
            raise UnseenError(f"Kling refuses the id and shows no task of it: {answer.message} (code {answer.code})")
        return await self._met(last) if last else self._failed(answer)

    async def _look_up_settled(self, doubt_at: float) -> TaskState | None:
        """Look up after a doubt; when nothing is found, once more after the settle time."""
        task = await self.look_up()
        settle = self.context.settings.settle
        # An intent of another run says when it was written. Its POST may have left any time since, until just now.
        # A clock that was set back must not make anybody wait for tomorrow.
        rest = min(settle, max(doubt_at, self.began) + settle - self.context.clock())
        if task is None and rest > 0:
            await self.context.sleep(rest)
            task = await self.look_up()
        self.doubt_at, self.lost_at, self.resent = None, doubt_at, True
        return task

    async def look_up(self, *, everywhere: bool = False) -> TaskState | None:
        """The task with this external id, or None. How to ask is data. Raises Unreachable, UnreadableError.

        `everywhere`: also where tasks of another standard are, for an id that is known to be taken.
        """
        began = self.context.clock()
        wait, odd = _FIRST_WAIT, 0
        while True:
            name = self.record.external_task_id
            self.looked = self.context.pulse.now()
            answer = await find(self.context.client, self.operation, name, self.request, everywhere=everywhere)
            if isinstance(answer, Found) and answer.task.task_id:
                return answer.task
            if isinstance(answer, Found):
                answer = InDoubt(answer.task.odd or "it names no task", odd=True)
            if isinstance(answer, NotFound):
                return None
            if isinstance(answer, Refused) and answer.row.read != "retry":
                raise error_of(answer)
            if isinstance(answer, InDoubt) and answer.odd:
                odd += 1
                if odd >= _ODD_LOOKS:
                    raise UnreadableError(f"whether Kling has `{name}` cannot be told: {answer.reason}")
            if self.context.clock() - began > self.context.settings.patience:
                raise Unreachable(f"Kling does not answer ({_reason(answer)})", hint="run again to go on")
            await self._pause(answer.retry_after or wait)
            wait = min(_LONGEST_WAIT, wait * 2)

    async def _intend(self) -> None:
        """Write down, durably, that a POST is about to be sent: before its first byte."""
        now = int(self.context.clock() * 1000)
        self.record = replace(self.record, state="intent", message="", failure="", updated_at=now)
        wanted = self.context.spending.reservation(self.record)
        if why_not := await self.context.turn.intend(self.record, wanted):
            raise OverBudgetError(why_not)

    async def _known(self, task: TaskState, event: str) -> Record:
        now = self.context.clock()
        try:
            self.record = merge_task(self.record, self.operation, task, now)
        except (UnknownStatusError, UnreadableError) as error:
            if self.operation.kling["lookup"] == "none":
                return self._undecidable(f"{error.message}, and it cannot be asked again", task.task_id)
            self.record = merge_found_task(self.record, self.operation, task, now)
        is_ours = self.record.external_task_id not in self.context.met
        await self.context.turn.put(self.record, unlocked=is_ours and self.record.state == "succeed")
        self.context.tell("submitted" if event == "submitted" else "adopted", self.record)
        return self.record

    async def _met(self, task: TaskState) -> Record:
        """The id was taken. If nothing was sent from here before, another run was faster."""
        if not self.resent:
            self.context.met.add(self.record.external_task_id)
            self._give_back()
        return await self._adopted(task)

    async def _adopted(self, task: TaskState) -> Record:
        self.context.slots.accepted(self.want)
        return await self._known(task, "adopted")

    def _failed(self, answer: Refused) -> Record:
        family: Failure = "moderation" if answer.row.family == "policy" else "refused"
        message = f"{answer.message} (code {answer.code})"
        self.record = replace(
            self.record, state="failed", failure=family, message=message, updated_at=int(self.context.clock() * 1000)
        )
        self.context.store.put(self.record)
        if self.doubt_at is None and not self.resent:
            self._give_back()
        return self.record

    def _undecidable(self, message: str, task_id: str = "") -> Record:
        now = int(self.context.clock() * 1000)
        self.record = replace(
            self.record, state="failed", failure="unknown", message=message, task_id=task_id, updated_at=now
        )
        self.context.store.put(self.record)
        return self.record

    def _forget_unless_unknown(self, *, waits: bool = False) -> None:
        """Nothing was created: no need to look it up should the run end here, nor to reserve money for it.

        An answer that was lost shortly before may have been that of a task which is not to be seen yet: perhaps the
        very one that took the last units.
        """
        shown = self.lost_at is None or self.context.clock() - self.lost_at > _LATEST_SHOWN
        if self.doubt_at is None and shown:
            self.context.store.forget(self.record.external_task_id, expected="intent")
            if not waits:
                self._give_back()

    def _give_back(self) -> None:
        self.context.spending.give_back(self.record, self.context.store)

    async def _wait_for_slot(self) -> None:
        if self.context.settings.detach:
            self._forget_unless_unknown()
            raise NoRoomError("Kling has no free slot now")
        self.again = "no free slot"
        pool, limit, seconds = self.context.slots.refused(self.want)
        data = {"pool": pool, "limit": limit, "seconds": seconds}
        self.context.tell("cooldown", self.record, **data)
        self._forget_unless_unknown(waits=True)
        store, name = self.context.store, self.record.external_task_id
        # What waits holds no slots in the eyes of others, or all would wait for each other.
        store.claim(name, {})
        try:
            await self.context.slots.take(self.want)
        except BaseException:
            self.context.slots.force(self.want)  # whoever had them granted gives them back, once
            raise
        if not store.claim(name, dict(self.want.pools)):
            raise OvertakenError  # this process counted as gone: whoever took over may have sent it

    async def _back_off(self, reason: str, retry_after: float | None) -> None:
        if self.context.clock() - self.began > self.context.settings.patience:
            raise Unreachable(f"Kling does not accept tasks ({reason})", hint="run again to go on; nothing is lost")
        seconds = retry_after or min(_LONGEST_WAIT, _FIRST_WAIT * 2.0 ** min(self.waits, 10))
        # The first doubt is looked into at once: most often the task exists.
        seconds = 0.0 if self.doubt_at is not None and self.waits == 0 else seconds
        self.waits, self.again = self.waits + 1, reason
        self.context.tell("retrying", self.record, reason=reason, seconds=seconds)
        await self._pause(seconds)

    async def _pause(self, seconds: float) -> None:
        """Wait for Kling. Raises NoRoomError when the process is to end: what was sent is looked up by the next one."""
        await self.context.waits.until(self.context.sleep(seconds))


def _reason(answer: Refused | InDoubt) -> str:
    return answer.reason if isinstance(answer, InDoubt) else f"{answer.code} {answer.message}"
