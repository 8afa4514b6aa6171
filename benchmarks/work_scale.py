"""SCALE: a large campaign through the queue, with workers that are killed and a database that restarts."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import campaigns
from benchmarks.crew import Crew
from benchmarks.figures import Figure, number
from benchmarks.kling import Kling, served
from benchmarks.process import ProcessError, kling_pipe, measured
from benchmarks.server import Database, database
from kling_pipe.emulator import Options


@dataclass(frozen=True, slots=True)
class Size:
    """`jobs` tasks of `seconds` on `slots` of each account; `workers`, one of them killed every `kill_every` seconds.

    That is done `kills` times at most: who is killed before he has begun gets nothing done.
    After so many `minutes` (0: never) the work is ended, and what is done by then is counted. `look` is the time
    between two looks at how far it is.
    """

    jobs: int = 100_000
    workers: int = 4
    slots: int = 400
    seconds: float = 4.0
    concurrency: int = 150
    kill_every: float = 20.0
    kills: int = 1_000_000
    minutes: float = 0.0
    accounts: int = 1
    look: float = 2.0
    takeover: float = 10.0

    @property
    def keys(self) -> tuple[str, ...]:
        """Access and secret keys of the accounts, when there are several."""
        return tuple(f"access{one}:secret{one}" for one in range(self.accounts)) if self.accounts > 1 else ()


QUICK = Size(jobs=16, workers=2, slots=8, seconds=0.3, concurrency=8, kill_every=2.0, kills=1, look=0.5, takeover=2.0)


@dataclass
class _Watch:
    """What was seen while the workers worked."""

    seconds: float = 0.0
    done: int = 0
    kills: int = 0
    restarts: int = 0
    server: float = 0.0


def scale(folder: Path, size: Size) -> Iterator[Figure]:
    """Planned, enqueued and worked off: what was made twice or lost, and what it took."""
    home = folder / "campaign"
    home.mkdir()
    campaigns.by_matrix(home, size.jobs, size.slots)
    options = Options(
        media="tiny",
        media_bytes=1024,
        slots={"video": size.slots},
        task_seconds=size.seconds,
        spread=0.3,
        idle_exit=600,
        keys=size.keys,
    )
    with served(options) as kling, database() as store:
        known = {**kling.environ, **_several(home, kling, size)}
        environ = {**known, "KLING_PIPE_STORE": store.url}
        plan = measured(kling_pipe("plan", "--json"), home, known)
        yield Figure("SCALE", f"plan of {size.jobs:,} jobs", plan.wall, " s", beside=f"{number(plan.megabytes)} MB")
        posted = measured(kling_pipe("run", "-y", "-q", "--detach"), home, environ, code=75)
        rate = f"{number(size.jobs / posted.wall)} a second with the plan, {number(posted.megabytes)} MB"
        yield Figure("SCALE", "into the queue", posted.wall, " s", beside=rate)
        crew = Crew(
            folder, environ, ("--concurrency", str(size.concurrency), "--takeover", str(size.takeover)), _settings(home)
        )
        try:
            seen = _worked_off(crew, store, kling, size)
        finally:
            crew.send_home()
        yield from _figures(seen, crew, store, kling, size)


def _several(home: Path, kling: Kling, size: Size) -> dict[str, str]:
    """Settings that name several accounts, and the environment that holds their keys."""
    found, text = {}, ""
    for one, pair in enumerate(size.keys):
        name = f"ACCOUNT{one}"
        text += f'[accounts.account{one}]\naccess_key_env = "{name}_ACCESS"\nsecret_key_env = "{name}_SECRET"\n'
        text += f'base_url = "{kling.running.base_url}"\nlimits = {{ video = {size.slots} }}\n'
        found[f"{name}_ACCESS"], _, found[f"{name}_SECRET"] = pair.partition(":")
    if text:
        (home / "kling-pipe.toml").write_text(text, encoding="utf-8")
    return found


def _settings(home: Path) -> str:
    file = home / "kling-pipe.toml"
    return file.read_text(encoding="utf-8") if file.exists() else ""


def _worked_off(crew: Crew, store: Database, kling: Kling, size: Size) -> _Watch:
    seen, began = _Watch(), time.monotonic()
    for worker in range(size.workers):
        crew.begin(worker)
    next_kill, next_look = began + size.kill_every, began
    while seen.done < size.jobs and not 0 < 60 * size.minutes < seen.seconds:
        time.sleep(size.look)
        now = time.monotonic()
        seen.seconds = now - began
        if now >= next_kill and seen.kills < size.kills:
            crew.kill(seen.kills % size.workers)
            seen.kills, next_kill = seen.kills + 1, now + size.kill_every
        # So many steps take the database a while to count.
        if now >= next_look or seen.done > 0.9 * size.jobs:
            next_look = now + size.jobs / 10_000
            _look(seen, store, size)
            used = f"CPU so far: database {store.cpu:.0f} s, emulator {kling.cpu():.0f} s"
            print(f"{seen.seconds:6.0f} s {seen.done:7} done; {used}", file=sys.stderr, flush=True)
    crew.dismiss()
    return seen


def _look(seen: _Watch, store: Database, size: Size) -> None:
    half = seen.done >= size.jobs // 2 or 0 < 30 * size.minutes < seen.seconds
    if half and not seen.restarts:
        store.restart()
        seen.restarts = 1
    states = dict(store.rows("SELECT state, count(*) FROM kling_pipe.steps GROUP BY 1"))
    if "failed" in states:
        raise ProcessError(f"steps failed: {states}")
    seen.done = states.get("done", 0)
    seen.server = max(seen.server, store.megabytes)


def _figures(seen: _Watch, crew: Crew, store: Database, kling: Kling, size: Size) -> Iterator[Figure]:
    ledger = kling.ledger()
    creates: dict[str, int] = ledger["creates"]
    files = crew.files("out/**/*.mp4")
    facts = f"{seen.kills} workers killed, {seen.restarts} database restart; ends {sorted(set(crew.ends))}"
    if seen.done < size.jobs:
        facts += f"; ended after {seen.seconds:.0f} s with {seen.done:,} steps done"
    twice = sum(times > 1 for times in creates.values())
    yield Figure("SCALE", f"tasks of {size.jobs:,} made twice", twice, "", 0, beside=facts)
    done = store.rows("SELECT address, external_task_id FROM kling_pipe.steps WHERE state = 'done'")
    lost = sum(name not in creates for _, name in done)
    unsaved = sum(f"out/{address.replace('.', '/', 1)}.mp4" not in files for address, _ in done)
    yield Figure("SCALE", "tasks or files lost", lost + unsaved, "", 0)
    yield Figure("SCALE", "creates sent again for a task that exists", sum(ledger["duplicates_refused"].values()))
    seen.done = len(done)
    rate = f"{number(seen.done / seen.seconds)} jobs a second"
    yield Figure("SCALE", f"{seen.done:,} worked off by {size.workers} workers", seen.seconds, " s", beside=rate)
    for pool, held in sorted(ledger["slots"]["held_ms"].items()):
        share = held / 1000 / (size.slots * seen.seconds)
        name = pool.partition("/")[2] if len(ledger["slots"]["held_ms"]) == 1 else pool
        yield Figure("SCALE", f"slots in use, {name}", share, beside=f"of {size.slots}, from start to end")
    yield from _costs(seen, crew, store, kling, ledger)


def _costs(seen: _Watch, crew: Crew, store: Database, kling: Kling, ledger: dict[str, Any]) -> Iterator[Figure]:
    def each(seconds: float) -> float:
        return 1000 * seconds / seen.done

    beside = f"database {number(each(store.cpu))} ms, emulator {number(each(kling.cpu()))} ms"
    yield Figure("SCALE", "CPU a job, workers", each(crew.cpu), " ms", beside=beside)
    requests = sum(ledger["requests"]["kinds"].values()) / seen.done
    yield Figure("SCALE", "requests a job", requests)
    memory = f"database {number(seen.server)} MB, emulator {number(kling.megabytes())} MB"
    yield Figure("SCALE", "largest worker", crew.megabytes, " MB", beside=memory)
