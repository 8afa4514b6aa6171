"""Graphs of addresses: every order respects every edge, every cycle is shown as a path."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_pipe.core import graph

DIAMOND = {"d": ["b", "c"], "b": ["a"], "c": ["a"], "a": []}

acyclic = st.integers(1, 12).flatmap(
    lambda count: st.tuples(*(st.lists(st.integers(0, n - 1) if n else st.nothing()) for n in range(count)))
)


@given(acyclic)
def test_an_order_respects_every_edge_and_loses_nobody(needs):
    """Any graph whose edges point to smaller numbers."""
    found = graph.order({str(n): list(map(str, wanted)) for n, wanted in enumerate(needs)})
    assert sorted(found) == sorted(str(n) for n in range(len(needs)))
    for n, wanted in enumerate(needs):
        for need in wanted:
            assert found.index(str(need)) < found.index(str(n))


@given(acyclic, st.data())
def test_an_edge_back_makes_a_cycle_that_is_found(needs, data):
    """The path that is shown is made of edges of the graph and ends where it began."""
    edges = {str(n): list(map(str, wanted)) for n, wanted in enumerate(needs)}
    top = str(data.draw(st.integers(0, len(needs) - 1)))
    below = sorted(graph.ancestors(edges, [top])) or [top]
    edges[data.draw(st.sampled_from(below))].append(top)
    path = graph.cycle(edges)
    assert path[0] == path[-1]
    for one, need in itertools.pairwise(path):
        assert need in edges[one]
    with pytest.raises(ValueError, match="->"):
        graph.order(edges)


def test_a_graph_without_a_cycle_has_none():
    """Needs of things that exist already are no edges."""
    assert graph.cycle({**DIAMOND, "a": ["something made long ago"]}) is None


def test_above_and_below_go_all_the_way():
    """Ancestors are what is needed, descendants what needs."""
    assert graph.ancestors(DIAMOND, ["d"]) == {"a", "b", "c"}
    assert graph.descendants(DIAMOND, ["a"]) == {"b", "c", "d"}
    assert graph.ancestors(DIAMOND, ["a"]) == set()


def test_the_longest_chain_counts_what_comes_after():
    """The start of a long chain is more urgent than a longer single job."""
    seconds = {"a": 1, "b": 5, "c": 2, "d": 3}
    assert graph.longest_from(DIAMOND, seconds) == {"d": 3, "b": 8, "c": 5, "a": 9}


def test_a_chain_of_ten_thousand_does_not_recurse():
    """Depth costs no stack."""
    needs = {str(n): [str(n - 1)] if n else [] for n in range(10_000)}
    assert graph.order(needs)[-1] == "9999"
    assert graph.cycle({**needs, "0": ["9999"]}) is not None


def test_what_is_free_comes_in_the_order_given():
    """Level by level, so that plans and lists of jobs stay as the manifest has them."""
    needs = {"late": ["a", "b"], "b": [], "odd": ["made long ago"], "a": ["b", "b"], "c": ["odd"]}
    assert graph.order(needs) == ["b", "odd", "a", "c", "late"]
