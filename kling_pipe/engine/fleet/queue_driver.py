"""The queue's two connections: one for its statements, one that listens.

On a single one every statement would wait for the listener, which holds the connection for up to a second at a time.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

import psycopg
from pgqueuer import PsycopgDriver

from kling_pipe.storage.ledger.pg_connection import SCHEMA


class QueueDriver(PsycopgDriver):
    """A driver whose listening is done by another. `lost` is set once the database cannot be reached over it."""

    def __init__(self, connection: psycopg.AsyncConnection, ear: PsycopgDriver) -> None:
        super().__init__(connection)
        self._ear = ear
        self.lost = asyncio.Event()

    async def fetch(self, query: str, *args: object) -> list[dict[str, object]]:
        """Run a statement and give its rows."""
        async with self._noticed():
            return await super().fetch(query, *args)

    async def execute(self, query: str, *args: object) -> str:
        """Run a statement and give its status."""
        async with self._noticed():
            return await super().execute(query, *args)

    async def add_listener(self, channel: str, callback: Callable[[str | bytes | bytearray], None]) -> None:
        """Listen, on the other line."""
        await self._ear.add_listener(channel, callback)

    async def remove_listener(self, channel: str, callback: Callable[[str | bytes | bytearray], None]) -> None:
        """Listen no more."""
        await self._ear.remove_listener(channel, callback)

    @contextlib.asynccontextmanager
    async def _noticed(self) -> AsyncIterator[None]:
        try:
            yield
        except (psycopg.OperationalError, psycopg.InterfaceError):
            self.lost.set()
            await self._connection.close()  # or a later statement could say what an earlier one could not
            raise


@contextlib.asynccontextmanager
async def connected(url: str) -> AsyncIterator[QueueDriver]:
    """Both lines, as long as the block lasts."""
    async with _line(url) as mouth, _line(url) as ear, PsycopgDriver(ear) as listening:
        yield QueueDriver(mouth, listening)


@contextlib.asynccontextmanager
async def _line(url: str) -> AsyncIterator[psycopg.AsyncConnection]:
    options = f"-c search_path={SCHEMA},public"
    connection = await psycopg.AsyncConnection.connect(url, autocommit=True, options=options, connect_timeout=5)
    try:
        yield connection
    finally:
        with contextlib.suppress(psycopg.Error):
            await connection.close()
