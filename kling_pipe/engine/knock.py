"""The cheapest question that needs credentials: is anybody there, and are we let in."""

from __future__ import annotations

from kling_pipe.catalog.operations import operations
from kling_pipe.client import Client, Listed
from kling_pipe.engine.stops import trouble
from kling_pipe.workspace import Workspace


async def knock(workspace: Workspace) -> int:
    """How many tasks one page of one shows, of the operation that costs nothing.

    Raises CredentialsError and Unreachable.
    """
    base_url, credentials = workspace.connection()
    free = next(one for one in operations().values() if one.kling["pool"]["pack"] is None and "list" in one.kling)
    async with Client(base_url, credentials) as client:
        answer = await client.list(free, 1, 1)
    if isinstance(answer, Listed):
        return len(answer.rows)
    raise trouble(answer)
