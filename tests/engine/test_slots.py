"""Slots: the most urgent first, never more than allowed, narrower after a refusal and wider again."""

import asyncio
import contextlib
import sqlite3
import time
from dataclasses import replace

import pytest
from campaigns import image
from hypothesis import given
from hypothesis import strategies as st

from kling_pipe.engine.commands import at_work, run
from kling_pipe.engine.job_errors import NoRoomError
from kling_pipe.engine.job_runner import run_job
from kling_pipe.engine.slots import Pool, SlotRequest, Slots


def inside(test):
    """Slots set timers, so they live in a loop."""

    async def work():
        test()

    asyncio.run(work())


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


def test_the_most_urgent_of_those_that_wait_goes_first():
    """Equal ones in the order in which they came."""

    def check():
        slots = Slots(lambda _: Pool(1, 1))
        order = []
        for name, priority in (("first", 0), ("dull", 1), ("hot", 9), ("dull too", 1)):
            slots.ask(SlotRequest((("video", 1),), priority), lambda name=name: order.append(name))
        for _ in range(3):
            slots.release(SlotRequest((("video", 1),)))
        assert order == ["first", "hot", "dull", "dull too"]

    inside(check)


def test_what_others_took_meanwhile_is_given_back_and_waited_for():
    """Both processes saw free slots; the claim says that the other one was first. A cool-down goes on."""

    def check():
        slots = Slots(lambda _: Pool(3, 3), others=lambda: {"video": 2}, clock=Clock())
        want, granted = SlotRequest((("video", 1),)), []
        slots._looked = Clock.now
        for number in range(3):
            slots.ask(want, lambda number=number: granted.append(number))
        assert granted == [0, 1, 2]
        slots.saw({"video": 2})
        slots.pool("video").closed_until = Clock.now + 1
        crowded = 0
        while slots.crowded(want):
            slots.give_back(want)
            crowded += 1
        assert (crowded, slots.pool("video").in_use, slots.pool("video").closed_until) == (2, 1, Clock.now + 1)

    inside(check)


@pytest.mark.parametrize("gave", [Slots.give_back, Slots.refused])
def test_what_is_given_back_in_one_account_is_free_in_the_others(gave):
    """`-j 1` over two accounts: nobody else would wake who waits in the second one."""

    def check():
        everyone = [Slots(lambda _: Pool(1, 1), clock=Clock()) for _ in range(2)]
        for slots in everyone:
            slots.share("jobs", everyone)
        want, granted = SlotRequest((("jobs", 1),)), []
        for number, slots in enumerate(everyone):
            slots.ask(want, lambda number=number: granted.append(number))
        everyone[1].ask(SlotRequest((("video", 1), ("jobs", 1))), lambda: granted.append("other"))
        assert granted == [0]
        gave(everyone[0], SlotRequest((("video", 0), ("jobs", 1))))
        assert granted == [0, 1]

    inside(check)


def test_what_waits_for_slots_again_gives_them_back_once(bench):
    """The run is stopped meanwhile; with `-j` over several accounts the others would send too many."""
    bench.faults({"fault": "over_limit", "match": {"method": "POST"}})
    cooling = asyncio.Event()

    def tell(event):
        if event.type == "cooldown":
            cooling.set()

    async def work():
        want = SlotRequest((("image", 1), ("image/kling-v3-omni", 1), ("jobs", 1)))
        async with at_work(bench.workspace, settings=bench.settings, on_event=tell) as desks:
            slots = desks.first.context.slots
            await slots.take(want)
            working = asyncio.create_task(run_job(image("a"), 1, desks.first.context, want))
            await asyncio.wait_for(cooling.wait(), 20)
            slots.stop()
            with pytest.raises(NoRoomError):
                await working
            assert [slots.pool(name).in_use for name, _ in want.pools] == [0, 0, 0]

    asyncio.run(work())


def test_refusals_of_what_was_sent_together_are_one_lesson():
    """Eight at once cool down as long as one; the next burst twice as long."""
    pool = Pool(8)
    pool.in_use = 8
    assert [pool.refused(100.0 + number / 100) for number in range(8)] == [pytest.approx(1 - n / 100) for n in range(8)]
    assert pool.refused(102.0) == 2.0


