"""The cheapest question that needs credentials: is anybody there, and are we let in."""

from __future__ import annotations

from kling_pipe.catalog import operations
from kling_pipe.client import Client, Listed, Refused
from kling_pipe.engine.stops import stop_for
from kling_pipe.errors import Unreachable
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
    if isinstance(answer, Refused):
        raise stop_for(answer) or Unreachable(f"Kling refuses a look-up: {answer.code} {answer.message}")
    raise Unreachable(f"Kling cannot be reached: {answer.reason}", hint="Check the network and KLING_BASE_URL.")
