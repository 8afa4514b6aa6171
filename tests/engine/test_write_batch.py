"""What many jobs write in one turn of the loop is one transaction, and each of them learns how it went."""

import asyncio
from dataclasses import replace

import pytest

from kling_pipe.engine.write_batch import WriteBatch
from kling_pipe.errors import LocalStateError
from kling_pipe.model import Record
from kling_pipe.storage.effects import Effects
from kling_pipe.storage.ledger import SqliteStore

RECORD = Record("kp1-p-1", "p", "k" * 64, 1, 1, "omni-image", "me", "intent", address="image.a")


class Counted(Effects):
    """How many transactions ended."""

    commits = 0

    def observe(self, name, phase):
        self.commits += (name, phase) == ("commit", "before")


@pytest.fixture
def effects():
    return Counted()


@pytest.fixture
def store(tmp_path, effects):
    opened = SqliteStore(tmp_path / "ledger.sqlite", "me", effects=effects)
    effects.commits = 0
    yield opened
    opened.close()


def record(number):
    return replace(RECORD, external_task_id=f"kp1-p-{number}", take=number)


def test_a_hundred_intents_of_one_turn_are_one_commit(store, effects):
    """And each is in the ledger when its job goes on."""

    async def job(turn, number):
        await turn.put(record(number))
        assert store.get(f"kp1-p-{number}") is not None

    async def work():
        turn = WriteBatch(store)
        await asyncio.gather(*(job(turn, number) for number in range(100)))

    asyncio.run(work())
    assert effects.commits == 1
    assert len(store.records()) == 100


def test_a_later_turn_is_a_later_commit(store, effects):
    """Nothing waits for company."""

    async def work():
        turn = WriteBatch(store)
        await turn.put(record(1))
        await turn.put(record(2))

    asyncio.run(work())
    assert effects.commits == 2


def test_a_job_that_is_cancelled_meanwhile_costs_nobody_a_record(store):
    """Its own record is written as well: the POST may follow from another process's reading."""

    async def work():
        turn = WriteBatch(store)
        first, second = (asyncio.ensure_future(turn.put(record(number))) for number in (1, 2))
        await asyncio.sleep(0)
        first.cancel()
        await second
        assert first.cancelled()

    asyncio.run(work())
    assert len(store.records()) == 2


def test_what_is_stopped_while_its_last_words_are_written_still_hears_of_them(store):
    """It is in the ledger as made and saved: were it not counted by this run, then by none."""

    async def work():
        turn = WriteBatch(store)
        job = asyncio.ensure_future(turn.put_last(record(1)))
        await asyncio.sleep(0)
        job.cancel()
        await job

    asyncio.run(work())
    assert store.unlocked() == {"kp1-p-1"}


def test_claims_of_one_turn_are_answered_one_by_one(store, tmp_path):
    """Another live process has one of them."""
    other = SqliteStore(tmp_path / "ledger.sqlite", "me")
    other.claim("b", {})

    async def work():
        turn = WriteBatch(store)
        return await asyncio.gather(*(turn.claim(name, {}) for name in "abc"))

    assert asyncio.run(work()) == [True, False, True]
    other.close()


def test_everybody_learns_that_nothing_could_be_written(store, tmp_path):
    """Also the ones that nobody waits for any more: no warning of a lost exception."""
    store.close()

    async def work():
        turn = WriteBatch(store)
        jobs = [asyncio.ensure_future(turn.put(record(number))) for number in range(3)]
        await asyncio.sleep(0)
        jobs[0].cancel()
        return await asyncio.gather(*jobs, return_exceptions=True)

    cancelled, *told = asyncio.run(work())
    assert isinstance(cancelled, asyncio.CancelledError)
    assert all(isinstance(one, LocalStateError) for one in told)


def test_nobody_waits_for_ever_whatever_ends_a_transaction(tmp_path):
    """Not only errors: what ends a process passes through here, too."""

    class Cut(BaseException):
        pass

    class Cutting(Effects):
        is_on = False

        def observe(self, name, phase):
            if self.is_on:
                raise Cut

    effects = Cutting()
    store = SqliteStore(tmp_path / "ledger.sqlite", "me", effects=effects)
    effects.is_on = True

    async def work():
        turn = WriteBatch(store)
        await asyncio.wait_for(turn.put(RECORD), 10)

    with pytest.raises(Cut):
        asyncio.run(work())
    effects.is_on = False
    store.close()
