"""Processes: state that outlives a kill, one server per folder, joining and starting in the background."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from kling_pipe.catalog import operations
from kling_pipe.emulator import Options, credentials, ensure
from kling_pipe.emulator import options as options_module
from kling_pipe.emulator.state import open_world
from kling_pipe.emulator.state_db import VERSION, StateDb
from kling_pipe.emulator.testing import build_app
from kling_pipe.errors import LocalStateError
from tests.emulator.conftest import VIDEO, clip, started

SERVE = [sys.executable, "-m", "kling_pipe.emulator", "--media", "tiny"]


def client(found):
    headers = {"Authorization": f"Bearer {found.api_key}"}
    return httpx.Client(base_url=found.base_url, headers=headers, trust_env=False, timeout=100)


def wait_until(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture
def background(tmp_path):
    """A state folder whose background server is ended after the test, by its own process id."""
    state = tmp_path / "state"
    yield state
    try:
        os.kill(json.loads((state / "server.json").read_text())["pid"], signal.SIGTERM)
    except (OSError, ValueError):
        return
    wait_until(lambda: not (state / "server.json").exists())


def test_an_answered_create_survives_a_kill(background):
    """kill -9 right after the answer; the next server has the task, its id and its place in time."""
    first = ensure(background, media="tiny", idle_exit=30)
    with client(first) as http:
        made = http.post(VIDEO, json=clip("one")).json()["data"]
    os.kill(first.pid, signal.SIGKILL)
    second = ensure(background, media="tiny", idle_exit=30)
    assert second.pid != first.pid
    assert (second.access_key, second.secret_key) == (first.access_key, first.secret_key)
    with client(second) as http:
        again = http.get(f"{VIDEO}/one").json()["data"]
        assert (again["task_id"], again["created_at"]) == (made["task_id"], made["created_at"])
        assert http.post(VIDEO, json=clip("one")).json()["code"] == 1201
        assert http.post(VIDEO, json=clip("two")).json()["data"]["task_id"] != made["task_id"]


def test_many_may_ask_for_a_server_at_once(background):
    """One server comes up, and all get the same."""
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: ensure(background, idle_exit=30), range(4)))
    assert len({(one.base_url, one.pid) for one in found}) == 1


def test_a_stale_note_of_a_dead_server_is_replaced(background):
    """Even when something else answers at its address."""
    with started() as other:
        background.mkdir()
        note = {"base_url": other.running.base_url, "pid": 1}
        (background / "server.json").write_text(json.dumps(note))
        found = ensure(background, idle_exit=30)
        assert found.base_url != other.running.base_url
    (background / "server.json").read_text()


def test_a_server_ends_by_itself_when_nobody_needs_it(tmp_path):
    """After its last task, too; and it takes its note with it."""
    found = ensure(tmp_path, media="tiny", idle_exit=0.3, task_seconds=0.1)
    with client(found) as http:
        http.post(VIDEO, json=clip("one"))
    wait_until(lambda: not (tmp_path / "server.json").exists())


def test_a_server_does_not_end_while_a_task_runs(tmp_path):
    """However long nobody asks; once the task has ended, the quiet seconds count."""

    async def story():
        options = Options(media="tiny", idle_exit=1, task_seconds=1000)
        world = open_world(tmp_path, options, operations.operations())
        seconds, looked, ended = [0.0], asyncio.Event(), asyncio.Event()

        def clock():
            looked.set()
            return seconds[0]

        async def look(times=3):
            for _ in range(times):
                looked.clear()
                waiting = {asyncio.create_task(one.wait()) for one in (looked, ended)}
                _, left = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                for one in left:
                    one.cancel()

        async with served(build_app(world, on_idle=ended.set, clock=clock)) as app:
            headers = {"Authorization": f"Bearer {world.accounts[0].api_key}"}
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=transport, base_url="http://kling", headers=headers) as http:
                (await http.post(VIDEO, json=clip("one"))).raise_for_status()
            seconds[0] += 500
            await look()
            assert not ended.is_set()
            world.clock.advance(2000)
            await ended.wait()

    asyncio.run(story())


@contextlib.asynccontextmanager
async def served(app):
    """An application between its start and its stop, as a server has it."""
    told, said = asyncio.Queue(), asyncio.Queue()
    life = asyncio.create_task(app({"type": "lifespan"}, told.get, said.put))
    await told.put({"type": "lifespan.startup"})
    await said.get()
    yield app
    await told.put({"type": "lifespan.shutdown"})
    await life


def test_a_second_server_on_a_folder_is_refused(tmp_path):
    """With exit code 74 and the next step."""
    with started(tmp_path):
        done = subprocess.run([*SERVE, "--state", tmp_path], capture_output=True, text=True, check=False)
    assert done.returncode == 74
    assert "another emulator already runs" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_taken_port_is_a_clear_error(tmp_path):
    """Also 74."""
    with started() as kling:
        port = kling.running.base_url.rpartition(":")[2]
        done = subprocess.run([*SERVE, "--port", port], capture_output=True, text=True, check=False)
    assert (done.returncode, "cannot listen" in done.stderr) == (74, True)


def test_a_newer_folder_is_refused(tmp_path):
    """Never read as if it were empty, never written."""
    storage = StateDb(tmp_path)
    storage._db.execute(f"PRAGMA user_version={VERSION + 1}")
    storage.close()
    with pytest.raises(LocalStateError, match="newer"):
        StateDb(tmp_path)


def test_serve_prints_how_to_reach_it():
    """Four lines for a shell; a signal ends it."""
    with subprocess.Popen(SERVE, stdout=subprocess.PIPE, text=True) as process:
        lines = [process.stdout.readline() for _ in range(5)]
        values = dict(line.removeprefix("export ").strip().split("=", 1) for line in lines[:4])
        answer = httpx.get(
            f"{values['KLING_BASE_URL']}{VIDEO}",
            headers={"Authorization": f"Bearer {values['KLING_API_KEY']}"},
            trust_env=False,
        )
        assert answer.json()["code"] == 0
        process.terminate()
        assert process.wait(10) in {0, -signal.SIGTERM, 143}


def test_time_and_counts_go_on_after_a_clean_stop(tmp_path):
    """The clock keeps its mode and moment, the ledger its counts."""
    with started(tmp_path, media="tiny") as kling:
        kling.post(VIDEO, clip("one"))
        kling.post(VIDEO, clip("one"))
        kling.advance(3600)
        before = kling.ledger()
    with started(tmp_path, media="tiny") as kling:
        after = kling.ledger()
        assert 3_600_000 > after["now"] - before["now"] >= 0
        assert after["duplicates_refused"] == {"one": 1}
        assert after["units"] == before["units"] == {"video": 1.8}


def test_a_result_can_be_fetched_after_a_restart_on_another_port(tmp_path):
    """Its link leads to the server that runs now."""
    with started(tmp_path, media="tiny") as kling:
        kling.post(VIDEO, clip("one"))
        kling.advance(10)
        port = int(kling.running.base_url.rpartition(":")[2])
    with socket.create_server(("127.0.0.1", port)), started(tmp_path, media="tiny") as kling:
        url = kling.get(f"{VIDEO}/one")["task_result"]["videos"][0]["url"]
        assert url.startswith(f"{kling.running.base_url}/media/")
        assert kling.http.get(url).status_code == 200


def test_a_running_task_still_holds_its_slot_after_a_restart(tmp_path):
    """What was granted is not granted twice."""
    with started(tmp_path, media="tiny", slots={"video": 1}) as kling:
        kling.post(VIDEO, clip("one"))
    with started(tmp_path, media="tiny", slots={"video": 1}) as kling:
        assert kling.post(VIDEO, clip("two")).json()["code"] == 1303
        kling.advance(10)
        assert kling.post(VIDEO, clip("two")).json()["code"] == 0


def test_credentials_need_no_server(tmp_path):
    """The same for everyone, for ever, and readable by the owner only."""
    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(lambda _: credentials(tmp_path), range(16)))
    assert len(found) == 1
    assert found.pop().secret_key not in repr(credentials(tmp_path))
    assert list(tmp_path.iterdir()) == [tmp_path / "account.json"]
    if os.name != "nt":
        assert (tmp_path / "account.json").stat().st_mode & 0o077 == 0


def test_options_travel_as_text():
    """What `ensure` hands to the process that it starts."""
    changed = Options(speed=3, slots={"video": 2}, keys=["a:b"], strict=True)
    assert options_module.from_json(changed.to_json()) == changed
    assert options_module.from_json(Options().to_json()) == Options()
