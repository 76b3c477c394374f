import itertools

import pytest

from harness.firestore.keys import invert, type_range, value_key
from harness.firestore.paths import FieldPath
from harness.firestore.values import MISSING, compare, get_field, identical, type_order
from tests.firestore.values_from_yaml import load_corpus, value

GROUPS = [
    [value(member) for member in group]
    for group in load_corpus("values/order.yaml", {"groups"})["groups"]
]


@pytest.mark.parametrize("index", range(len(GROUPS) - 1))
def test_each_group_sorts_before_the_next(index):
    for lower, higher in itertools.product(GROUPS[index], GROUPS[index + 1]):
        assert compare(lower, higher) < 0
        assert compare(higher, lower) > 0
        assert value_key(lower) < value_key(higher)
        assert invert(value_key(lower)) > invert(value_key(higher))


@pytest.mark.parametrize("group", [group for group in GROUPS if len(group) > 1], ids=repr)
def test_members_of_a_group_are_equal_in_the_order(group):
    for a, b in itertools.product(group, repeat=2):
        assert compare(a, b) == 0
        assert value_key(a) == value_key(b)


def test_every_pair_of_the_whole_table_sorts_by_its_place():
    flat = [(place, member) for place, group in enumerate(GROUPS) for member in group]
    for (place_a, a), (place_b, b) in itertools.product(flat, repeat=2):
        assert (compare(a, b) > 0) == (place_a > place_b)
        assert (value_key(a) > value_key(b)) == (place_a > place_b)


def test_a_type_range_holds_the_keys_of_its_type_and_no_others():
    members = [member for group in GROUPS for member in group]
    for a, b in itertools.product(members, repeat=2):
        low, high = type_range(a)
        assert (low <= value_key(b) < high) == (type_order(a) == type_order(b))


@pytest.mark.parametrize(
    ("a", "b"),
    [(1, 1.0), (0.0, -0.0), (True, 1), ((1,), (1.0,)), ({"a": 0}, {"a": False}), ({}, ())],
    ids=repr,
)
def test_values_that_look_alike_are_not_identical(a, b):
    assert not identical(a, b)
    assert not identical({"x": (a, "y")}, {"x": (b, "y")})


def test_nan_is_identical_to_nan():
    assert identical({"a": (float("nan"),)}, {"a": (float("nan"),)})


def test_the_order_of_keys_is_no_difference():
    assert identical({"a": 1, "b": 2}, {"b": 2, "a": 1})
    assert not identical({"a": 1}, {"b": 1})
    assert not identical({"a": 1}, {"a": 1, "b": 1})


def test_a_field_is_found_through_maps_only():
    fields = {"a": {"b": {"c": None}}, "l": ({"x": 1},)}
    assert get_field(fields, FieldPath(("a", "b", "c"))) is None
    assert get_field(fields, FieldPath(("a", "b", "d"))) is MISSING
    assert get_field(fields, FieldPath(("a", "b", "c", "d"))) is MISSING
    assert get_field(fields, FieldPath(("l", "x"))) is MISSING
