"""The accounts of a run, a desk for each: who takes a job, and whether another one has it already.

A job goes to the desk that the plan names; what follows another job to where that was made. A desk whose pack is empty
or whose credentials are refused passes on what Kling surely has not taken. Before a create the others are asked.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from kling_pipe.catalog.operations import Operation, load_operation, quota
from kling_pipe.core.keys import external_id
from kling_pipe.engine.context import Again, Context
from kling_pipe.engine.job_errors import FoundElsewhereError, NoRoomError, SilentError
from kling_pipe.engine.run_errors import Silence
from kling_pipe.engine.settings import Settings
from kling_pipe.engine.slots import SlotRequest
from kling_pipe.engine.waits import Waits
from kling_pipe.errors import CredentialsError
from kling_pipe.model import Record, Step
from kling_pipe.planning.account_assignment import MARK
from kling_pipe.planning.account_ranking import Accounts, ranked
from kling_pipe.storage.ledger import Store

_FOLLOW_SECONDS = 0.2
_KNOWN = ("intent", "submitted", "processing", "succeed")


@dataclass(slots=True)
class AccountRuntime:
    """One account at work. `left` are the units of its packs, as far as Kling says; `units` those that it charged.

    `silence` is why it could not be asked for an id last.
    """

    name: str
    account: str
    context: Context
    left: Mapping[str, float] = field(default_factory=dict)
    units: dict[str, float] = field(default_factory=dict)
    made: int = 0
    silence: Silence = field(default_factory=Silence)

    def stop(self, step: Step) -> CredentialsError | None:
        """Why it takes no such job."""
        pack, model = quota(load_operation(step.job.operation), step.job.request)
        return self.context.stops.against(pack or "", model)

    def room(self, want: SlotRequest, pack: str) -> tuple[float, float]:
        """How many slots are free for a job, and units left: the more the better."""
        pools = [self.context.slots.pool(name) for name, _ in want.pools if name != "jobs"]
        free = min((pool.limit - pool.in_use - pool.held_by_others for pool in pools), default=0)
        return free, self.left.get(pack, 0.0)

    def count(self, record: Record, pack: str | None) -> None:
        """A task that this run made."""
        self.made += 1
        if pack and record.charged:
            self.units[pack] = self.units.get(pack, 0.0) + record.charged

    def shown(self, pool: str) -> str:
        """A pool's name among those of all accounts."""
        return f"{self.name}:{pool}" if self.name else pool


