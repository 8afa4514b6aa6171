"""One step of a campaign, as a worker does it: what it needs is looked up, the engine's core does the rest."""

from __future__ import annotations

import asyncio
import functools
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from kling_pipe.catalog.operations import load_operation, quota
from kling_pipe.core.json_tree import map_leaves
from kling_pipe.core.keys import external_id
from kling_pipe.engine.account_pool import AccountPool, AccountRuntime
from kling_pipe.engine.context import Again, Context
from kling_pipe.engine.events import Event
from kling_pipe.engine.fleet import queue_store
from kling_pipe.engine.fleet.budget_reservations import spending_of
from kling_pipe.engine.fleet.serialization import files_of, job_of
from kling_pipe.engine.fleet.upload_signing import is_published, publisher_of
from kling_pipe.engine.job_errors import JobError, NoRoomError, SilentError, UnfetchedError
from kling_pipe.engine.result import Ending
from kling_pipe.engine.run_budget import RunBudget
from kling_pipe.engine.slots import SlotRequest, slots_of
from kling_pipe.engine.uploads import Publisher
from kling_pipe.engine.workspace import Workspace
from kling_pipe.errors import CredentialsError, KlingPipeError
from kling_pipe.model import Cost, FileRef, Job, Json, Record, Step
from kling_pipe.storage.effects import Effects
from kling_pipe.storage.ledger.pg_connection import PgConnection
from kling_pipe.storage.outputs import LocalOutputs, OutputStore

_STOPPED_SECONDS = 60.0
"""So long an account that refuses a pack or its credentials is given nothing, while others are."""


