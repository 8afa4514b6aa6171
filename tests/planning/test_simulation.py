"""A campaign on paper takes as long as a list schedule says, over accounts, failures and many copies."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.schedule import Load, makespan
from kling_pipe.planning.simulation import Task, course

POOLS = ("", "video", "image")


@st.composite
def patterns(draw):
    """Tasks of which each may need earlier ones."""
    tasks = []
    for place in range(draw(st.integers(1, 12))):
        needs = draw(st.sets(st.integers(0, place - 1), max_size=2)) if place else set()
        pool = draw(st.sampled_from(POOLS))
        weight = draw(st.integers(1, 4)) if pool == "image" else 1
        tasks.append(Task(draw(st.integers(1, 9)), pool, tuple(sorted(needs)), weight))
    return tasks


@given(patterns(), st.integers(1, 3), st.integers(1, 5))
def test_one_account_without_luck_is_a_list_schedule(tasks, video, image):
    """Two programs that share no code come to the same."""
    slots = {"video": video, "image": image}
    loads = [
        Load(str(place), task.seconds, task.pool, tuple(map(str, task.needs)), task.weight)
        for place, task in enumerate(tasks)
    ]
    found = course(tasks, [slots])
    assert found.seconds == makespan(loads, slots)
    assert list(found.made[0]) == [1] * len(tasks)
    assert found.held[0]["video"] if any(task.pool == "video" for task in tasks) else True


@given(patterns(), st.integers(1, 4), st.integers(1, 3), st.floats(0, 0.5), st.integers(0, 99))
def test_every_task_is_made_or_told_of(tasks, copies, accounts, failures, seed):
    """Made in some account, failed, or blocked by one that failed; and never faster than the work shared out."""
    slots = [{"video": 2, "image": 4}] * accounts
    found = course(tasks, slots, copies=copies, failures=failures, random=Random(seed))
    made = sum(map(sum, found.made))
    assert made + found.failed + found.blocked == len(tasks) * copies
    assert sum(held["video"] for held in found.held if "video" in held) <= found.seconds * 2 * accounts + 1e-6
    if not failures:
        assert made == len(tasks) * copies


def test_what_one_account_alone_takes_waits_for_its_slots():
    """What follows it stays there with it; without slots to wait for, who has least gets what any account takes."""
    pinned = [Task(3, "video", urgency=4, account=1), Task(1, "video", (0,), urgency=1, follows=0)]
    found = course([*pinned, Task(1, "video", urgency=1)], [{"video": 1}, {"video": 1}], copies=10)
    assert [list(made) for made in found.made] == [[0, 0, 10], [10, 10, 0]]
    assert found.seconds == 40
    free = [Task(3, "", account=2), Task(3, "", account=0), Task(3, "")]
    assert [list(made) for made in course(free, [{}] * 3, copies=9).made] == [[0, 9, 0], [0, 0, 9], [9, 0, 0]]


@given(patterns(), st.integers(1, 3), st.integers(0, 2))
def test_a_whole_campaign_in_one_of_several_accounts_takes_as_long_as_there_alone(tasks, video, home):
    """A pin is a pin, whatever needs what."""
    slots = {"video": video, "image": 4}
    pinned = [task._replace(account=home) for task in tasks]
    found = course(pinned, [slots] * 3)
    assert found.seconds == course(tasks, [slots]).seconds
    assert [sum(made) for made in found.made] == [len(tasks) if place == home else 0 for place in range(3)]


def test_the_most_urgent_goes_first_and_the_account_with_most_room_gets_more():
    """Two short ones wait for the long one; three accounts share in proportion to their slots."""
    tasks = [Task(1, "video", urgency=1), Task(9, "video", urgency=9), Task(1, "video", urgency=1)]
    assert course(tasks, [{"video": 2}]).seconds == 9
    many = course([Task(10, "video")], [{"video": 30}, {"video": 10}], copies=4000)
    assert many.seconds == 1000
    assert [sum(made) for made in many.made] == [3000, 1000]


def test_what_lives_in_one_account_keeps_its_users_there():
    """A film that uses an element is made where the element is."""
    chain = [Task(1), Task(10, "video", (0,), follows=0)]
    found = course(chain, [{"video": 1}] * 3, copies=30)
    assert [made[0] for made in found.made] == [made[1] for made in found.made]
    assert [sum(made) for made in found.made] == [20, 20, 20]


@pytest.mark.parametrize(("tries", "lost"), [(1, True), (40, False)])
def test_failures_are_repeated_as_often_as_is_allowed(tries, lost):
    """And take what needs them with them."""
    tasks = [Task(1, "video", tries=tries), Task(1, "video", (0,), tries=tries)]
    found = course(tasks, [{"video": 5}], copies=200, failures=0.3, random=Random(4))
    assert (found.failed > 20) is lost
    assert (found.blocked > 20) is lost
    assert (found.retried > 100) is not lost


def test_times_vary_with_the_seed_and_with_nothing_else():
    """The same luck gives the same run."""
    tasks = [Task(10, "video", spread=0.3)]
    runs = [course(tasks, [{"video": 3}], copies=99, random=Random(seed)).seconds for seed in (1, 1, 2)]
    assert runs[0] == runs[1] != runs[2]
    assert 280 < runs[0] < 380


def test_a_hundred_thousand_tasks_are_run_in_a_moment():
    """Memory and time grow with the tasks alone."""
    found = course([Task(60, "video", spread=0.3)] * 100, [{"video": 50}] * 3, copies=1000)
    assert sum(map(sum, found.made)) == 100_000
    assert found.seconds == pytest.approx(100_000 * 60 / 150, rel=0.01)
