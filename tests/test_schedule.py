"""A list schedule never beats its bounds, and knows pools, weights and needs."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from benchmarks.schedule import Load, makespan


def test_slots_queue_and_needs_wait():
    """Two at a time, and the film after its picture."""
    films = [Load(f"f{n}", 10.0, "video") for n in range(4)]
    assert makespan(films, {"video": 2}) == 20.0
    assert makespan([Load("a", 3.0), Load("b", 4.0, "video", ("a",))], {"video": 1}) == 7.0


def test_a_heavy_task_takes_several_slots_and_never_more_than_there_are():
    """Pictures in fours: two fit into nine slots, a dozen goes alone."""
    assert makespan([Load(f"i{n}", 5.0, "image", weight=4) for n in range(3)], {"image": 9}) == 10.0
    assert makespan([Load("all", 5.0, "image", weight=12)], {"image": 9}) == 5.0


@given(st.lists(st.floats(0.5, 50), min_size=1, max_size=30), st.integers(1, 5))
def test_it_lies_between_the_work_and_twice_the_best(seconds, slots):
    """Graham's bound for list schedules: no better than the work shared out, no worse than twice that."""
    found = makespan([Load(str(n), one, "video") for n, one in enumerate(seconds)], {"video": slots})
    best = max(sum(seconds) / slots, *seconds)
    assert best <= found * (1 + 1e-9)
    assert found <= 2 * best * (1 + 1e-9)
