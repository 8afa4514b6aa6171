"""A plan is a pure function of jobs and what is known: who is believed, what is paid, why."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent.parent / "engine"))

from campaigns import PROJECT, chain, element, image, renamed, video

from kling_pipe.core.keys import external_id
from kling_pipe.model import Cost, FileRef, Output, Record
from kling_pipe.planning import Snapshot, check_budget, field_digests, make_plan, totals
from kling_pipe.planning.field_diff import why
from kling_pipe.report.plans import plan_form, plan_text
from kling_pipe.storage.ledger import RecordIndex
from kling_pipe.storage.lockfile import Lock, failed_block, made_block

NOW = 1_795_000_000_000


def record(job, attempt=1, state="succeed", **more):
    outputs = ()
    if state == "succeed":
        made = (
            Output(1, element_id=7)
            if job.kind == "element"
            else Output(1, path=f"out/{job.place}.png", sha256="ab", size=3)
        )
        outputs = (made,)
    form = {"outputs": outputs, "address": job.address, "task_id": f"9{attempt}", "created_at": NOW - 1000, **more}
    name = external_id(job.project, job.key, job.take, attempt)
    return Record(name, job.project, job.key, job.take, attempt, job.operation, "me", state, **form)


def ledger(*records):
    return RecordIndex([("", one.project, one.key, one.take, one) for one in records], lambda row: row[4])


def lock(*jobs_with_records, all_jobs=()):
    keys = {job.address: job.key for job in (*all_jobs, *(job for job, _ in jobs_with_records))}
    blocks = [
        (job.address, "", made_block(one, field_digests(job, keys.__getitem__))) for job, one in jobs_with_records
    ]
    return Lock().with_blocks(blocks)


def snapshot(**more):
    return Snapshot(account="me", now=NOW, **{"stands": lambda path, size: True, **more})


def one(job, known, **options):
    return make_plan([job], known, **options).steps[0]


KITE = image("kite")


def test_what_nobody_knows_is_created_at_a_price():
    """With its external id, and the word that the account is asked first."""
    step = one(KITE, snapshot())
    assert (step.action, step.attempt, step.cost) == ("create", 1, Cost(8.0, "image", 0.028))
    assert step.external_task_id == external_id(PROJECT, KITE.key)
    assert "account is asked" in step.reasons[1]
    assert len(one(KITE, snapshot(looked_up=frozenset([KITE.identity]))).reasons) == 1


@pytest.mark.parametrize("state", ["submitted", "processing"])
def test_what_is_in_flight_is_resumed(state):
    """It costs nothing more."""
    step = one(KITE, snapshot(ledger=ledger(record(KITE, state=state))))
    assert (step.action, step.cost.usd) == ("resume", 0)


def test_an_intent_counts_against_the_budget():
    """Nobody knows yet whether it was sent; if it was not, this run pays for it."""
    plan = make_plan([KITE, image("hat", prompt="a red hat")], snapshot(ledger=ledger(record(KITE, state="intent"))))
    assert [step.action for step in plan.steps] == ["resume", "create"]
    assert totals(plan).image == 16
    assert [problem.id for problem in check_budget(plan, {"image": 8})] == ["KP401"]


def test_the_lock_is_believed_for_what_was_made():
    """Its attempt wins over older and newer ones of the ledger; only what is under way is newer than it."""
    made = lock((KITE, record(KITE, 2)))
    others = (record(KITE, 1), record(KITE, 2, outputs=()), record(KITE, 3))
    assert one(KITE, snapshot(lock=made, ledger=ledger(*others))).attempt == 2
    step = one(KITE, snapshot(lock=made, ledger=ledger(*others, record(KITE, 4, "processing"))))
    assert (step.action, step.attempt) == ("resume", 4)
    killed = snapshot(lock=made, ledger=ledger(*others), unlocked=frozenset([record(KITE, 3).external_task_id]))
    assert one(KITE, killed).attempt == 3


def test_a_block_of_another_account_is_not_believed():
    """Neither is its failure: with nothing made under another key the job is new."""
    foreign = replace(record(KITE), account="you")
    theirs = snapshot(lock=Lock().with_blocks([("image.kite", "", made_block(foreign, {}))]))
    assert one(KITE, theirs, new_account=True).action == "create"
    failed = failed_block(replace(foreign, state="failed", failure="moderation"), None)
    assert one(KITE, snapshot(lock=Lock().with_blocks([("image.kite", "", failed)]))).action == "create"


def test_a_block_under_another_name_counts_because_the_content_is_the_same():
    """Renamed: no new task; the name is given to the object."""
    step = one(
        renamed(KITE, "dragon"),
        snapshot(lock=lock((KITE, record(KITE))), stands=lambda p, s: False, kept=lambda h, s: True),
    )
    assert step.action == "download"
    assert "saved object" in step.reasons[0]


def test_without_lock_and_ledger_the_last_attempt_that_succeeded_counts():
    """As the account tells it."""
    told = {KITE.identity: (record(KITE, 1, "failed"), record(KITE, 2), record(KITE, 3, "failed"))}
    step = one(KITE, snapshot(account_records=told, looked_up=frozenset([KITE.identity])))
    assert (step.action, step.attempt) == ("reuse", 2)


def test_replace_is_a_new_attempt_after_all_that_are_known():
    """For every job that shares the key, and only once while it is under way."""
    known = snapshot(lock=lock((KITE, record(KITE))), ledger=ledger(record(KITE, 2, "failed")))
    twin = renamed(KITE, "twin")
    steps = make_plan([KITE, twin], known, replace_addresses=["image.twin"]).steps
    assert [(step.action, step.attempt, step.shared_with) for step in steps] == [
        ("create", 3, ""),
        ("create", 3, "image.kite"),
    ]
    flying = snapshot(lock=lock((KITE, record(KITE))), ledger=ledger(record(KITE, 2, "submitted")))
    assert one(KITE, flying, replace_addresses=["image.kite"]).action == "resume"


@pytest.mark.parametrize(
    ("failure", "retries", "attempt", "action", "then"),
    [
        ("moderation", 3, 1, "blocked", 1),
        ("unknown", 3, 1, "blocked", 1),
        ("transient", 0, 1, "blocked", 1),
        ("transient", 1, 1, "retry", 2),
        ("transient", 1, 2, "blocked", 2),
    ],
)
def test_failures_by_class(failure, retries, attempt, action, then):
    """Moderation is never resent as it is; a further attempt has a number of its own."""
    job = image("kite", retries=retries)
    step = one(job, snapshot(ledger=ledger(record(job, attempt, "failed", failure=failure, message="why"))))
    assert (step.action, step.attempt) == (action, then)
    assert "why" in " ".join(step.reasons)
    asked = one(
        job, snapshot(ledger=ledger(record(job, attempt, "failed", failure=failure))), retry_addresses=["image.kite"]
    )
    assert (asked.action, asked.attempt) == ("retry", attempt + 1)


@pytest.mark.parametrize(("failure", "action"), [("refused", "create"), ("moderation", "blocked")])
def test_a_refused_create_made_no_task_so_it_keeps_its_number(failure, action):
    """By itself, and as `retry` asks for it: the same external id is sent again."""
    refused = replace(record(KITE, 1, "failed", failure=failure, message="why"), task_id="")
    known = snapshot(ledger=ledger(refused))
    assert [one(KITE, known).action, one(KITE, known).attempt] == [action, 1]
    asked = one(KITE, known, retry_addresses=["image.kite"])
    assert (asked.action, asked.attempt) == ("retry", 1)
    assert "why" in asked.reasons[0]


def test_a_failure_is_remembered_by_the_lock_alone():
    """An empty machine does not send it again."""
    block = failed_block(record(KITE, 1, "failed", failure="moderation", message="no"), None)
    known = snapshot(lock=Lock().with_blocks([("image.kite", "", block)]))
    assert one(KITE, known).action == "blocked"
    assert one(image("kite", "another prompt"), known).action == "create"


def test_what_is_lost_says_its_price_and_stops_only_new_jobs_below():
    """A clip that exists stays; one that is to be made has no frame."""
    above = [image("kite"), video("done", frame=KITE), video("new", "new", frame=KITE)]
    known = lock((above[0], record(KITE)), (above[1], record(above[1])))
    gone = snapshot(
        lock=known,
        stands=lambda path, size: "video" in path,
        looked_up=frozenset([KITE.identity]),
        kept=lambda h, s: False,
    )
    steps = make_plan(above, gone).steps
    assert [step.action for step in steps] == ["lost", "reuse", "blocked"]
    assert "$0.028" in steps[0].reasons[1]


def test_a_result_older_than_thirty_days_without_a_file_is_lost_offline():
    """Nobody needs to be asked."""
    old = record(KITE, created_at=NOW - 31 * 24 * 3600 * 1000)
    assert one(KITE, snapshot(lock=lock((KITE, old)), stands=lambda p, s: False)).action == "lost"


def test_a_change_names_the_field_and_the_job_above():
    """And nothing else is remade."""
    hana, key, clip = chain("hana")
    known = snapshot(lock=lock(*((job, record(job)) for job in (hana, key, clip))))
    changed = image("hana", "new <<<element_1>>>", known=[hana])
    steps = make_plan([hana, changed, video("hana", frame=changed)], known).steps
    assert [step.action for step in steps] == ["reuse", "create", "create"]
    assert steps[1].reasons[0] == "changed since it was made: `prompt` changed"
    assert "`image_list` changed (from image.hana)" in steps[2].reasons[0]
    keys = {"element.hana": hana.key}
    told = {str(change) for change in why(changed, known.block(changed), keys.__getitem__)}
    assert {"`prompt` changed", "`model_name` is the same"} <= told


def test_what_is_not_selected_is_used_if_made_and_blocks_if_not():
    """The plan holds the selected steps, the others are beside it."""
    hana, key, clip = chain("hana")
    plan = make_plan([hana, key, clip], snapshot(), selection=["video.hana"])
    assert [(step.job.address, step.action) for step in plan.steps] == [("video.hana", "blocked")]
    assert "not selected" in plan.steps[0].reasons[0]
    made = snapshot(lock=lock((hana, record(hana)), (key, record(key))))
    plan = make_plan([hana, key, clip], made, selection=["video.hana"])
    assert [step.action for step in plan.steps] == ["create"]
    assert [step.action for step in plan.others] == ["reuse", "reuse"]


def test_a_deleted_element_is_a_new_attempt_and_keys_below_stay():
    """The picture that was made with it stays made."""
    hana, key, _ = chain("hana")
    known = snapshot(lock=lock((hana, record(hana)), (key, record(key))), deleted_elements=frozenset([7]))
    assert [(step.action, step.attempt) for step in make_plan([hana, key], known).steps] == [
        ("create", 2),
        ("reuse", 1),
    ]


def test_a_frozen_job_without_a_record_is_blocked():
    """With one it is used, whatever the key says."""
    cold = replace(KITE, frozen=True)
    assert one(cold, snapshot()).action == "blocked"
    other = image("kite", "older words")
    assert one(cold, snapshot(lock=lock((other, record(other))))).action == "frozen"


def test_the_same_key_in_two_projects_is_two_tasks_and_a_warning():
    """Both are paid: worth a word."""
    plan = make_plan([KITE, replace(renamed(KITE, "other"), project="brand")], snapshot())
    assert [step.action for step in plan.steps] == ["create", "create"]
    assert plan.warnings[0].level == "warn"


def test_units_of_two_packs_are_never_added_up():
    """Totals by pack; the unknown is named, not zero."""
    plan = make_plan([KITE, video("clip")], snapshot())
    assert (totals(plan).image, totals(plan).video, totals(plan).usd) == (8, 1.8, 0.28)
    unknown = replace(plan, steps=(replace(plan.steps[0], cost=Cost(None, "image", None, "no price")), plan.steps[1]))
    assert totals(unknown).unknown == ("image.kite",)
    assert [problem.id for problem in check_budget(unknown, {"usd": 100})] == ["KP402"]
    assert check_budget(unknown, {"usd": 100}, allow_unknown=True) == []


@pytest.mark.parametrize(
    ("budget", "count"),
    [
        ({}, 0),
        ({"usd": 0.28, "video": 1.8, "image": 8}, 0),
        ({"usd": 0.27}, 1),
        ({"video": 1}, 1),
        ({"image": 7, "video": 1}, 2),
        ({"per_job": {"usd": 0.2}}, 1),
        ({"per_job": {"image": 7, "video": 1}}, 2),
        ({"usd": 0}, 1),
    ],
)
def test_a_budget_is_a_bound_for_each_of_its_names(budget, count):
    """Exactly at the bound is within it."""
    assert len(check_budget(make_plan([KITE, video("clip")], snapshot()), budget)) == count


@given(st.integers(0, 2**6 - 1))
def test_after_everything_is_made_a_plan_does_nothing(shape):
    """Any mix of jobs whose records are all in the lock."""
    jobs = [job for n in range(3) if shape >> n & 1 for job in chain(f"c{'abc'[n]}")]
    jobs += [image(f"i{'abc'[n]}", f"p {n}") for n in range(3) if shape >> (3 + n) & 1]
    known = snapshot(lock=lock(*((job, record(job)) for job in jobs)))
    plan = make_plan(jobs, known)
    assert {step.action for step in plan.steps} <= {"reuse"}
    assert totals(plan).usd == 0


def test_files_and_elements_take_part_in_a_plan():
    """A local picture as input costs as any other; an element costs nothing."""
    local = image("kite", fields={"image_list": [{"image": FileRef("/a.png", "ff", 3)}]})
    steps = make_plan([local, element("hana")], snapshot()).steps
    assert [step.cost.units for step in steps] == [8.0, 0.0]


MOST = "at most $0.08 with retries"


@pytest.mark.parametrize(
    ("retries", "known", "row", "total"),
    [
        (0, None, "$0.03", "($0.03)"),
        (3, None, "$0.03, at most $0.11 with retries", "($0.03), at most $0.11 with retries"),
        (
            3,
            record(KITE, state="submitted", task_id="7"),
            "at most $0.08 with retries",
            "($0.00), at most $0.08 with retries",
        ),
        (
            3,
            record(KITE, state="failed", failure="transient"),
            "$0.03, at most $0.08 with retries",
            "at most $0.08 with retries",
        ),
        (3, record(KITE), "", "($0.00)"),
    ],
    ids=["none", "new", "under-way", "failed-once", "made"],
)
def test_a_plan_tells_what_retries_may_cost_at_most(retries, known, row, total):
    """For each job and in all, where it is more than the plan's own price."""
    job = replace(KITE, retries=retries)
    found = make_plan([job], snapshot(ledger=ledger(*([known] if known else []))))
    lines = plan_text(found, everything=True).splitlines()
    assert lines[1].endswith(row)
    assert lines[-1].endswith(total)
    assert plan_form(found)["steps"][0]["most_tasks"] == found.steps[0].most_tasks
