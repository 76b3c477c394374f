import pytest

from harness.firestore.paths import ROOT, ResourcePath
from harness.firestore.sizes import (
    composite_entry_size_bytes,
    document_name_size_bytes,
    document_size_bytes,
    single_field_entry_size_bytes,
    value_size_bytes,
)
from tests.firestore.values_from_yaml import case_id, cases, fields, load_corpus, value

TABLE = load_corpus(
    "values/sizes.yaml",
    {
        "document",
        "fields",
        "document_size_bytes",
        "single_field_entries",
        "composite_entries",
        "values",
    },
)
DOCUMENT = ResourcePath(TABLE["document"])
FIELDS = fields(TABLE["fields"])


def test_the_documented_example_document_has_its_documented_size():
    assert document_size_bytes(DOCUMENT, FIELDS) == TABLE["document_size_bytes"]


@pytest.mark.parametrize(
    "case",
    cases(TABLE, "single_field_entries", {"field", "is_collection_group", "size_bytes"}),
    ids=case_id,
)
def test_single_field_entries_have_their_documented_size(case):
    size_bytes = single_field_entry_size_bytes(
        DOCUMENT,
        case["field"],
        FIELDS[case["field"]],
        is_collection_group=case["is_collection_group"],
    )
    assert size_bytes == case["size_bytes"]


@pytest.mark.parametrize(
    "case",
    cases(TABLE, "composite_entries", {"fields", "is_collection_group", "size_bytes"}),
    ids=case_id,
)
def test_composite_entries_have_their_documented_size(case):
    size_bytes = composite_entry_size_bytes(
        DOCUMENT,
        [FIELDS[field] for field in case["fields"]],
        is_collection_group=case["is_collection_group"],
    )
    assert size_bytes == case["size_bytes"]


@pytest.mark.parametrize("case", cases(TABLE, "values", {"value", "size_bytes"}), ids=case_id)
def test_values_have_their_documented_size(case):
    assert value_size_bytes(value(case["value"])) == case["size_bytes"]


def test_the_root_has_no_name_to_store():
    assert document_name_size_bytes(ROOT) == 0


def test_an_indexed_value_counts_no_more_than_what_the_index_holds_of_it():
    path = ResourcePath("c/d")
    whole = single_field_entry_size_bytes(path, "f", "x" * 5000, is_collection_group=True)
    cut = single_field_entry_size_bytes(path, "f", "x" * 1499, is_collection_group=True)
    assert whole == cut