@dataclass
class WorkerState:
    """What the steps of one worker share. `running` keeps two hands of one worker off one step.

    `limits` are the campaigns' slots: a pool is as wide as the first campaign that uses it says.
    """

    workspace: Workspace
    desks: AccountPool
    session: PgConnection
    limits: dict[str, int]
    outputs: dict[str, OutputStore] = field(default_factory=dict)
    publishers: dict[str, Publisher | None] = field(default_factory=dict)
    complaints: dict[str, str] = field(default_factory=dict)
    running: dict[tuple[str, str], asyncio.Task[None]] = field(default_factory=dict)

    async def work(self, campaign: str, address: str) -> None:
        """Bring a step to its end. May be called again at any point, also while the first call still works.

        A queue that lost its connection hands out anew what is in progress here: then that is waited for. Raises
        KlingPipeError for what may be over later.
        """
        name = (campaign, address)
        if name not in self.running:
            task = asyncio.create_task(self._work(campaign, address))
            self.running[name] = task
            task.add_done_callback(lambda _: self.running.pop(name, None))
        await asyncio.shield(self.running[name])

    def complain(self, address: str, error: KlingPipeError) -> None:
        """Tell why a step waits, once for each reason: it is tried again every few seconds."""
        if self.complaints.get(address) != error.message:
            self.complaints[address] = error.message
            context = self.desks.first.context
            reason = f"{error.message}; {error.hint}" if error.hint else error.message
            context.on_event(Event("waiting", address, context.clock(), {"reason": reason}))

    async def _work(self, campaign: str, address: str) -> None:
        place = queue_store.place(self.session, campaign, address)
        if place is None or place.state != "queued":
            return
        job = self._with_files(job_of(place.form["job"]))
        records = {need: self._record(name) for need, name in place.needs.items()}
        spending = spending_of(self.session, campaign, address, place.form, place.campaign.get("purse"))
        is_withdrawn = functools.partial(self._is_withdrawn, campaign, address)
        desks = self._desks(place, records, spending, is_withdrawn)
        step, context = _step(job, place.form), desks.first.context
        self.limits.update(place.campaign["limits"])
        want, meter = slots_of(job), context.meter
        meter.taken(job, str(place.campaign.get("origin", "")))
        meter.ready(address, context.clock())
        desk = await desks.take(step, want)
        record, failed = None, ""
        try:
            if not queue_store.is_queued(self.session, campaign, address):  # cancelled while it waited for slots
                desk.context.slots.release(want)
                return
            meter.begun(address, tuple((desk.shown(pool), slots) for pool, slots in want.pools), context.clock())
            again = functools.partial(spending.again, job)
            record = await self._run(step, desk, want, desks, place.form, again)
            if record.state == "succeed":
                queue_store.done(self.session, self.workspace.queue, campaign, address, record.external_task_id)
            elif record.state == "failed":
                failed = record.message or "it failed"
        except (NoRoomError, UnfetchedError):  # made and paid: it is owed until its file is here
            raise
        except JobError as error:
            failed = error.message
        finally:
            meter.ended(address, _ending(record, failed, desks), record, failed, context.clock())
        if failed:
            queue_store.failed(self.session, campaign, address, failed)

    async def _run(
        self,
        step: Step,
        desk: AccountRuntime,
        want: SlotRequest,
        desks: AccountPool,
        form: Mapping[str, Any],
        again: Again,
    ) -> Record:
        """At the desk that has the slots; what it surely did not take goes to another one of several."""
        last, refused_at = form["last"], form.get("refused_at", 0)
        while True:
            try:
                return await desks.run(step, desk, want, last=last, again=again, refused_at=refused_at)
            except SilentError as error:
                if isinstance(error.error, CredentialsError):  # somebody has to act: not again in two seconds
                    raise error.error from error
                raise
            except CredentialsError as error:
                if len(desks.all) == 1:
                    raise
                pack, model = quota(load_operation(step.job.operation), step.job.request)
                desk.context.stops.add(error, pack or "", model)
                # Somebody may buy units, or mend a key: a worker lives longer than that.
                asyncio.get_running_loop().call_later(_STOPPED_SECONDS, desk.context.stops.clear)
                if desks.known(step, step.external_task_id) is not None:
                    raise
                desk = await desks.take(step, want)

    def _record(self, name: str) -> Record | None:
        found = (desk.context.store.get(name) for desk in self.desks.all)
        return next((record for record in found if record is not None), None)

    def _is_withdrawn(self, campaign: str, address: str) -> bool:
        return not queue_store.is_queued(self.session, campaign, address)

    def _desks(
        self,
        place: queue_store.QueueAddress,
        records: dict[str, Record | None],
        spending: RunBudget,
        withdrawn: Callable[[], bool],
    ) -> AccountPool:
        """The desks as this step's campaign has them."""
        contexts = [self._context(desk.context, place, records) for desk in self.desks.all]
        mine = [
            replace(desk, context=replace(context, spending=spending, withdrawn=withdrawn))
            for desk, context in zip(self.desks.all, contexts, strict=True)
        ]
        return replace(self.desks, all=mine, upstream=records.get)

    def _context(self, context: Context, place: queue_store.QueueAddress, records: dict[str, Record | None]) -> Context:
        bucket, out = str(place.campaign["bucket"]), str(place.campaign["out"])
        if bucket not in self.outputs:
            self.outputs[bucket] = replace(self.workspace, bucket=bucket).outputs()
        publisher = self._publisher(place.campaign.get("publish") or {})
        return replace(context, upstream=records.get, out=out, outputs=self.outputs[bucket], publisher=publisher)

    def _publisher(self, form: Mapping[str, Any]) -> Publisher | None:
        """One for each place, so that a file is looked for once."""
        mark = json.dumps(form, sort_keys=True)
        if mark not in self.publishers:
            self.publishers[mark] = publisher_of(form, Effects())
        return self.publishers[mark]

    def _with_files(self, job: Job) -> Job:
        """The job with local files that are on this machine."""
        here = {file.sha256: self._fetched(file) for file in files_of(job.request) if not is_published(file)}
        return replace(job, request=_moved(job.request, here)) if here else job

    def _fetched(self, file: FileRef) -> FileRef:
        store = LocalOutputs(self.workspace.root, self.workspace.state / "objects", Effects())
        if not store.whole(file.sha256):
            data = queue_store.blob(self.session, file.sha256)
            if data is None:
                raise JobError(f"the local file `{file.path}` is not in the store")
            with store.incoming() as incoming:
                incoming.write(data)
                store.keep(incoming)
        return replace(file, path=str(store.object_path(file.sha256)))


def _step(job: Job, form: Mapping[str, Any]) -> Step:
    """The step of the plan, as far as its account is concerned."""
    return Step(
        job=job,
        action="create",
        external_task_id=external_id(job.project, job.key, job.take, form["attempt"]),
        attempt=form["attempt"],
        reasons=(),
        cost=Cost(None, None, None),
        account=form.get("account", ""),
        follows=form.get("follows", ""),
        asked=form.get("asked", False),
    )


def _ending(record: Record | None, failed: str, desks: AccountPool) -> Ending:
    """How a step ended. What another step or another process made is theirs to count."""
    if failed or record is None or record.state != "succeed":
        return "failed" if failed else "waiting"
    return "reused" if record.external_task_id in desks.at(record.account).context.met else "made"


def _moved(value: Json, here: dict[str, FileRef]) -> Json:
    return map_leaves(value, lambda one: here.get(one.sha256, one) if isinstance(one, FileRef) else one)
