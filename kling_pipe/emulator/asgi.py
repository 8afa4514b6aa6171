"""The emulator as an ASGI application: Kling's endpoints, the emulator's own, and what goes on between requests."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable

from starlette.types import ASGIApp, Receive, Scope, Send

from kling_pipe.emulator.admin_api import build_control
from kling_pipe.emulator.callback_sender import CallbackSender
from kling_pipe.emulator.faults import Faults
from kling_pipe.emulator.http_app import HttpApp
from kling_pipe.emulator.renderer import Renderer
from kling_pipe.emulator.state import State

TICK = 0.05
"""Seconds between looks at what is due; only callbacks depend on it, answers never do."""


def build_app(
    world: State, *, on_idle: Callable[[], None] = lambda: None, clock: Callable[[], float] = time.monotonic
) -> ASGIApp:
    """An application that serves a world. `on_idle` is called once `idle_exit` seconds of `clock` went by unused."""
    faults, studio = Faults(), Renderer(world)
    gateway = HttpApp(world, studio, faults, clock)
    control = build_control(world, studio, faults)
    lifespan = _Lifespan(world, studio, CallbackSender(world, faults), gateway, on_idle)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await lifespan(receive, send)
        elif scope["path"].startswith("/_emulator"):
            gateway.last_request = clock()
            await control(scope, receive, send)
        else:
            await gateway(scope, receive, send)

    return app


class _Lifespan:
    """Answers the server's start and stop, and runs the ticker in between."""

    def __init__(
        self, world: State, studio: Renderer, callbacks: CallbackSender, gateway: HttpApp, on_idle: Callable[[], None]
    ) -> None:
        self._world = world
        self._studio = studio
        self._callbacks = callbacks
        self._gateway = gateway
        self._on_idle = on_idle

    async def __call__(self, receive: Receive, send: Send) -> None:
        await receive()
        async with self._running():
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})

    @contextlib.asynccontextmanager
    async def _running(self) -> AsyncIterator[None]:
        ticker = asyncio.create_task(self._tick())
        try:
            yield
        finally:
            ticker.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await ticker
            self._callbacks.close()
            await asyncio.to_thread(self._studio.close)
            self._world.close()

    async def _tick(self) -> None:
        while True:
            self._world.advance()
            self._callbacks.send_due()
            if self._is_idle():
                self._on_idle()
                return
            await asyncio.sleep(TICK)

    def _is_idle(self) -> bool:
        limit = self._world.options.idle_exit
        quiet = self._gateway.clock() - self._gateway.last_request
        return bool(limit) and quiet > limit and not self._is_busy()

    def _is_busy(self) -> bool:
        """Whether a task will end by itself; under a clock that stands still none does."""
        due = self._world.next_due()
        return due is not None and self._world.clock.wait_until(due) is not None
