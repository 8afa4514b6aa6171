"""What the jobs of one turn of the event loop write, in one transaction: ended tasks are seen many at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Generic, TypeVar

from kling_pipe.model import Record
from kling_pipe.storage.ledger import Store
from kling_pipe.storage.ledger.reservations import Reservation

Item = TypeVar("Item")
Answer = TypeVar("Answer")


class WriteBatch:
    """Puts, intents and claims, gathered until the loop has asked every job that can go on."""

    def __init__(self, store: Store, saw: Callable[[Mapping[str, int]], None] = lambda _: None) -> None:
        """`saw` is told of the slots that other processes held when this one claimed."""

        def claim_all(wanted: Sequence[tuple[str, Mapping[str, int]]]) -> frozenset[str]:
            claimed = store.claim_all(wanted)
            if claimed.others is not None:
                saw(claimed.others)
            return claimed.names

        self._puts: _Gathered[tuple[Record, bool], None] = _Gathered(store.put_all)
        self._intents: _Gathered[tuple[Record, Reservation | None], Mapping[str, str]] = _Gathered(store.intend)
        self._claims: _Gathered[tuple[str, Mapping[str, int]], frozenset[str]] = _Gathered(claim_all)

    async def put(self, record: Record, *, unlocked: bool = False) -> None:
        """Write a record whatever the present state is. It is written on return. Raises LocalStateError."""
        await self._puts.add((record, unlocked))

    async def intend(self, record: Record, reservation: Reservation | None) -> str:
        """Write an intent with what it reserves. Returns why it was not written, or "". Raises LocalStateError."""
        return (await self._intents.add((record, reservation))).get(record.external_task_id, "")

    async def put_last(self, record: Record) -> None:
        """Write what a job made, its last act. A run that is stopped meanwhile still hears of it, and counts it."""
        writing = self._puts.begun((record, True))
        try:
            await asyncio.shield(writing)
        except asyncio.CancelledError:
            await asyncio.shield(writing)

    async def claim(self, external_task_id: str, pools: Mapping[str, int]) -> bool:
        """Become the one process that works on this task. False: another live one does. Raises LocalStateError."""
        return external_task_id in await self._claims.add((external_task_id, pools))


class _Gathered(Generic[Item, Answer]):
    """Calls `write` once for all that came in one turn."""

    def __init__(self, write: Callable[[Sequence[Item]], Answer]) -> None:
        self._write = write
        self._waiting: list[Item] = []
        self._done: asyncio.Future[Answer] | None = None

    async def add(self, item: Item) -> Answer:
        # Shielded: a job that is cancelled must not take the answer from the others.
        return await asyncio.shield(self.begun(item))

    def begun(self, item: Item) -> asyncio.Future[Answer]:
        """The answer to come, which belongs to everybody."""
        if self._done is None:
            loop = asyncio.get_running_loop()
            self._done = loop.create_future()
            loop.call_soon(self._flush, self._done)
        self._waiting.append(item)
        return self._done

    def _flush(self, done: asyncio.Future[Answer]) -> None:
        waiting, self._waiting, self._done = self._waiting, [], None
        try:
            done.set_result(self._write(waiting))
        except BaseException as error:  # whoever waits is told, or it waits for ever; nobody is when all were cancelled
            done.set_exception(error)
            done.exception()
