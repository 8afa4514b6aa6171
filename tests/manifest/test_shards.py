"""Shards: every job in exactly one, chains whole, and nothing moves that did not change."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_pipe.errors import UsageError
from kling_pipe.manifest.selectors import chosen
from kling_pipe.manifest.shards import parsed, shard
from kling_pipe.model import Job


def job(number: int, *needs: int, key: str = "") -> Job:
    address = f"image.j{number}"
    wanted = tuple(f"image.j{need}" for need in needs)
    return Job(address, address, "image", f"j{number}", 1, "omni-image", {}, key or f"{number:064}", "p", wanted)


@st.composite
def campaigns(draw) -> list[Job]:
    """Jobs that need any of those before them, some asking for the same."""
    count = draw(st.integers(0, 25))
    rows = []
    for number in range(count):
        needs = draw(st.lists(st.integers(0, number - 1), max_size=2)) if number else []
        rows.append(job(number, *needs, key=draw(st.sampled_from(["", "", "", "same"]))))
    return rows


@given(campaigns(), st.integers(1, 6))
def test_every_job_is_in_exactly_one_part_with_its_whole_chain(jobs, count) -> None:
    parts = [shard(jobs, number, count) for number in range(1, count + 1)]

    assert sorted(address for part in parts for address in part) == sorted(one.address for one in jobs)
    home = {address: number for number, part in enumerate(parts) for address in part}
    assert all(home[one.address] == home[need] for one in jobs for need in one.needs)
    assert all(home[a.address] == home[b.address] for a, b in pairwise(one for one in jobs if one.key == "same"))


@given(campaigns(), st.randoms(), st.integers(1, 6))
def test_order_and_names_decide_nothing(jobs, random, count) -> None:
    """A job that is renamed or moved in the file stays where it is."""
    names = {one.address: f"video.r{number}" for number, one in enumerate(jobs)}
    moved = [replace(one, address=names[one.address], needs=tuple(names[need] for need in one.needs)) for one in jobs]
    random.shuffle(moved)

    assert {names[address] for address in shard(jobs, 1, count)} == shard(moved, 1, count)


def test_parts_are_about_equal_and_one_more_machine_moves_little() -> None:
    jobs = [job(number) for number in range(2000)]
    before = {address: number for number in range(1, 6) for address in shard(jobs, number, 5)}
    after = {address: number for number in range(1, 7) for address in shard(jobs, number, 6)}

    sizes = [list(before.values()).count(number) for number in range(1, 6)]
    assert min(sizes) > 320
    assert max(sizes) < 480
    assert {after[address] for address in before if after[address] != before[address]} == {6}


@pytest.mark.parametrize("text", ["0/5", "6/5", "1/0", "2", "a/b", "1/5/2", "-1/5", ""])
def test_what_is_no_shard_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="no shard"):
        parsed(text)


def test_a_shard_is_a_selector() -> None:
    """Also an empty one: a matrix may be wider than the campaign has chains."""
    jobs = [job(number) for number in range(3)]
    assert set().union(*(chosen(jobs, [f"shard:{number}/9"]) for number in range(1, 10))) == chosen(jobs)
    assert any(not chosen(jobs, [f"shard:{number}/9"]) for number in range(1, 10))
