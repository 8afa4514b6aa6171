"""Walks over JSON values: every leaf is met once, in order, and a copy has the shape of what it was made from."""

from hypothesis import given
from hypothesis import strategies as st

from kling_pipe.core.json_tree import find_leaves, leaves, map_leaves, map_leaves_at
from kling_pipe.model import OutputRef

leaf = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3)
trees = st.recursive(
    leaf, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=2), inner, max_size=4)
)


def at(value, place):
    for step in place:
        value = value[step]
    return value


@given(trees)
def test_a_leaf_is_what_stands_at_its_place(tree):
    """And no place comes twice."""
    found = list(leaves(tree))
    assert len({place for place, _ in found}) == len(found)
    for place, value in found:
        assert at(tree, place) is value
        assert not isinstance(value, dict | list)


@given(trees)
def test_a_copy_without_a_change_is_equal(tree):
    """Empty lists and mappings stay."""
    assert map_leaves(tree, lambda value: value) == tree
    assert map_leaves_at(tree, lambda _, value: value) == tree


@given(trees)
def test_every_leaf_is_changed_once_and_at_its_place(tree):
    """In the order in which `leaves` gives them."""
    met = []
    assert map_leaves_at(tree, lambda place, value: met.append((place, value))) == map_leaves(tree, lambda _: None)
    assert met == list(leaves(tree))


@given(trees)
def test_leaves_of_a_type_are_found_in_order(tree):
    """Wherever they stand, and nothing else is."""
    assert list(find_leaves(tree, str)) == [value for _, value in leaves(tree) if isinstance(value, str)]


def test_a_reference_is_a_leaf_and_a_tuple_is_none():
    """A value of ours is never looked into."""
    ref = OutputRef("image.a", 1, "image")
    tree = {"a": (ref, [ref]), "b": 1}
    assert list(find_leaves(tree, OutputRef)) == [ref, ref]
    assert map_leaves(tree, lambda one: "x" if one is ref else one) == {"a": ["x", ["x"]], "b": 1}
