"""What the core needs to work on a job: everything is passed in, nothing is global."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from kling_pipe.catalog.operations import Operation
from kling_pipe.client import Client
from kling_pipe.engine.events import Event, EventType, OnEvent, ignore
from kling_pipe.engine.learned_durations import Durations
from kling_pipe.engine.metrics import Metrics
from kling_pipe.engine.pause_detection import Pulse
from kling_pipe.engine.polling import Poller
from kling_pipe.engine.run_budget import RunBudget
from kling_pipe.engine.run_errors import Stops
from kling_pipe.engine.settings import Settings
from kling_pipe.engine.slots import Slots
from kling_pipe.engine.uploads import Publisher
from kling_pipe.engine.waits import Waits
from kling_pipe.engine.write_batch import WriteBatch
from kling_pipe.model import Job, Record
from kling_pipe.storage.ledger import Store
from kling_pipe.storage.outputs import OutputStore

T = TypeVar("T")
Again = Callable[[int, Store], str]
"""Told the number of one more attempt, and the ledger of its account: why it may not be made, or ""."""

Elsewhere = Callable[[Operation, str], Awaitable[None]]
"""Asks the other accounts for an external id, before a create; raises `FoundElsewhereError` where one has it."""


async def nowhere_else(_operation: Operation, _name: str) -> None:
    """There is one account."""


@dataclass(slots=True)
class Context:
    """One run's parts. `upstream` gives the record of what an address made; `out` is the output folder's name.

    `draft` gives the external id of the approved draft that a job is the final version of, or "". `publisher` hands
    out links to local files; without one Kling gets none of those that it takes by URL only. With several accounts
    `name` is what the settings call this one, `elsewhere` is called before each create, and `beside` holds the parts
    of every account by its id. `met` are the external ids of tasks that another run made while this one wanted to:
    they are that run's to count. `spending` is what this run may send. `waits` keeps the jobs of this process off each
    other. `looked` says when an external id was looked up and not found, on the clock of `pulse`.
    """

    client: Client
    store: Store
    outputs: OutputStore
    slots: Slots
    poller: Poller
    durations: Durations
    settings: Settings
    clock: Callable[[], float]
    sleep: Callable[[float], Awaitable[None]]
    upstream: Callable[[str], Record | None] = lambda _: None
    draft: Callable[[Job], str] = lambda _: ""
    out: str = "out"
    emulated: bool = False
    on_event: OnEvent = ignore
    stops: Stops = field(default_factory=Stops)
    meter: Metrics = field(default_factory=Metrics)
    publisher: Publisher | None = None
    name: str = ""
    elsewhere: Elsewhere = nowhere_else
    beside: Mapping[str, Context] = field(default_factory=dict)
    met: set[str] = field(default_factory=set)
    spending: RunBudget = field(default_factory=RunBudget)
    waits: Waits = field(default_factory=Waits)
    pulse: Pulse = field(default_factory=Pulse)
    looked: dict[str, float] = field(default_factory=dict)
    withdrawn: Callable[[], bool] = lambda: False
    turn: WriteBatch = field(init=False)

    def __post_init__(self) -> None:
        self.turn = WriteBatch(self.store, self.slots.saw)

    def at(self, account: str) -> Context:
        """The parts for what lives in an account: one's own, unless it is another of the run's."""
        return self.beside.get(account, self)

    async def stored(self, action: Callable[..., T], *arguments: Any) -> T:
        """The answer of a method of `outputs`, in a thread: nobody else waits for a disk or a bucket."""
        return await asyncio.to_thread(action, *arguments)

    def tell(self, type_: EventType, record: Record, **data: Any) -> None:
        """Report what happened to a record's job."""
        facts = {"external_task_id": record.external_task_id, "task_id": record.task_id, "attempt": record.attempt}
        where = {"account": self.name} if self.name else {}
        self.on_event(Event(type_, record.address, self.clock(), {**facts, **where, **data}))
