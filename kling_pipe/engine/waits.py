"""What jobs of one process wait for before they send anything: for each other, for slots, for other processes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeVar

from kling_pipe.engine.job_errors import NoRoomError

T = TypeVar("T")


class Waits:
    """Lets one job at a time work on an external id, and ends all waiting at once when this process is to end.

    A claim tells processes apart, and no more: two jobs of one process both have it.
    """

    def __init__(self) -> None:
        self._turns: dict[str, list[asyncio.Future[None]]] = {}
        self._ending: set[asyncio.Future[None]] = set()
        self._closed = False

    @contextlib.asynccontextmanager
    async def alone(self, name: str, on_wait: Callable[[], object]) -> AsyncIterator[bool]:
        """While inside, no other job of this process is inside with the same name. Gives whether it had to wait.

        `on_wait` is called before it waits. Who is cancelled, inside or while it waits, passes the turn on. Raises
        NoRoomError once closed, if it would have to wait.
        """
        queue = self._turns.setdefault(name, [])
        mine: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        queue.append(mine)
        has_waited = queue[0] is not mine
        try:
            if has_waited:
                on_wait()
                await self.until(mine)
            yield has_waited
        finally:
            self._pass_on(name, mine)

    def _pass_on(self, name: str, mine: asyncio.Future[None]) -> None:
        queue = self._turns[name]
        queue.remove(mine)
        if not queue:
            del self._turns[name]
        elif not queue[0].done():
            queue[0].set_result(None)

    async def until(self, awaited: Awaitable[T]) -> T:
        """What is waited for. Raises NoRoomError, and cancels it, once closed."""
        waiting = asyncio.ensure_future(awaited)
        ending: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._ending.add(ending)
        if self._closed:
            ending.set_result(None)
        try:
            futures: set[asyncio.Future[Any]] = {waiting, ending}
            await asyncio.wait(futures, return_when=asyncio.FIRST_COMPLETED)
            if not waiting.done():
                raise NoRoomError("the process ends")
            return await waiting
        finally:
            self._ending.discard(ending)
            waiting.cancel()
            ending.cancel()

    def close(self) -> None:
        """End all waiting, now and later."""
        self._closed = True
        for ending in self._ending:
            if not ending.done():
                ending.set_result(None)
