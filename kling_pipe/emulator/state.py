"""The state of the emulated Kling: its tasks, accounts, slots and clock. Knows no HTTP and no operation by name."""

from __future__ import annotations

import heapq
import secrets
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from kling_pipe.catalog.operations import Operation
from kling_pipe.emulator import elements, pack_listing, request_rules, uploaded_media
from kling_pipe.emulator.accounts import Account, accounts, share
from kling_pipe.emulator.answers import Refusal
from kling_pipe.emulator.clock import Clock
from kling_pipe.emulator.counters import Counters
from kling_pipe.emulator.index import Index
from kling_pipe.emulator.options import Options
from kling_pipe.emulator.request_rules import LENGTHS
from kling_pipe.emulator.sessions import Sessions
from kling_pipe.emulator.signed_urls import SignedUrls
from kling_pipe.emulator.slot_usage import SlotUsage
from kling_pipe.emulator.state_db import StateDb
from kling_pipe.emulator.task import Task
from kling_pipe.emulator.task_outcome import PLAIN, Extra, Order, settled

NEVER = 1 << 60
"""A time (ms) that does not come."""


@dataclass(slots=True)
class State:
    """One emulator's state. `state` is its folder; use `open_world`."""

    state: Path
    options: Options
    operations: Mapping[str, Operation]
    storage: StateDb
    clock: Clock
    accounts: tuple[Account, ...]
    links: SignedUrls
    index: Index
    slots: SlotUsage
    sessions: Sessions
    tally: Counters = field(default_factory=Counters)
    billed: dict[str, dict[str, float]] = field(default_factory=dict)
    changes: deque[tuple[Task, int]] = field(default_factory=deque)
    due: list[tuple[int, int, Task]] = field(default_factory=list)
    version: int = 0
    era: int = 0
    next_seq: int = 1
    newest: Task = field(init=False)

    @property
    def blobs(self) -> Path:
        """Where pictures that came inside requests are kept."""
        return self.state / "blobs"

    def create(self, account: str, operation: Operation, body: dict[str, Any], extra: Extra = PLAIN) -> Task:
        """Accept a request, or raise Refusal. The task is stored when this returns."""
        now = self.advance()
        kinds = elements.kinds(self.index, account, operation, body)
        # A prompt of the second standard may be longer; what that allows was checked there.
        allowed = LENGTHS if extra.form else ()
        request_rules.validate(operation, body, kinds, strict=self.options.strict, allowed=allowed)
        whole = self.sessions.completed(account, operation, body, now)
        kept = uploaded_media.taken_out(self.blobs, operation, whole)
        elements.must_exist(self.index, account, operation, kept, now)
        self._must_be_new(account, str(kept.get("external_task_id") or ""), now)
        order = Order(self.next_seq, account, operation, kept, now, extra)
        task = settled(order, self.options, self.index, self.blobs)
        self._must_be_paid_for(task)
        if task.slot:
            self.slots.take(task.slot, task.pack, task.weight, now)
        self.storage.put(task)
        self.next_seq += 1
        self._take_in(task)
        self._tell(task, now)
        return task

    def delete(self, task: Task) -> None:
        """Delete the element or voice that a task made."""
        task.deleted_at, task.cached = self.clock.now(), ("", 0, "")
        self.storage.put(task)
        self.version += 1

    def forget(self, pattern: str, *, free_ids: bool = False) -> int:
        """Drop the records of tasks by external id (`*` and `?`), and with `free_ids` the ids too; return how many."""
        forgotten = [task for task in self.index.all() if fnmatchcase(task.external_id, pattern)]
        for task in forgotten:
            task.visible_at, task.refuses_duplicates = NEVER, not free_ids
            self.index.hide(task)
            self.storage.put(task)
        self.version += 1
        return len(forgotten)

    def advance(self) -> int:
        """Let everything happen that is due by now; the present moment in ms."""
        now = self.clock.now()
        while self.due and self.due[0][0] <= now:
            moment, _, task = heapq.heappop(self.due)
            if moment >= task.done_at:
                self._end(task, moment)
            self._tell(task, moment)
            self.version += 1
        return now

    def next_due(self) -> int | None:
        """When something happens next (ms), or None."""
        return self.due[0][0] if self.due else None

    def packs(self, account: str) -> list[dict[str, Any]]:
        """The account's resource packs as the costs endpoint lists them."""
        return pack_listing.packs(self.options, account, self.billed.get(account, {}), self.clock.now())

    def reset(self) -> None:
        """Forget every task, count and change; keys, options and the clock stay, and ids are never used again."""
        self.storage.clear()
        self.storage.set("next_seq", self.next_seq)
        self.index, self.tally = Index(), Counters()
        self.slots = SlotUsage(self.options.slots, self.options.over_limit_http)
        self.billed.clear()
        self.changes.clear()
        self.due.clear()
        self.links.spoiled.clear()
        self.sessions.clear()
        self.version += 1
        self.era += 1

    def close(self) -> None:
        """Store the counts and free the folder."""
        self.storage.set("tally", self.tally.saved())
        self.storage.close()

    def load(self) -> None:
        """Take in what the folder holds."""
        self.next_seq = self.storage.get("next_seq") or 1
        for task in self.storage.tasks():
            self.next_seq = task.seq + 1
            self._take_in(task, back=True)

    def _tell(self, task: Task, moment: int) -> None:
        if task.body.get("callback_url"):
            self.changes.append((task, moment))

    def _take_in(self, task: Task, *, back: bool = False) -> None:
        now = self.clock.now()
        self.index.add(task)
        self.newest = task
        self.version += 1
        if back and now >= task.done_at:
            self._bill(task)
            return
        if back and task.slot:
            self.slots.restore(task.slot, task.weight, now)
        for moment in (task.started_at, task.done_at):
            heapq.heappush(self.due, (moment, task.seq, task))

    def _end(self, task: Task, moment: int) -> None:
        if task.slot:
            self.slots.free(task.slot, task.weight, moment)
        self._bill(task)

    def _bill(self, task: Task) -> None:
        if task.pack and not task.failure:
            packs = self.billed.setdefault(task.account, {})
            packs[task.pack] = round(packs.get(task.pack, 0.0) + float(task.units), 6)

    def _must_be_new(self, account: str, external_id: str, now: int) -> None:
        owner = self.index.owner(account, external_id)
        if owner is None or self.options.accept_duplicates:
            return
        if self.options.reuse_failed_ids and owner.failure and now >= owner.done_at:
            return
        if owner.visible_at > now and not owner.refuses_duplicates:
            return
        self.tally.duplicates[external_id] += 1
        code = self.options.taken_id_code
        message = f"external_task_id value '{external_id}' is invalid: a task with it already exists"
        raise Refusal(code, message if code == Options().taken_id_code else "")

    def _must_be_paid_for(self, task: Task) -> None:
        """Refusal 1102 when the pack could not pay for this task beside those that still run."""
        units = share(self.options.packs, task.account, task.pack)
        if units is None:
            return
        running = sum(float(other.units) for _, _, other in self._running(task.account, task.pack))
        spent = self.billed.get(task.account, {}).get(task.pack, 0.0)
        if spent + running + float(task.units) > units:
            raise Refusal(1102)

    def _running(self, account: str, pack: str) -> list[tuple[int, int, Task]]:
        ends = (entry for entry in self.due if entry[0] == entry[2].done_at and not entry[2].failure)
        return [entry for entry in ends if entry[2].account == account and entry[2].pack == pack]


def open_world(state: Path, options: Options, operations: Mapping[str, Operation], clock: Clock | None = None) -> State:
    """The world that a folder holds, made on first use. Raises LocalStateError when another server has it."""
    storage = StateDb(state)
    key = storage.get("key") or secrets.token_hex(32)
    storage.set("key", key)
    clock = clock or Clock()
    if saved := storage.get("clock"):
        clock.restore(saved)
    world = State(
        state=state,
        options=options,
        operations=operations,
        storage=storage,
        clock=clock,
        accounts=accounts(state, options.keys),
        links=SignedUrls(bytes.fromhex(key), set()),
        index=Index(),
        slots=SlotUsage(options.slots, options.over_limit_http),
        sessions=Sessions(storage),
    )
    world.tally.restore(storage.get("tally") or {})
    world.load()
    return world
