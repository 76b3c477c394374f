"""Records: what they share with frozen dataclasses, apart from being frozen."""

from __future__ import annotations

import copy
import pickle

import pytest

from harness.records import field, record


@record()
class Named:
    name: str
    note: str = field(default="", compare=False)


@record(order=True)
class Ordered:
    first: int
    second: int


def test_records_of_equal_fields_are_equal_and_hash_alike() -> None:
    one, other = Named("a", "here"), Named("a", "there")
    assert one == other
    assert hash(one) == hash(other)
    assert one != Named("b", "here")
    assert repr(one) == "Named(name='a', note='here')"


def test_a_record_has_no_room_for_other_attributes() -> None:
    with pytest.raises(AttributeError):
        Named("a").other = 1  # type: ignore[attr-defined]


def test_records_are_ordered_by_their_fields_where_asked_for() -> None:
    assert sorted([Ordered(2, 1), Ordered(1, 2), Ordered(1, 1)]) == [
        Ordered(1, 1),
        Ordered(1, 2),
        Ordered(2, 1),
    ]
    with pytest.raises(TypeError):
        sorted([Named("b"), Named("a")])  # type: ignore[type-var]


def test_records_survive_copies_and_pickles() -> None:
    for one in (Named("a", "here"), Ordered(1, 2)):
        for made in (copy.deepcopy(one), pickle.loads(pickle.dumps(one))):
            assert made == one
            assert repr(made) == repr(one)
