"""Jobs of one process that wait for each other, and a process that notices that it stood still."""

import asyncio
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kling_pipe.engine.job_errors import NoRoomError
from kling_pipe.engine.pause_detection import STILL, Pulse
from kling_pipe.engine.waits import Waits

JOBS = st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 4), st.booleans()), max_size=12)


@settings(deadline=None)
@given(JOBS)
def test_no_two_are_inside_under_one_name_and_everybody_gets_there(jobs):
    """Whoever is cancelled, before or inside, passes the turn on."""
    inside: Counter[str] = Counter()
    ended = []

    async def work(waits, number, name, rounds):
        async with waits.alone(name, lambda: None):
            inside[name] += 1
            try:
                assert inside[name] == 1
                for _ in range(rounds):
                    await asyncio.sleep(0)
                ended.append(number)
            finally:
                inside[name] -= 1

    async def everybody():
        waits = Waits()
        tasks = [
            asyncio.create_task(work(waits, number, name, rounds)) for number, (name, rounds, _) in enumerate(jobs)
        ]
        for _ in range(3):
            await asyncio.sleep(0)
        for task, (_, _, is_cancelled) in zip(tasks, jobs, strict=True):
            if is_cancelled:
                task.cancel()
        async with asyncio.timeout(5):
            found = await asyncio.gather(*tasks, return_exceptions=True)
        assert not [one for one in found if one is not None and not isinstance(one, asyncio.CancelledError)]
        async with waits.alone("a", pytest.fail), waits.alone("b", pytest.fail):
            pass

    asyncio.run(everybody())
    assert {number for number, (_, _, is_cancelled) in enumerate(jobs) if not is_cancelled} <= set(ended)


def test_an_end_lets_go_of_those_who_wait_and_of_nobody_else():
    """Now and later; who is inside goes on."""

    async def work():
        waits, told = Waits(), []

        async def second():
            async with waits.alone("a", lambda: told.append("waits")):
                pass

        async with waits.alone("a", pytest.fail):
            waiting = asyncio.create_task(second())
            pausing = asyncio.create_task(waits.until(asyncio.sleep(60)))
            await asyncio.sleep(0)
            waits.close()
            for one in (waiting, pausing, waits.until(asyncio.sleep(60))):
                with pytest.raises(NoRoomError):
                    await one
        async with waits.alone("a", pytest.fail):
            return told

    assert asyncio.run(work()) == ["waits"]


def test_a_pulse_tells_when_the_process_stood_still():
    """As long as it is watched, and no longer than it is asked for."""
    now = [100.0]

    async def work():
        pulse = Pulse(lambda: now[0])
        with pulse.watched():
            since = pulse.now()
            assert not pulse.stood_still(since)
            now[0] += 2 * STILL
            assert (pulse.stood_still(since), pulse.stood_still(since, 3 * STILL)) == (True, False)
            assert not pulse.stood_still(pulse.now())
            now[0] += STILL / 2
            assert not pulse.stood_still(since + 2 * STILL)
        now[0] += 60
        with pulse.watched():
            assert not pulse.stood_still(pulse.now() - 1)

    asyncio.run(work())