def test_jobs_of_other_processes_do_not_count_for_j():
    """`-j 1` beside a long run makes one at a time, and does not wait until that one is done."""

    def check():
        slots = Slots(lambda _: Pool(1, 1), others=lambda: {"jobs": 5}, clock=Clock())
        granted = []
        slots.ask(SlotRequest((("jobs", 1),)), lambda: granted.append(1))
        assert granted == [1]
        assert not slots.crowded(SlotRequest((("jobs", 1),)))

    inside(check)


def test_a_task_that_ended_elsewhere_ends_the_cool_down():
    """Kling has room as soon as another process says so."""
    pool = Pool(8)
    pool.others_hold(8)
    pool.refused(100.0)
    pool.others_hold(8)
    assert not pool.has_room(1, 100.5)
    pool.others_hold(7)
    assert pool.has_room(1, 100.5)


@given(st.lists(st.tuples(st.integers(1, 9), st.booleans()), max_size=40), st.integers(1, 9))
def test_never_more_than_the_limit_unless_one_is_heavier_than_it(steps, limit):
    """Weighted tasks come and go."""

    def check():
        slots = Slots(lambda _: Pool(limit, limit))
        held = []
        for weight, end_one in steps:
            want = SlotRequest((("image", weight),))
            slots.ask(want, lambda want=want: held.append(want))
            if end_one and held:
                slots.release(held.pop(0))
            total = sum(one.pools[0][1] for one in held)
            assert total <= limit or len(held) == 1
            assert total == slots.pool("image").in_use

    inside(check)


def test_a_refusal_narrows_and_cools_and_an_end_makes_room_at_once():
    """What was accepted at that moment is the new limit."""

    def check():
        clock = Clock()
        slots = Slots(lambda _: Pool(8, 8), clock=clock)
        want = SlotRequest((("video", 1),))
        taken = []
        for n in range(10):
            slots.ask(want, lambda n=n: taken.append(n))
        assert len(taken) == 8
        for _ in range(3):
            slots.refused(want)
        assert slots.pool("video").limit == 5
        assert len(taken) == 8
        slots.release(want)
        assert len(taken) == 9
        assert slots.learned() == {"video": 5}

    inside(check)


def test_the_limit_grows_again_up_to_what_was_told():
    """Additive, and only after many were accepted."""

    def check():
        clock = Clock()
        slots = Slots(lambda _: Pool(3, 3), clock=clock)
        want = SlotRequest((("video", 1),))
        slots.force(want)
        slots.force(want)
        slots.refused(want)
        assert slots.pool("video").limit == 1
        for _ in range(100):
            slots.accepted(want)
        assert slots.pool("video").limit == 3

    inside(check)


def test_slots_of_other_processes_count():
    """What they hold is not there for us, and they are looked at again."""

    def check():
        clock, held = Clock(), {"video": 4}
        slots = Slots(lambda _: Pool(5, 5), others=lambda: held, clock=clock)
        slots.pool("video")
        taken = []
        for n in range(3):
            slots.ask(SlotRequest((("video", 1),)), lambda n=n: taken.append(n))
        assert taken == [0]
        held.clear()
        clock.now += 1
        slots.grant()
        assert taken == [0, 1, 2]

    inside(check)


def test_a_refusal_that_others_brought_about_does_not_narrow_the_account():
    """What they hold counts as accepted: all share one limit."""

    def check():
        held = {"video": 0}
        slots = Slots(lambda _: Pool(8, 8), others=lambda: held, clock=Clock())
        want = SlotRequest((("video", 1),))
        for _ in range(8):
            slots.ask(want, lambda: None)
        held["video"] = 5  # since the last look
        for _ in range(3):
            slots.refused(want)
        assert slots.pool("video").limit == 8
        held["video"] = 0
        slots.refused(want)
        assert slots.pool("video").limit == 4

    inside(check)


