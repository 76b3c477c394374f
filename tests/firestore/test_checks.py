import pytest

from harness.errors import StatusCode, StatusError
from harness.firestore.checks import check_field_path, check_fields, vector_from_map
from harness.firestore.paths import FieldPath
from harness.firestore.values import Vector
from tests.firestore.values_from_yaml import case_id, cases, fields, load_corpus

CASES = cases(
    load_corpus("values/refused.yaml", {"cases"}), "cases", {"fields", "long_name", "message"}
)


@pytest.mark.parametrize("case", CASES, ids=case_id)
def test_fields_are_refused_as_the_table_says(case):
    given = {"n" * case["long_name"]: 1} if "long_name" in case else fields(case["fields"])
    if "message" not in case:
        check_fields(given)
        return
    with pytest.raises(StatusError) as refusal:
        check_fields(given)
    assert refusal.value.code is StatusCode.INVALID_ARGUMENT
    assert refusal.value.message == case["message"]


def test_an_integer_beyond_64_bits_is_refused():
    check_fields({"a": 2**63 - 1, "b": -(2**63)})
    for number in (2**63, -(2**63) - 1):
        with pytest.raises(StatusError, match="64-bit"):
            check_fields({"a": number})


@pytest.mark.parametrize(
    ("wire_map", "message"),
    [
        ({"__type__": "__vector__"}, "Vector map is missing key 'value'."),
        ({"__type__": "__vector__", "value": 1}, "Vector value type must be an array."),
        (
            {"__type__": "__vector__", "value": (1.0,), "x": 1},
            "Vector value map has extraneous entries.",
        ),
        ({"__type__": "__vector__", "value": ()}, "Cannot have a zero length vector."),
        (
            {"__type__": "__vector__", "value": (1.0,) * 2049},
            "Vectors must be at most 2048 dimensions.",
        ),
        (
            {"__type__": "__vector__", "value": (1,)},
            "Vector must only contain values of type 'double'",
        ),
    ],
)
def test_a_malformed_vector_is_refused(wire_map, message):
    with pytest.raises(StatusError) as refusal:
        vector_from_map(wire_map)
    assert refusal.value.message == message


def test_a_map_that_spells_a_vector_becomes_one():
    assert vector_from_map({"__type__": "__vector__", "value": (1.0, 2.0)}) == Vector((1.0, 2.0))
    assert vector_from_map({"__type__": "money", "value": (1.0,)}) is None
    assert vector_from_map({"a": 1}) is None


def test_a_mask_path_cannot_name_a_reserved_field():
    check_field_path(FieldPath(("a", "b")))
    with pytest.raises(StatusError, match="field name __name__ is reserved"):
        check_field_path(FieldPath(("__name__",)))
    with pytest.raises(StatusError, match="field name '__x__' is reserved"):
        check_field_path(FieldPath(("a", "__x__")))
    with pytest.raises(StatusError, match="longer than 1500 bytes"):
        check_field_path(FieldPath(("a" * 750, "b" * 750)))
