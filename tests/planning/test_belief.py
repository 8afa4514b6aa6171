"""Who is believed: for any mix of what lock, ledger and account know, no paid task is sent again, none is skipped."""

import sys
from dataclasses import replace
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent.parent / "engine"))

from campaigns import image

from kling_pipe.core.keys import external_id
from kling_pipe.model import Output
from kling_pipe.planning.snapshot import IN_FLIGHT, stronger
from kling_pipe.storage.lockfile import Lock, failed_block
from tests.planning.test_planner import ledger, lock, one, record, snapshot

KITE = image("kite", retries=1)
ATTEMPTS = range(1, 5)
REFUSED = ("refused", "moderation")


def kept_record(attempt, state, failure, *, saved, known):
    """What the ledger wrote down of an attempt; `known`: Kling gave it a task id."""
    more = {"failure": failure, "message": "why"} if state == "failed" else {}
    found = record(KITE, attempt, state, **more)
    if state == "succeed" and not saved:
        found = replace(found, outputs=(Output(1, url="https://example.com/kite.png"),))
    return found if known else replace(found, task_id="")


@st.composite
def ledgers(draw):
    """Records of some attempts: intents, tasks under way, results saved or not, failures with and without a task."""
    found = []
    for attempt in draw(st.sets(st.sampled_from(ATTEMPTS))):
        state = draw(st.sampled_from(("intent", "submitted", "processing", "succeed", "failed")))
        failure = draw(st.sampled_from(("refused", "moderation", "transient", "unknown"))) if state == "failed" else ""
        known = state not in ("intent", "failed") or (state == "failed" and failure in ("transient", "unknown"))
        known = known or (failure == "moderation" and draw(st.booleans()))
        found.append(kept_record(attempt, state, failure, saved=draw(st.booleans()), known=known))
    return found


@st.composite
def accounts(draw):
    """What the account shows: any set of attempts, gaps included."""
    found = []
    for attempt in sorted(draw(st.sets(st.sampled_from(ATTEMPTS)))):
        state = draw(st.sampled_from(("submitted", "processing", "succeed", "failed")))
        failure = draw(st.sampled_from(("moderation", "transient", "unknown"))) if state == "failed" else ""
        shown = kept_record(attempt, state, failure, saved=False, known=True)
        found.append(replace(shown, source="account"))
    return tuple(found)


@st.composite
def worlds(draw):
    """A snapshot, and the attempts that have a task for sure."""
    kept, shown = draw(ledgers()), draw(accounts())
    locked = draw(st.sampled_from((None, *ATTEMPTS)))
    asked = frozenset([KITE.identity]) if draw(st.booleans()) else frozenset()
    unlocked = frozenset(one.external_task_id for one in kept if one.state == "succeed" and draw(st.booleans()))
    known = snapshot(
        lock=lock((KITE, record(KITE, locked))) if locked else Lock(),
        ledger=ledger(*kept),
        account_records={KITE.identity: shown} if shown and asked else {},
        looked_up=asked,
        unlocked=unlocked,
    )
    seen = shown if asked else ()
    tasks = {one.attempt for one in (*kept, *seen) if one.task_id} | ({locked} if locked else set())
    return known, tasks


options = st.sampled_from(({}, {"replace_addresses": ["image.kite"]}, {"retry_addresses": ["image.kite"]}))


@given(worlds(), options)
def test_an_attempt_that_has_a_task_is_never_sent_again(world, chosen):
    """Whoever knows of the task, and whatever a person asks for: a create has the number of no known task."""
    known, tasks = world
    step = one(KITE, known, **chosen)
    if step.action in ("create", "retry"):
        assert step.attempt not in tasks


@given(worlds(), options)
def test_no_attempt_number_is_skipped(world, chosen):
    """A create has the number after the last attempt that may have a task."""
    known, _ = world
    step = one(KITE, known, **chosen)
    if step.action in ("create", "retry"):
        everything = known._all(KITE)
        assert step.attempt == 1 + max((r.attempt for r in everything if r.may_exist), default=0)
        assert step.external_task_id == external_id(KITE.project, KITE.key, 1, step.attempt)


@given(worlds())
def test_without_a_wish_what_exists_is_followed(world):
    """A task under way or a result that anybody knows keeps a plan from paying, unless Kling was asked and lost it."""
    known, _ = world
    step = one(KITE, known)
    alive = [r for r in known._all(KITE) if r.state != "failed"]
    if alive:
        assert step.action in ("resume", "reuse", "download", "lost")


@given(worlds(), options)
def test_a_paid_result_that_nobody_saved_is_owed(world, chosen):
    """Whatever counts by now: what runs here made and did not save is the step's own record, or fetched beside it."""
    known, _ = world
    step = one(KITE, known, **chosen)
    for paid in known.ledger_attempts(KITE):
        saved = all(output.sha256 for output in paid.outputs)
        if paid.state == "succeed" and not saved and paid.external_task_id in known.unlocked:
            followed = step.record is not None and step.record.attempt == paid.attempt
            assert followed or paid.attempt in {r.attempt for r in step.owed}


@given(ledgers(), accounts())
def test_the_account_beats_a_failure_and_bytes_beat_the_account(kept, shown):
    """Of two records of one attempt the stronger one is believed, in whatever order they came."""
    for told in shown:
        for mine in kept:
            if mine.attempt == told.attempt:
                believed = stronger(told, mine)
                if mine.state == "succeed" and all(output.sha256 for output in mine.outputs):
                    assert believed == mine
                elif mine.state in ("failed", *IN_FLIGHT):
                    assert believed == told


def test_a_task_that_failed_is_told_from_a_create_that_was_refused_by_the_lock_alone():
    """The first has an id that is taken, the second has not: only that keeps its number."""
    for task_id, attempt in (("77", 2), ("", 1)):
        failed = replace(record(KITE, 1, "failed", failure="moderation", message="no"), task_id=task_id)
        known = snapshot(lock=Lock().with_blocks([("image.kite", "", failed_block(failed, None))]))
        step = one(KITE, known, retry_addresses=["image.kite"])
        assert (step.action, step.attempt) == ("retry", attempt)


def test_a_result_under_another_access_key_is_told_and_not_paid_again():
    """Blocked with both ways out; asked for, it is made anew; a job that nobody made is none of this."""
    foreign = lock((KITE, replace(record(KITE), account="0123456789abcdef")))
    step = one(KITE, snapshot(lock=foreign))
    assert (step.action, step.cause, step.cost.usd) == ("blocked", "other_account", 0)
    assert "another access key (account 01234567)" in step.reasons[0]
    assert "`kling-pipe adopt image.kite`" in step.reasons[1]
    assert "--new-account" in step.reasons[1]
    assert one(KITE, snapshot(lock=foreign), new_account=True).action == "create"
    assert one(image("hat", "a hat"), snapshot(lock=foreign)).action == "create"
    shown = replace(record(KITE), source="account")
    found = snapshot(lock=foreign, account_records={KITE.identity: (shown,)}, looked_up=frozenset([KITE.identity]))
    assert one(KITE, found).action == "reuse"


def test_a_renamed_project_says_what_it_is():
    """The request is the same; the project is part of a task's id."""
    known = snapshot(lock=lock((KITE, record(KITE))))
    assert one(replace(KITE, project="autumn"), known).reasons[0].startswith("the project was `test` when it was made")