def test_what_was_refused_holds_no_slots_in_the_eyes_of_others(bench):
    """Else two processes that were refused many times would wait for each other."""
    bench.clock(mode="manual")
    plan = bench.offline([image(f"i{n}", f"p {n}") for n in range(14)])

    async def work():
        stop, other = asyncio.Event(), bench.workspace.store()
        running = asyncio.create_task(
            run(plan, bench.workspace, settings=replace(bench.settings, limits={"image": 14}), stop=stop)
        )
        async with asyncio.timeout(10):
            while other.slots_of_others().get("image") != 9:
                await asyncio.sleep(0.02)
        stop.set()
        await running
        other.close()

    asyncio.run(work())
    assert bench.ledger()["in_flight"] == 9


@pytest.fixture
def late(bench):
    """A clock: when the first job looks at it, its slots just granted, another process takes all that there are."""
    other = bench.workspace.store()
    beginning = []

    def clock():
        task = asyncio.current_task() if asyncio._get_running_loop() else None
        if task is not None and "guarded" in repr(task.get_coro()) and not beginning:
            beginning.append(other.claim("of-another-process", {"image/kling-v3-omni": 9}))
        return time.time()

    bench.seams = replace(bench.seams, clock=clock)
    yield other
    other.close()
    assert beginning == [True]


def test_who_finds_the_slots_crowded_waits_until_they_are_not(bench, late):
    """Nothing is sent meanwhile, and nothing is held in the eyes of others."""
    claims = "SELECT count(*) FROM claims WHERE pools = '{}'"

    async def work():
        running = asyncio.create_task(run(plan, bench.workspace, settings=bench.settings, seams=bench.seams))
        async with asyncio.timeout(20):
            with contextlib.closing(sqlite3.connect(late.path)) as ledger:
                while ledger.execute(claims).fetchone() != (3,):
                    await asyncio.sleep(0.02)
            assert (late.slots_of_others(), bench.creates()) == ({}, {})
            late.release("of-another-process")
            late.beat()
            return await running

    plan = bench.offline([image(f"i{n}", f"p {n}") for n in range(3)])
    assert asyncio.run(work()).made == 3


def test_who_waits_for_nothing_does_not_wait_for_crowded_slots(bench, late):
    """A detached run leaves what it could not send to the next one, and sends nothing."""

    async def work():
        settings = replace(bench.settings, detach=True)
        async with asyncio.timeout(20):
            return await run(plan, bench.workspace, settings=settings, seams=bench.seams)

    plan = bench.offline([image(f"i{n}", f"p {n}") for n in range(3)])
    result = asyncio.run(work())
    assert (result.waiting, result.at_kling, result.exit_code) == (3, 0, 75)
    assert {one.message for one in result.outcomes} == {"other processes have taken the slots"}
    assert bench.creates() == {}


def test_nothing_is_granted_after_a_stop():
    """Who waits goes on waiting."""

    def check():
        slots = Slots(lambda _: Pool(1, 1))
        slots.stop()
        slots.ask(SlotRequest((("video", 1),)), lambda: 1 / 0)

    inside(check)


def test_a_cancelled_wait_gives_back_what_it_got():
    """Otherwise a slot would be lost for the rest of the run."""

    async def work():
        slots = Slots(lambda _: Pool(1, 1))
        want = SlotRequest((("video", 1),))
        slots.force(want)
        waiting = asyncio.create_task(slots.take(want))
        await asyncio.sleep(0)
        slots.release(want)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        assert slots.pool("video").in_use == 0

    asyncio.run(work())


def test_a_stop_tells_those_that_try_again():
    """Otherwise a run that halts would wait for them for ever; later ones are told at once."""

    async def work():
        slots = Slots(lambda _: Pool(1, 1))
        want = SlotRequest((("video", 1),))
        slots.force(want)
        waiting = asyncio.create_task(slots.take(want))
        await asyncio.sleep(0)
        slots.stop()
        with pytest.raises(NoRoomError):
            await waiting
        with pytest.raises(NoRoomError):
            await slots.take(want)

    asyncio.run(work())
