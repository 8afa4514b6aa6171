"""Waiting, from any machine, for what workers have to do."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection

from kling_pipe.engine.fleet import queue_store
from kling_pipe.engine.workspace import Workspace
from kling_pipe.errors import StillRunning
from kling_pipe.storage.effects import Effects
from kling_pipe.storage.ledger.pg_connection import PgConnection

_EVERY = 1.0


def wait_until_done(
    workspace: Workspace,
    project: str,
    addresses: Collection[str] | None = None,
    *,
    timeout: float | None = None,
    told: Callable[[int], None] = lambda _: None,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Wait until workers have ended all queued steps of a project, or those at `addresses`, made or failed.

    `told` is called with the number of steps whenever it is another one. Raises StillRunning after `timeout` seconds.
    """
    session = PgConnection(workspace.database, Effects())
    began, last = clock(), 0
    try:
        while left := queue_store.left(session, workspace.queue, project, addresses):
            if left != last:
                told(left)
            last = left
            rest = None if timeout is None else timeout - (clock() - began)
            if rest is not None and rest <= 0:
                steps = "1 step is" if left == 1 else f"{left} steps are"
                hint = "the workers go on without this command; `kling-pipe wait` waits again"
                raise StillRunning(f"{steps} not done yet", hint=hint)
            sleep(_EVERY if rest is None else min(_EVERY, rest))
    finally:
        session.close()
