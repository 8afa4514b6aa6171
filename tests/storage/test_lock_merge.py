"""Locks that were written apart come together: in any order, as often as one likes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kling_pipe.storage.lockfile import Lock, merge_locks, parse, render_lock, split_name

FAILED = st.fixed_dictionaries(
    {
        "project": st.just("p"),
        "key": st.sampled_from(["a" * 64, "b" * 64]),
        "take": st.just(1),
        "attempt": st.integers(1, 3),
        "external_task_id": st.just("e"),
        "failure": st.just("moderation"),
    }
)
MADE = st.fixed_dictionaries(
    {
        "account": st.sampled_from(["me", "you"]),
        "project": st.just("p"),
        "operation": st.just("omni-image"),
        "key": st.sampled_from(["a" * 64, "b" * 64]),
        "take": st.just(1),
        "attempt": st.integers(1, 3),
        "external_task_id": st.sampled_from("xy"),
        "created_at": st.integers(0, 3),
        "outputs": st.just([]),
    },
    optional={"failed": FAILED},
)
ONLY_FAILED = st.fixed_dictionaries(
    {"account": st.sampled_from(["me", "you"]), "operation": st.just("omni-image"), "failed": FAILED}
)


@st.composite
def locks(draw) -> Lock:
    lock = Lock()
    for name in draw(st.lists(st.sampled_from(["image.a", "image.b", "video.c"]), max_size=5)):
        block = draw(st.one_of(MADE, ONLY_FAILED))
        lock = lock.with_blocks([(name, draw(st.sampled_from(["", "draft"])), block)])
    return lock


@given(locks(), locks(), locks())
def test_order_grouping_and_repetition_change_nothing(a: Lock, b: Lock, c: Lock) -> None:
    """Compared as files, byte by byte: so git sees no difference either."""
    whole = render_lock(merge_locks([a, b, c]))

    assert render_lock(merge_locks([c, b, a])) == whole
    assert (
        render_lock(merge_locks([merge_locks([a, b]), c]))
        == render_lock(merge_locks([a, merge_locks([b, c])]))
        == whole
    )
    assert render_lock(merge_locks([parse(whole, ""), a])) == whole


@given(locks(), locks())
def test_nobody_is_dropped(a: Lock, b: Lock) -> None:
    """Each account keeps its block of each job, made where it was made anywhere, the latest of them."""
    both = merge_locks([a, b])
    for name, block in (*a.blocks.items(), *b.blocks.items()):
        address, profile, _ = split_name(name)
        found = both.find(address, profile, block["account"])
        assert found is not None
        assert "failed" in found or "failed" not in block
        if "outputs" in block:
            assert found["created_at"] >= block["created_at"]
