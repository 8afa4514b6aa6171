"""Carries out a plan on this machine: who is ready starts, the most urgent first; a failure stops what needs it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Coroutine
from dataclasses import dataclass, field
from functools import partial

from kling_pipe.catalog.operations import load_operation, quota
from kling_pipe.core import graph
from kling_pipe.core.keys import external_id
from kling_pipe.engine.account_pool import AccountPool, AccountRuntime, as_it_stands
from kling_pipe.engine.context import Context
from kling_pipe.engine.events import Event
from kling_pipe.engine.job_errors import KEPT, JobError, NoRoomError, OverBudgetError, SilentError
from kling_pipe.engine.lock_writer import LockJournal
from kling_pipe.engine.result import Ending, Outcome, Result, graver
from kling_pipe.engine.run_budget import RunBudget
from kling_pipe.engine.slots import SlotRequest, slots_of
from kling_pipe.errors import BudgetExceeded, CredentialsError, KlingPipeError, Unreachable
from kling_pipe.model import Plan, Record, Step
from kling_pipe.planning.snapshot import IN_FLIGHT
from kling_pipe.storage.ledger import Store
from kling_pipe.storage.ledger.claims import BEAT

_WORKING = ("create", "retry", "resume")
_MORE = "Run again once the runs beside it have ended, or allow more: --budget usd=N replaces an amount."


@dataclass(slots=True)
class LocalRunner:
    """One run of a plan, in one event loop."""

    plan: Plan
    desks: AccountPool
    journal: LockJournal
    create: bool = True
    steps: dict[str, Step] = field(default_factory=dict)
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    records: dict[str, Record] = field(default_factory=dict)
    active: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    waiting: dict[str, int] = field(default_factory=dict)
    children: dict[str, list[str]] = field(default_factory=dict)
    urgency: dict[str, float] = field(default_factory=dict)
    attempts: dict[str, int] = field(default_factory=dict)
    ended: deque[Outcome] = field(default_factory=deque)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    error: KlingPipeError | None = None
    bug: BaseException | None = None
    spending: RunBudget = field(default_factory=RunBudget)
    told: set[str] = field(default_factory=set)
    settling: bool = False

    @property
    def context(self) -> Context:
        """What all accounts share; with one account everything."""
        return self.desks.first.context

    async def run(self, stop: asyncio.Event) -> Result:
        """Until every step has ended, `stop` is set, or the time is over. Raises only for bugs."""
        self._prepare()
        beating = asyncio.create_task(self._beat())
        try:
            stopped = await self._until_done(stop)
        finally:
            beating.cancel()
            await self._tidy_up()
        if self.bug is not None:
            raise self.bug
        return self._result(stopped)

    def upstream(self, address: str) -> Record | None:
        """The record of what an address made, for jobs that use it."""
        return self.records.get(address)

    def _prepare(self) -> None:
        self.steps = {step.job.address: step for step in self.plan.steps}
        for silent in self.plan.silent:
            self.error = graver(self.error, silent)  # type: ignore[arg-type]  # of the family, says the plan
        for step in (*self.plan.steps, *self.plan.others):
            if step.record is not None and step.record.state == "succeed":
                self.records[step.job.address] = step.record
        self.desks.note_looks(self.plan.steps)
        needs = {address: step.needs for address, step in self.steps.items()}
        self.children = graph.children(needs)
        self.waiting = {address: sum(need in self.steps for need in wanted) for address, wanted in needs.items()}
        working = {address: step for address, step in self.steps.items() if step.action in _WORKING}
        self.urgency = graph.longest_from(needs, {address: self._expected(step) for address, step in working.items()})
        for address, step in self.steps.items():
            self.context.on_event(Event("planned", address, self.context.clock(), {"action": step.action}))
        # The most urgent first: who asks first for a free slot gets it.
        ready = [address for address, count in self.waiting.items() if count == 0]
        for address in sorted(ready, key=lambda one: -self.urgency.get(one, 0.0)):
            self._start(self.steps[address])
        self._settle()

    async def _until_done(self, stop: asyncio.Event) -> str:
        deadline = self.context.settings.timeout
        ends_at = None if deadline is None else time.monotonic() + deadline
        stopping = asyncio.create_task(stop.wait())
        try:
            while len(self.outcomes) < len(self.steps) and self.bug is None:
                if stop.is_set():
                    return "interrupted"
                if self._nothing_can_go_on():
                    return ""
                self.changed.clear()
                changing = asyncio.create_task(self.changed.wait())
                left = None if ends_at is None else max(0.0, ends_at - time.monotonic())
                done, _ = await asyncio.wait({stopping, changing}, timeout=left, return_when=asyncio.FIRST_COMPLETED)
                changing.cancel()
                if not done:
                    return "timeout"
            return ""
        finally:
            stopping.cancel()

    def _nothing_can_go_on(self) -> bool:
        """Nobody works, and those that queue will not be let in: the run was told not to wait, or must not submit."""
        return not self.active and (self.context.settings.detach or not self.desks.can_go_on)

    def _start(self, step: Step) -> None:
        """A step whose needs have ended: what earlier attempts of it are owed comes first."""
        if step.owed:
            self._spawn(step, self._save_owed(step))
        else:
            self._begin(step)

    def _begin(self, step: Step) -> None:
        address = step.job.address
        if failed := self._failed_need(step):
            self._end(step, failed.ending, None, f"it needs `{failed.address}`: {failed.message}")
        elif step.action == "blocked":
            self._end(step, "waiting" if step.cause == "silent" else "failed", step.record, step.reasons[0])
        elif step.action == "lost":
            self._end(step, "failed", step.record, "; ".join(step.reasons))
        elif step.shared_with or step.action == "download":
            self.context.slots.ask(SlotRequest((("files", 1),)), lambda: self._spawn(step, self._fetch(step)))
        elif step.action in ("reuse", "frozen"):
            self._end(step, "reused", step.record, "")
        elif not (self.create or step.is_at_kling):
            self._end(step, "waiting", None, "nothing is created here")
        else:
            want = slots_of(step.job, self.urgency[address])
            self.context.meter.ready(address, self.context.clock())
            if step.action == "resume":
                desk = self.desks.at(step.account)
                desk.context.slots.force(want)
                self._spawn(step, self._work(step, want, desk))
            elif stop := self._queue(step, want):
                self._give_up(step, stop)
        self.waiting.pop(address, None)

    def _queue(self, step: Step, want: SlotRequest) -> CredentialsError | None:
        """Wait for slots of an account that takes the job; why none does."""
        return self.desks.queue(step, want, lambda desk: self._spawn(step, self._work(step, want, desk)))

    def _give_up(self, step: Step, stop: CredentialsError) -> None:
        self.error = graver(self.error, stop)
        self._end(step, "failed", None, stop.message)

    def _failed_need(self, step: Step) -> Outcome | None:
        """What keeps a step from being worked on. A made file may be fetched whatever became of its inputs."""
        sends = step.action in ("create", "retry") or (step.record is not None and step.record.state == "intent")
        if not (sends or step.shared_with):
            return None
        outcomes = (self.outcomes.get(need) for need in step.needs)
        return next((one for one in outcomes if one is not None and one.ending in ("failed", "waiting")), None)

    def _expected(self, step: Step) -> float:
        operation = load_operation(step.job.operation)
        return self.context.durations.expected(operation, step.job)

    def _spawn(self, step: Step, work: Coroutine[object, object, None]) -> None:
        async def guarded() -> None:
            try:
                await work
            except asyncio.CancelledError:
                raise
            except BaseException as error:
                self.bug = self.bug or error
            finally:
                # A job that is passed on to another account has a new task under its address by now.
                if self.active.get(step.job.address) is asyncio.current_task():
                    del self.active[step.job.address]
                self.changed.set()

        self.active[step.job.address] = task = asyncio.create_task(guarded())
        task.add_done_callback(lambda _: work.close())  # a task that is cancelled before it began leaves it unawaited

    async def _work(self, step: Step, want: SlotRequest, desk: AccountRuntime) -> None:
        pack, model = quota(load_operation(step.job.operation), step.job.request)
        if stop := desk.context.stops.against(pack or "", model):
            desk.context.slots.release(want)
            if left := self._pass_on(step, want, desk, stop):
                self._end(step, "failed", None, left.message)
            return
        pools = tuple((desk.shown(name), weight) for name, weight in want.pools)
        self.context.meter.begun(step.job.address, pools, self.context.clock(), at_kling=step.is_at_kling)
        try:
            tries = {"last": step.last_attempt, "refused_at": step.refused_at}
            record = await self.desks.run(step, desk, want, again=partial(self._again, step), **tries)
        except SilentError as error:
            self.error = graver(self.error, error.error)
            self._end(step, "waiting", None, error.message)
        except (NoRoomError, *KEPT) as error:
            self._end(step, "waiting", self._under_way(step), error.message)
        except OverBudgetError as error:
            self.error = graver(self.error, BudgetExceeded("over budget; what goes beyond it was not sent", hint=_MORE))
            self._end(step, "failed", None, error.message)
        except JobError as error:
            self._end(step, "failed", self._known(step), error.message)
        except CredentialsError as error:
            desk.context.stops.add(error, pack or "", model)
            if left := self._pass_on(step, want, desk, error):
                self._end_refused(step, left)
        except KlingPipeError as error:
            self._halt(error, desk)
            self._end(step, "waiting", self._known_if_possible(step), error.message)
        else:
            self._worked(step, record, pack)

    def _pass_on(
        self, step: Step, want: SlotRequest, desk: AccountRuntime, stop: CredentialsError
    ) -> CredentialsError | None:
        """Give a job that an account does not take to another one, unless a task may exist. Why that cannot be."""
        if len(self.desks.all) > 1 and step.action != "resume" and self._known(step) is None:
            self.context.meter.ready(step.job.address, self.context.clock())
            if (stop_elsewhere := self._queue(as_it_stands(step, self.attempts), want)) is None:
                return None
            stop = stop_elsewhere
        self.error = graver(self.error, desk.context.stops.first() or stop)
        return stop

    def _again(self, step: Step, attempt: int, store: Store) -> str:
        """Whether one more attempt may be made: why not, or ""."""
        why_not = self.spending.again(step.job, attempt, store) if self.create else "nothing is created here"
        if not why_not:
            self.attempts[step.job.address] = self.attempts.get(step.job.address, step.attempt) + 1
        return why_not

    def _known(self, step: Step) -> Record | None:
        """What the ledger says of a step's present attempt."""
        job, attempt = step.job, self.attempts.get(step.job.address, step.attempt)
        return self.desks.known(step, external_id(job.project, job.key, job.take, attempt))

    def _known_if_possible(self, step: Step) -> Record | None:
        with contextlib.suppress(KlingPipeError):
            return self._known(step)
        return None

    def _under_way(self, step: Step) -> Record | None:
        record = self._known_if_possible(step)
        return record if record is not None and record.state in IN_FLIGHT else None

    def _end_refused(self, step: Step, error: CredentialsError) -> None:
        """Kling no longer talks to us about a job: a task that exists goes on all the same."""
        record = self._known(step)
        at_kling = record is not None and record.state in ("submitted", "processing")
        self._end(step, "waiting" if at_kling else "failed", record if at_kling else None, error.message)

    def _worked(self, step: Step, record: Record, pack: str | None) -> None:
        if record.state == "succeed" and record.external_task_id in self.context.at(record.account).met:
            self._end(step, "reused", record, "made by another run")
        elif record.state == "succeed":
            self.desks.at(record.account).count(record, pack)
            self._end(step, "made", record, "")
        elif record.state == "failed":
            self.told.add(step.job.address)  # by the job itself, with Kling's words
            self._end(step, "failed", record, record.message)
        else:
            self.context.tell("waiting", record)
            self._end(step, "waiting", record, f"task {record.task_id} is under way")

    async def _save_owed(self, step: Step) -> None:
        """Fetch what earlier attempts made and nobody saved, then go on with the step, whatever came of them."""
        from kling_pipe.engine.paid_attempts import save_owed

        for error in await save_owed(step, self.context.at):
            self._halt(error)
        self._begin(step)

    async def _fetch(self, step: Step) -> None:
        """A made result whose files are not in place here."""
        from kling_pipe.engine.fetch import fetch

        record = self.records[step.shared_with] if step.shared_with else step.record
        assert record is not None
        try:
            placed, is_ours = await fetch(step, record, self.context.at(record.account))
        except KEPT as error:
            self._end(step, "waiting", None, error.message)
        except JobError as error:
            self._end(step, "failed", record, error.message)
        except KlingPipeError as error:
            self._halt(error)
            self._end(step, "waiting", None, error.message)
        else:
            if is_ours:
                self._worked(step, placed, quota(load_operation(step.job.operation), step.job.request)[0])
            else:
                self._end(step, "reused", placed, "")
        finally:
            self.context.slots.release(SlotRequest((("files", 1),)))

    def _end(self, step: Step, ending: Ending, record: Record | None, message: str) -> None:
        self.ended.append(Outcome(step, ending, record, message))
        self._settle()

    def _settle(self) -> None:
        """Write down what ended, and start what waited for it. Flat, because chains may be 10,000 long."""
        if self.settling:
            return
        self.settling = True
        while self.ended:
            outcome = self.ended.popleft()
            self._note(outcome)
            for child in self.children.get(outcome.address, ()):
                self.waiting[child] -= 1
                if self.waiting[child] == 0:
                    self._start(self.steps[child])
        self.settling = False
        self.changed.set()

    def _note(self, outcome: Outcome) -> None:
        step, record = outcome.step, outcome.record
        self.outcomes[outcome.address] = outcome
        self.context.meter.ended(outcome.address, outcome.ending, record, outcome.message, self.context.clock())
        if outcome.ending in ("made", "reused") and record is not None:
            self.records[outcome.address] = record
            if not (record.source == "lock" and record.address == outcome.address):
                self.journal.made(step.job, record)
        if outcome.ending == "failed":
            if record is not None and record.state == "failed":
                self.journal.failed(step.job, record)
            if self.context.settings.fail_fast:
                self.desks.close()
        told = step.action in _WORKING if outcome.ending == "reused" else outcome.address in self.told
        if outcome.ending in ("reused", "failed") and not told:
            data = {"message": outcome.message} if outcome.message else {}
            self.context.on_event(Event(outcome.ending, outcome.address, self.context.clock(), data))
        try:
            self.journal.write()
        except KlingPipeError as error:
            self._halt(error)

    def _halt(self, error: KlingPipeError, desk: AccountRuntime | None = None) -> None:
        """Submit nothing more, to an account that does not answer, else anywhere; what is under way goes on."""
        self.error = graver(self.error, error)
        if desk is not None and isinstance(error, Unreachable):
            desk.context.slots.stop()
        else:
            self.desks.close()

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(BEAT)
            try:
                self.desks.beat()
                self.desks.keep_lessons()
                self.journal.write()
            except KlingPipeError as error:
                self._halt(error)
            except Exception as error:
                self.bug = self.bug or error
                self.changed.set()

    async def _tidy_up(self) -> None:
        """Stop what still works, and write everything down."""
        self.desks.close()
        while tasks := list(self.active.values()):  # again for what one that was just saved set going
            self.active.clear()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        for desk in self.desks.all:
            await desk.context.poller.close()
        try:
            self.desks.keep_lessons()
            self.journal.write(now=True)
        except KlingPipeError as error:
            self.error = graver(self.error, error)

    def _result(self, stopped: str) -> Result:
        outcomes = tuple(self.outcomes.get(address) or self._unfinished(step) for address, step in self.steps.items())
        kind = stopped if stopped in ("interrupted", "timeout") else ""
        units = {pack: round(number, 6) for pack, number in self.desks.units().items()}
        limits = {desk.shown(one): n for desk in self.desks.all for one, n in desk.context.slots.limits().items()}
        counters = self.context.meter.to_json(limits)
        found = (outcomes, units, kind, self.error, counters, self.desks.to_json(counters))
        return Result(*found)  # type: ignore[arg-type]  # narrowed above

    def _unfinished(self, step: Step) -> Outcome:
        record, at_kling = self._known_if_possible(step), self._under_way(step)
        made = record is not None and record.state == "succeed" and step.action in _WORKING
        return Outcome(step, "waiting", at_kling, "" if at_kling else "made, not saved yet" if made else "not begun")
