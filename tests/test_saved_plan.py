"""A saved plan: exactly what was reviewed runs, or it is said what changed."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from kling_pipe.errors import LocalStateError
from kling_pipe.model import Cost, Job, Plan, Step
from kling_pipe.plan.saved import SavedPlan, changed_since, is_saved, read_saved, saved_text

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