@dataclass(slots=True)
class AccountPool:
    """All of them, in the order of the settings.

    `guard` keeps two processes of one ledger off one id in two accounts; there is none where the settings name no
    accounts. `began` (seconds) is when the run did.
    """

    all: Sequence[AccountRuntime]
    places: Accounts
    guard: Store | None
    began: float
    upstream: Callable[[str], Record | None] = lambda _: None
    waits: Waits = field(default_factory=Waits)

    def __post_init__(self) -> None:
        beside = {desk.account: desk.context for desk in self.all}
        for desk in self.all:
            desk.context.beside = beside

    @property
    def first(self) -> AccountRuntime:
        """The one whose parts serve for what belongs to no account."""
        return self.all[0]

    def at(self, account: str) -> AccountRuntime:
        """The desk of an account; the first for one that this run does not have."""
        return next((desk for desk in self.all if desk.account == account), self.first)

    def share_room(self, settings: Settings) -> None:
        """`-j` bounds all accounts together."""
        if settings.jobs and len(self.all) > 1:
            everyone = [desk.context.slots for desk in self.all]
            for slots in everyone:
                slots.share("jobs", everyone)

    @property
    def can_go_on(self) -> bool:
        """Whether a job that queues may still be let in."""
        if len(self.all) == 1:
            return self.first.context.slots.open
        return any(desk.context.slots.open and desk.context.slots.has_queue for desk in self.all)

    def nudge(self, task_id: str, status: str) -> None:
        """A task is said to have this status now."""
        for desk in self.all:
            desk.context.poller.nudge(task_id, status)

    def beat(self) -> None:
        """Say that this process lives, to everybody who shares the ledger."""
        for desk in self.all:
            desk.context.store.beat()
        if self.guard is not None:
            self.guard.beat()

    def close(self) -> None:
        """Submit nothing more, anywhere."""
        for desk in self.all:
            desk.context.slots.stop()

    def note_looks(self, steps: Iterable[Step]) -> None:
        """Take over from a plan when ids were looked up: in all accounts, or the step says nothing of it."""
        looks = {step.external_task_id: step.looked_at for step in steps if step.looked_at}
        for desk in self.all:
            desk.context.looked.update(looks)

    def end_waits(self) -> None:
        """Send nothing more, and let nobody wait any longer for slots, other jobs or other processes."""
        self.close()
        for waits in (self.waits, *(desk.context.waits for desk in self.all)):
            waits.close()

    def units(self) -> dict[str, float]:
        """What all of them charged, by pack."""
        found: dict[str, float] = {}
        for pack, number in (one for desk in self.all for one in desk.units.items()):
            found[pack] = found.get(pack, 0.0) + number
        return found

    def known(self, step: Step, name: str) -> Record | None:
        """What the ledger says of an id: in the step's own account first."""
        own = self.at(step.account)
        desks = [own] if MARK in step.job.address else [own, *(one for one in self.all if one is not own)]
        return next((record for desk in desks if (record := desk.context.store.get(name)) is not None), None)

    def queue(
        self, step: Step, want: SlotRequest, granted: Callable[[AccountRuntime], None]
    ) -> CredentialsError | None:
        """Queue for slots; `granted` is called once, with the desk that has them. Returns why no desk takes the job."""
        takers: list[AccountRuntime] = []

        def take(desk: AccountRuntime) -> None:
            takers.append(desk)
            granted(desk)

        candidates = self._candidates(step, want)
        open_ = [desk for desk in candidates if desk.stop(step) is None]
        if not open_ and len(self.all) > 1:
            return candidates[0].stop(step)
        for desk in open_ or candidates:
            if not takers:
                desk.context.slots.ask(want, functools.partial(take, desk), is_cancelled=lambda: bool(takers))
        return None

    async def take(self, step: Step, want: SlotRequest) -> AccountRuntime:
        """Wait for slots. Raises NoRoomError once nothing is granted, CredentialsError when no account takes it."""
        if len(self.all) == 1:
            await self.first.context.slots.take(want)
            return self.first
        taken: asyncio.Future[AccountRuntime] = asyncio.get_running_loop().create_future()
        # A waiter that was cancelled gives the slots back.
        if stop := self.queue(
            step, want, lambda desk: desk.context.slots.release(want) if taken.done() else taken.set_result(desk)
        ):
            raise stop
        try:
            return await self.waits.until(taken)
        except asyncio.CancelledError:
            if taken.done() and not taken.cancelled():
                taken.result().context.slots.release(want)
            raise

    def keep_lessons(self) -> None:
        """Write down what was learned of durations and slots."""
        for context in (desk.context for desk in self.all):
            if context.durations.changed:
                context.store.learn(context.durations.changed)
                context.durations.changed = {}
            for pool, limit in context.slots.learned().items():
                context.store.keep_limit(pool, limit)

    def _candidates(self, step: Step, want: SlotRequest) -> list[AccountRuntime]:
        """Who may take a job now, the best first. A job that has its place has one; with free slots all may."""
        if len(self.all) == 1:
            return [self.first]
        made = self.upstream(step.follows) if step.follows else None
        if made is not None:
            return [self.at(made.account)]
        if step.job.account or step.follows:
            return [self.at(step.account)]
        job, (pack, _) = step.job, quota(load_operation(step.job.operation), step.job.request)
        order = ranked(self.places.all, external_id(job.project, job.key, job.take), pack or "")
        desks = [self.at(place.account) for place in order]
        if step.account:
            desks.sort(key=lambda desk: desk.account != step.account)
            return [next((desk for desk in desks if desk.stop(step) is None), desks[0])]
        return sorted(desks, key=lambda desk: desk.room(want, pack or ""), reverse=True)

    async def run(
        self, step: Step, desk: AccountRuntime, want: SlotRequest, *, last: int, again: Again, refused_at: int
    ) -> Record:
        """`run_job` at a desk that holds the slots, or where the task turns out to be."""
        from kling_pipe.engine.job_runner import run_job  # a run that finds nothing to do needs none of it

        if self.guard is None or MARK in step.job.address:
            here = desk.context
            return await run_job(step.job, step.attempt, here, want, last=last, again=again, refused_at=refused_at)
        async with self._alone(step, desk, want):
            return await self._wherever(step, desk, want, last, again, refused_at)

    async def _wherever(
        self, step: Step, desk: AccountRuntime, want: SlotRequest, last: int, again: Again, refused_at: int
    ) -> Record:
        from kling_pipe.engine.job_runner import run_job

        job, attempt, asked = step.job, step.attempt, desk
        while True:
            context = replace(desk.context, elsewhere=functools.partial(self._ask_others, step, desk))
            context.turn = desk.context.turn  # what its jobs write at once is still one transaction
            try:
                return await run_job(job, attempt, context, want, last=last, again=again, refused_at=refused_at)
            except CredentialsError as error:
                if desk is asked:
                    raise
                # The refusal is that of the account which has the job, and does not stop the one that was given it.
                raise SilentError(error.message, error) from error
            except FoundElsewhereError as found:
                desk, attempt = self.at(found.record.account), found.record.attempt
                # What this ledger knows of is counted as in one account: by the run that sees it to its end.
                if desk.context.store.get(found.record.external_task_id) is None:
                    desk.context.store.put(found.record)
                    desk.context.met.add(found.record.external_task_id)
                desk.context.slots.force(want)

    @contextlib.asynccontextmanager
    async def _alone(self, step: Step, desk: AccountRuntime, want: SlotRequest) -> AsyncIterator[None]:
        """While inside, no other process of this ledger works on the job, in whichever account."""
        assert self.guard is not None
        name, slots = external_id(step.job.project, step.job.key, step.job.take), desk.context.slots

        def make_way() -> None:
            slots.release(want)
            if desk.context.settings.detach:
                raise NoRoomError("another job has the same task in hand")

        async with self.waits.alone(name, make_way) as has_waited:
            try:
                if self.guard.claim(name, {}):
                    if has_waited:
                        await slots.take(want)
                    yield
                    return
                if not has_waited:
                    slots.release(want)
                while not (self.guard.claim(name, {}) or self._is_over(step)):
                    if desk.context.settings.detach:
                        raise NoRoomError("another process works on it")
                    await self.waits.until(desk.context.sleep(_FOLLOW_SECONDS))
                await slots.take(want)
                yield
            finally:
                self.guard.release(name)

    def _is_over(self, step: Step) -> bool:
        """Whether another process has done it: a claim is given back some seconds after."""
        from kling_pipe.engine.job_runner import is_over

        job = step.job
        name = external_id(job.project, job.key, job.take, step.attempt)
        return any(is_over(desk.context.store.get(name)) for desk in self.all)

    async def _ask_others(self, step: Step, here: AccountRuntime, operation: Operation, name: str) -> None:
        """Before a create: no other account has the id. Raises FoundElsewhereError, SilentError where one cannot tell.

        A job that does not go where every machine would send it may have gone elsewhere in a run that nobody here
        remembers, just now: what was sent before this run began has a settle time to be seen.
        """
        from kling_pipe.engine.other_accounts import ask

        others = [desk for desk in self.all if desk is not here]
        for desk in others:
            record = desk.context.store.get(name)
            if record is not None and record.state in _KNOWN:
                raise FoundElsewhereError(record)
        is_home = bool(step.job.account or step.follows) or here.account == step.account
        settle = here.context.settings.settle
        rest = min(settle, self.began + settle - here.context.clock())  # clocks are set back
        if not is_home and rest > 0 and others:
            await here.context.sleep(rest)
        await ask(others, here, step, operation, name)

    def to_json(self, counters: Mapping[str, Any]) -> dict[str, dict[str, object]]:
        """What each account did, by name; empty where the settings name none. `counters` are those of the meter."""
        if len(self.all) == 1 and not self.first.name:
            return {}
        return {desk.name: _form(desk, counters["slots"]) for desk in self.all}


def as_it_stands(step: Step, attempts: Mapping[str, int]) -> Step:
    """A step, by now at a later attempt (`attempts` by address): another account begins with that one."""
    job, attempt = step.job, attempts.get(step.job.address, step.attempt)
    if attempt == step.attempt:
        return step
    name = external_id(job.project, job.key, job.take, attempt)
    return replace(step, action="retry", attempt=attempt, external_task_id=name)


def _form(desk: AccountRuntime, slots: Mapping[str, Any]) -> dict[str, object]:
    stop, mine = desk.context.stops.first() or desk.silence.error, desk.shown("")
    return {
        "account": desk.account,
        "made": desk.made,
        "units": {pack: round(number, 6) for pack, number in desk.units.items()},
        "left": dict(desk.left),
        "slots": {pool.removeprefix(mine): used for pool, used in slots.items() if pool.startswith(mine)},
        "stopped": stop.message if stop else "",
    }
