"""The script that people write instead: async HTTP, a semaphore per pool, polling by lists. No ledger, no checks.

`python -m benchmarks.handwritten LIBRARY tasks.json OUT SLOTS INTERVAL`. It creates each task once and hopes; a kill
makes it start over and pay again. It is as fast as a client can be made in an afternoon: the bar for speed.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import sys
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Protocol


class Transport(Protocol):
    """Two calls are all that the script needs."""

    async def call(self, method: str, path: str, body: Any = None) -> Any: ...

    async def download(self, url: str) -> bytes: ...


class Httpx:
    """httpx, or httpx2, with few connections: one large pool is slow."""

    def __init__(self, library: str, base_url: str, api_key: str) -> None:
        http = importlib.import_module(library)
        headers = {"Authorization": f"Bearer {api_key}"}
        limits = http.Limits(max_connections=32, max_keepalive_connections=32)
        self.client = http.AsyncClient(
            base_url=base_url, headers=headers, limits=limits, timeout=60, verify=False, trust_env=False
        )
        self.turns = asyncio.Semaphore(28)

    async def call(self, method: str, path: str, body: Any = None) -> Any:
        if method == "GET":  # polls do not queue behind creates and downloads
            return (await self.client.get(path)).json()
        async with self.turns:
            return (await self.client.request(method, path, json=body)).json()

    async def download(self, url: str) -> bytes:
        async with self.turns:
            content: bytes = (await self.client.get(url)).content
        return content


class Aiohttp:
    """aiohttp."""

    def __init__(self, base_url: str, api_key: str) -> None:
        aiohttp = importlib.import_module("aiohttp")

        headers = {"Authorization": f"Bearer {api_key}"}
        self.session = aiohttp.ClientSession(base_url, headers=headers, connector=aiohttp.TCPConnector(limit=64))

    async def call(self, method: str, path: str, body: Any = None) -> Any:
        async with self.session.request(method, path, json=body) as answer:
            return await answer.json()

    async def download(self, url: str) -> bytes:
        async with self.session.get(url) as answer:
            content: bytes = await answer.read()
        return content


class Script:
    """One run over the list of tasks."""

    def __init__(self, transport: Transport, out: Path, slots: int, interval: float) -> None:
        self.transport, self.out, self.slots, self.interval = transport, out, slots, interval
        self.pools: dict[str, asyncio.Semaphore] = {}
        self.done: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self.watched: dict[str, dict[str, asyncio.Future[dict[str, Any]]]] = {}

    async def run(self, forms: list[dict[str, Any]]) -> None:
        loop = asyncio.get_running_loop()
        self.done = {form["address"]: loop.create_future() for form in forms}
        self.pools = {form["pool"]: asyncio.Semaphore(self.slots) for form in forms if form["pool"]}
        self.watched = {form["path"]: {} for form in forms}
        polls = [asyncio.create_task(self.poll(path)) for path in self.watched]
        await asyncio.gather(*map(self.one, forms))
        for poll in polls:
            poll.cancel()

    async def one(self, form: dict[str, Any]) -> None:
        made = {need: await asyncio.shield(self.done[need]) for need in form["needs"]}
        async with self.pools.get(form["pool"]) or nullcontext():
            body = {**filled(form["body"], made), "external_task_id": form["external_task_id"]}
            answer = await self.transport.call("POST", form["path"], body)
            task_id = answer["data"]["task_id"]
            ended = self.watched[form["path"]][task_id] = asyncio.get_running_loop().create_future()
            result = (await ended)["task_result"][form["result"]][0]
        self.done[form["address"]].set_result(result)
        if result.get("url"):
            (self.out / f"{form['external_task_id']}.bin").write_bytes(await self.transport.download(result["url"]))

    async def poll(self, path: str) -> None:
        watched = self.watched[path]
        pause, most = self.interval, 0
        while True:
            await asyncio.sleep(pause)
            began = time.monotonic()
            # Before a slow task of the first burst stand its siblings and all that were sent meanwhile.
            most = max(most, len(watched) * 5 // 2 + 8)
            for start in range(0, most if watched else 0, 500):
                query = f"pageNum={1 + start // 500}&pageSize={min(most, 500)}"
                self.note(watched, (await self.transport.call("GET", f"{path}?{query}"))["data"])
            pause = max(self.interval, 2 * (time.monotonic() - began))

    def note(self, watched: dict[str, asyncio.Future[dict[str, Any]]], tasks: list[dict[str, Any]]) -> None:
        for task in tasks:
            if task["task_status"] in ("succeed", "failed") and (future := watched.pop(task["task_id"], None)):
                future.set_result(task)


def filled(value: Any, made: dict[str, dict[str, Any]]) -> Any:
    """A body with the results of other tasks in place."""
    if isinstance(value, dict):
        if "$ref" in value:
            result = made[value["$ref"]]
            return result.get("element_id") or result["url"]
        return {name: filled(item, made) for name, item in value.items()}
    return [filled(item, made) for item in value] if isinstance(value, list) else value


async def main(library: str, tasks: str, out: str, slots: str, interval: str) -> None:
    base_url, api_key = os.environ["KLING_BASE_URL"], os.environ["KLING_API_KEY"]
    transport: Transport = Aiohttp(base_url, api_key) if library == "aiohttp" else Httpx(library, base_url, api_key)
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    await Script(transport, folder, int(slots), float(interval)).run(
        json.loads(Path(tasks).read_text(encoding="utf-8"))
    )
    os._exit(0)  # as quick as it gets: no connections are closed


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
