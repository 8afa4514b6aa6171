"""A saved plan: exactly what was reviewed runs, or it is said what changed."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

import pytest

from kling_pipe.errors import LocalStateError
from kling_pipe.model import Cost, Job, Plan, Step
from kling_pipe.planning.plan_file import SavedPlan, changed_since, is_saved, read_saved, saved_text, within

PRICE = Cost(4.0, "video", 0.56)


def step(name: str, action: str = "create", *, key: str = "aa", task: str = "", cost: Cost = PRICE) -> Step:
    job = Job(f"video.{name}", f"video.{name}", "video", name, 1, "omni-video", {}, key, "tea")
    return Step(job, action, task or f"kp1-tea-{key}", 1, ("it was not made yet",), cost)  # type: ignore[arg-type]


def plan(*steps: Step) -> Plan:
    return Plan("tea", steps)


REVIEWED = plan(step("a"), step("b", key="bb"), step("c", "reuse", key="cc", cost=Cost(0.0, None, 0.0)))


def saved(found: Plan = REVIEWED, *, account: str = "acc", emulated: bool = False) -> SavedPlan:
    text = saved_text(found, account=account, emulated=emulated, asked={"manifest": "kling-pipe.yaml", "select": []})
    return read_saved(text, "plan.json")


def changes(now: Plan, *, account: str = "acc", emulated: bool = False) -> list[str]:
    found = changed_since(saved(), now, account=account, emulated=emulated)
    assert {one.id for one in found} <= {"KP404"}
    return [f"{one.address}: {one.message}" for one in found]


def test_what_was_reviewed_runs() -> None:
    assert changes(REVIEWED) == []
    assert saved().asked == {"manifest": "kling-pipe.yaml", "select": []}


@pytest.mark.parametrize("action", ["resume", "reuse", "download"])
def test_going_on_with_it_is_no_change(action: str) -> None:
    """A run that was cut short goes on from the same file: the same tasks, nothing more."""
    assert changes(plan(step("a", action, cost=Cost(0.0, None, 0.0)), *REVIEWED.steps[1:])) == []


@pytest.mark.parametrize(
    ("now", "said"),
    [
        (plan(step("a", key="dd"), *REVIEWED.steps[1:]), "video.a: its request changed"),
        (plan(*REVIEWED.steps, step("d", key="dd")), "video.d: it was not in the plan"),
        (plan(*REVIEWED.steps[1:]), "video.a: it was reviewed, and is not in the manifest any more"),
        (plan(*REVIEWED.steps[:2], step("c", key="cc")), "video.c: the plan said `reuse`, a run would `create` now"),
        (plan(step("a", "retry"), *REVIEWED.steps[1:]), "video.a: the plan said `create`, a run would `retry` now"),
        (plan(step("a", task="kp1-tea-aa-a2"), *REVIEWED.steps[1:]), "video.a: it would be task `kp1-tea-aa-a2`"),
        (
            plan(step("a", cost=Cost(8.0, "video", 1.12)), *REVIEWED.steps[1:]),
            "video.a: its price in units was 4, now it is 8",
        ),
        (
            plan(step("a", cost=Cost(None, "video", None)), *REVIEWED.steps[1:]),
            "video.a: its price in units was 4, now it is unknown",
        ),
    ],
    ids=["request", "new", "gone", "spends", "again", "attempt", "price", "unknown-price"],
)
def test_anything_that_was_not_reviewed_is_refused(now: Plan, said: str) -> None:
    (found,) = changes(now)

    assert found.startswith(said)


def test_a_lower_price_is_welcome() -> None:
    assert changes(plan(step("a", cost=Cost(3.0, "video", 0.42)), *REVIEWED.steps[1:])) == []


def test_another_account_project_or_world_is_refused() -> None:
    """A rehearsal's plan never runs against the account, nor one account's plan against another."""
    assert changes(REVIEWED, emulated=True) == [": the plan was made without the emulator"]
    assert changes(REVIEWED, account="other") == [": the plan was made for another account"]
    assert changes(replace(REVIEWED, project="coffee")) == [
        ": the plan was made for project `tea`, the manifest says `coffee`"
    ]


def test_a_plan_made_without_credentials_fits_any_account() -> None:
    """CI may plan a pull request without secrets; the keys of its requests are the same."""
    text = saved_text(REVIEWED, account="", emulated=False, asked={})

    assert changed_since(read_saved(text, "p"), REVIEWED, account="acc", emulated=False) == []


def test_an_edited_file_is_refused() -> None:
    text = saved_text(REVIEWED, account="acc", emulated=False, asked={})

    with pytest.raises(LocalStateError, match="was changed after it was saved"):
        read_saved(text.replace('"units": 4.0', '"units": 1.0', 1), "plan.json")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": "kling-pipe plan"}', "project: tea\n", "[" * 99_999])
def test_what_is_no_plan_is_refused(text: str) -> None:
    with pytest.raises(LocalStateError, match="is no saved plan"):
        read_saved(text, "plan.json")


def test_a_newer_format_is_refused_by_its_number() -> None:
    body = json.loads(saved_text(REVIEWED, account="acc", emulated=False, asked={}))

    with pytest.raises(LocalStateError, match=r"format 2\.0, this kling-pipe reads 1\.0"):
        read_saved(json.dumps({**body, "format_version": "2.0"}), "plan.json")


def test_a_plan_is_told_from_a_manifest() -> None:
    assert is_saved(saved_text(REVIEWED, account="acc", emulated=False, asked={}))
    assert not is_saved("project: tea\nvideos: {}\n")
    assert not is_saved('{"project": "tea"}')


def retried(found: Step, retries: int, *, action: str = "", attempt: int = 0) -> Step:
    attempt = attempt or found.attempt
    name = "kp1-tea-aa" + (f"-a{attempt}" if attempt > 1 else "")
    more = {"action": action or found.action, "attempt": attempt, "external_task_id": name}
    return replace(found, job=replace(found.job, retries=retries), **more)  # type: ignore[arg-type]


def old(text: str) -> str:
    """The file as an earlier version wrote it."""
    body = json.loads(text)
    del body["sha256"], body["at_most"]
    for row in body["steps"]:
        del row["last_attempt"], row["each"]
    digest = hashlib.sha256(json.dumps(body, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode())
    return json.dumps({**body, "sha256": digest.hexdigest()})


@pytest.mark.parametrize(
    ("reviewed", "now", "last"),
    [
        (retried(step("a"), 3), retried(step("a"), 3), 4),
        (retried(step("a"), 0), retried(step("a"), 3), 1),
        (retried(step("a"), 1), retried(step("a"), 9), 2),
        (retried(step("a"), 9), retried(step("a"), 1), 2),
        (retried(step("a"), 2), retried(step("a"), 9, action="retry", attempt=2), 3),
        (retried(step("a"), 2), retried(step("a"), 9, action="resume", attempt=3), 3),
        (retried(step("a"), 2, attempt=5), retried(step("a"), 9, attempt=5), 7),
        (retried(step("a"), 2, action="retry", attempt=2), retried(step("a"), 9, action="retry", attempt=2), 3),
    ],
    ids=["as-it-is", "none", "more", "less", "after-a-failure", "under-way", "replaced", "retried"],
)
def test_no_attempt_is_made_beyond_the_last_that_was_reviewed(reviewed: Step, now: Step, last: int) -> None:
    """Whatever `retries` says by now, and however many of them earlier runs of the plan have made."""
    review = saved(plan(reviewed))

    assert changed_since(review, plan(now), account="acc", emulated=False) == []
    assert within(review, plan(now)).steps[0].last_attempt == last


def test_an_attempt_beyond_the_last_is_something_else() -> None:
    (found,) = changed_since(
        saved(plan(retried(step("a"), 1))),
        plan(retried(step("a"), 9, action="retry", attempt=3)),
        account="acc",
        emulated=False,
    )

    assert found.message.startswith("the plan said `create`, a run would `retry` now")


def test_what_a_task_under_way_may_cost_again_is_reviewed_with_it() -> None:
    """It costs nothing in the plan; a new attempt does."""
    free = Cost(0.0, None, 0.0)
    waiting = replace(retried(step("a", "resume", cost=free), 2), again=PRICE)
    now = retried(step("a"), 2, action="retry", attempt=2)
    dear = replace(now, cost=Cost(8.0, "video", 1.12))

    assert waiting.most_tasks == 2
    assert changed_since(saved(plan(waiting)), plan(now), account="acc", emulated=False) == []
    assert len(changed_since(saved(plan(waiting)), plan(dear), account="acc", emulated=False)) == 1


def test_a_file_of_an_earlier_version_allows_what_it_shows() -> None:
    """One task for each price in it, and no retries."""
    text = old(saved_text(plan(retried(step("a"), 3)), account="acc", emulated=False, asked={}))
    review = read_saved(text, "plan.json")

    assert changed_since(review, plan(retried(step("a"), 3)), account="acc", emulated=False) == []
    assert within(review, plan(retried(step("a"), 3))).steps[0].last_attempt == 1


def test_the_worst_case_stands_in_the_file() -> None:
    text = saved_text(plan(retried(step("a"), 3)), account="acc", emulated=False, asked={})

    assert json.loads(text)["at_most"] == {"units": {"video": 16.0, "image": 0.0}, "usd": 2.24, "unknown": 0}
