"""Limits of index entries: at the limit a document is taken, beyond it is refused."""

from __future__ import annotations

import pytest

from harness.errors import ConfigError, StatusError
from harness.firestore import limits
from harness.firestore.index_definitions import IndexDefinitions, parse_index_file
from harness.firestore.index_entries import index_entries
from harness.firestore.index_limits import _SMALL_DOCUMENT_BYTES, check_index_entries
from harness.firestore.paths import ResourcePath
from harness.firestore.sizes import document_size_bytes
from harness.firestore.values import Fields

A = ResourcePath("c/a")


def up(name: str) -> dict[str, str]:
    return {"fieldPath": name, "order": "ASCENDING"}


def defined(*indexes: list[dict[str, str]]) -> IndexDefinitions:
    entries = [
        {"collectionGroup": "c", "queryScope": "COLLECTION", "fields": fields} for fields in indexes
    ]
    return parse_index_file({"indexes": entries}, "firestore.indexes.json")


def refusal(fields: Fields, definitions: IndexDefinitions, path: ResourcePath = A) -> str | None:
    try:
        check_index_entries(path, fields, definitions)
    except StatusError as error:
        return error.message
    return None


@pytest.mark.parametrize(
    ("count", "message"), [(19_999, None), (20_000, "too many index entries for entity /c/a")]
)
def test_an_element_of_an_array_counts_twice(count: int, message: str | None) -> None:
    assert refusal({"f": tuple(range(count))}, IndexDefinitions()) == message


def test_an_exempted_field_counts_nothing() -> None:
    override = {"collectionGroup": "c", "fieldPath": "f", "indexes": []}
    exempted = parse_index_file({"fieldOverrides": [override]}, "firestore.indexes.json")
    assert refusal({"f": tuple(range(20_000))}, exempted) is None


def test_a_composite_index_counts_each_element() -> None:
    fields: Fields = {"f": tuple(range(15_000)), "g": 1, "h": 2, "i": 3}
    contains = {"fieldPath": "f", "arrayConfig": "CONTAINS"}
    assert refusal(fields, IndexDefinitions()) is None
    message = refusal(fields, defined([contains, up("g")]))
    assert message == "too many index entries for entity /c/a"


def test_two_arrays_in_one_index_are_counted_and_not_multiplied_out() -> None:
    numbers = tuple(range(9_000))
    index = [{"fieldPath": name, "arrayConfig": "CONTAINS"} for name in "fg"]
    (composite,) = (
        entries
        for entries in index_entries(A, {"f": numbers, "g": numbers}, defined(index))
        if len(entries.index.fields) > 2
    )
    assert composite.count == limits.MAX_INDEX_ENTRIES_PER_DOCUMENT + 1


def test_a_small_document_may_have_too_many_entries_in_an_index_of_two_arrays() -> None:
    letters = tuple(map(chr, range(203)))
    fields: Fields = {"f": letters, "g": letters}
    assert document_size_bytes(A, fields) <= _SMALL_DOCUMENT_BYTES
    index = [{"fieldPath": name, "arrayConfig": "CONTAINS"} for name in "fg"]
    assert refusal(fields, IndexDefinitions()) is None
    assert refusal(fields, defined(index)) == "too many index entries for entity /c/a"


def test_one_entry_may_be_too_large() -> None:
    text = "x" * 1_500
    fields: Fields = dict.fromkeys("abcdef", text)
    # Five values of 1,500 bytes, twice 16 bytes and the names, 32 bytes.
    assert refusal(fields, defined([up(name) for name in "abcde"])) is None
    assert refusal(fields, defined([up(name) for name in "abcdef"])) == "Index entry is too large."


def test_the_sum_of_all_entries_may_be_too_large() -> None:
    fields: Fields = {f"f{number:04}": number for number in range(1_600)}
    path = ResourcePath("/".join(["i" * 1_400] * 2))
    assert refusal(fields, IndexDefinitions()) is None
    assert refusal(fields, IndexDefinitions(), path) == (
        "Transaction too big. Decrease transaction size."
    )


def test_the_largest_documents_that_are_not_looked_at_are_within_all_limits() -> None:
    path = ResourcePath("c/" + "i" * 490)
    group = {
        "collectionGroup": "c",
        "fieldPath": "*",
        "indexes": [
            {"queryScope": scope, **mode}
            for scope in ("COLLECTION", "COLLECTION_GROUP")
            for mode in (
                {"order": "ASCENDING"},
                {"order": "DESCENDING"},
                {"arrayConfig": "CONTAINS"},
            )
        ],
    }
    composites = [
        {"collectionGroup": "c", "fields": [up("a"), up(f"b{number}")]} for number in range(1_000)
    ]
    definitions = parse_index_file(
        {"indexes": composites, "fieldOverrides": [group]}, "firestore.indexes.json"
    )
    for fields in (
        {chr(97 + number % 26) + chr(97 + number // 26): None for number in range(255)},
        {"a": tuple(chr(160 + number) for number in range(330))},
        {"m" * 500: {chr(97 + number): None for number in range(26)}},
    ):
        assert document_size_bytes(path, fields) <= _SMALL_DOCUMENT_BYTES
        found = list(index_entries(path, fields, definitions))
        assert sum(each.size_bytes for each in found) <= 8_388_608
        assert max(each.largest_bytes for each in found) <= 7_680
        assert sum(2 * each.count for each in found) <= 40_000


def test_a_file_with_too_many_indexes_is_refused() -> None:
    indexes = [[up("a"), up(f"f{number}")] for number in range(1_000)]
    assert len(defined(*indexes, indexes[0]).composites) == 1_001  # one of them twice
    with pytest.raises(ConfigError, match="1,001 composite indexes") as refused:
        defined(*indexes, [up("b"), up("c")])
    assert "remove those that no query needs" in str(refused.value)
