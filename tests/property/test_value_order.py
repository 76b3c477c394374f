"""Laws of the order of values, of their byte keys, and of identity."""

import copy

from hypothesis import given
from hypothesis import strategies as st

from harness.firestore.keys import invert, path_key, type_range, value_key
from harness.firestore.values import compare, compare_paths, identical, type_order
from tests.property.firestore_strategies import paths, values


def sign(number):
    return (number > 0) - (number < 0)


def order(a, b):
    return (a > b) - (a < b)


@given(values, values)
def test_the_order_is_antisymmetric(a, b):
    assert sign(compare(a, b)) == -sign(compare(b, a))


@given(values)
def test_every_value_equals_itself_in_the_order(a):
    assert compare(a, a) == 0
    assert compare(a, copy.deepcopy(a)) == 0


@given(values, values, values)
def test_the_order_is_transitive(a, b, c):
    low, middle, high = sorted([a, b, c], key=value_key)
    assert compare(low, middle) <= 0
    assert compare(middle, high) <= 0
    assert compare(low, high) <= 0


@given(values, values)
def test_keys_sort_as_values_do(a, b):
    assert order(value_key(a), value_key(b)) == sign(compare(a, b))


@given(values, values)
def test_inverted_keys_sort_the_other_way_round(a, b):
    assert order(invert(value_key(a)), invert(value_key(b))) == -sign(compare(a, b))
    assert invert(invert(value_key(a))) == value_key(a)


@given(values, values)
def test_no_key_is_a_proper_prefix_of_another(a, b):
    key_a, key_b = value_key(a), value_key(b)
    assert key_a == key_b or not key_a.startswith(key_b)


@given(st.lists(st.tuples(values, values, st.booleans()), min_size=1, max_size=3))
def test_joined_keys_sort_by_their_first_difference(components):
    joined_a = joined_b = b""
    expected = 0
    for a, b, is_descending in components:
        key_a, key_b = value_key(a), value_key(b)
        if is_descending:
            key_a, key_b = invert(key_a), invert(key_b)
        joined_a += key_a
        joined_b += key_b
        expected = expected or (-1 if is_descending else 1) * sign(compare(a, b))
    assert order(joined_a, joined_b) == expected


@given(values, values)
def test_a_type_range_holds_exactly_its_type(a, b):
    low, high = type_range(a)
    assert (low <= value_key(b) < high) == (type_order(a) == type_order(b))


@given(paths, paths)
def test_path_keys_sort_as_paths_do(a, b):
    assert order(path_key(a), path_key(b)) == sign(compare_paths(a, b))
    assert (path_key(a) == path_key(b)) == (a == b)


@given(paths, paths)
def test_no_path_key_is_a_proper_prefix_of_another(a, b):
    key_a, key_b = path_key(a), path_key(b)
    assert key_a == key_b or not key_a.startswith(key_b)


@given(values, values)
def test_identity_is_symmetric_and_finer_than_the_order(a, b):
    assert identical(a, b) == identical(b, a)
    assert not identical(a, b) or compare(a, b) == 0


@given(values)
def test_identity_is_reflexive(a):
    assert identical(a, a)
    assert identical(a, copy.deepcopy(a))
