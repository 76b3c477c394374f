"""The fewest indexes for what was seen; the index file with them; and what nothing used."""

import json

import pytest

from harness.firestore import index_suggestions
from harness.firestore.index_definitions import (
    FieldOverride,
    IndexDefinitions,
    IndexMode,
    QueryScope,
    parse_index_file,
)
from harness.firestore.index_file import with_suggestion
from harness.firestore.index_suggestions import IndexSuggestion, suggest_indexes
from harness.firestore.index_usage import WrittenDocuments, unqueried_fields, unused_indexes
from harness.firestore.paths import FieldPath, ResourcePath
from harness.firestore.planner import index_needs
from harness.source import SourceText
from harness.tolerant_json import parse_json
from tests.firestore.queries_from_yaml import aggregations_from, index_from, query_from
from tests.firestore.values_from_yaml import case_id, cases, load_corpus

SUGGESTIONS = cases(
    load_corpus("planner/suggestions.yaml", ("cases",)),
    "cases",
    ("seen", "with", "add", "fields"),
)
NOTHING = IndexSuggestion()


def needs_of(rows):
    return [need for row in rows for need in index_needs(query_from(row), aggregations_from(row))]


def composites(*texts):
    return IndexDefinitions(tuple(map(index_from, texts)))


@pytest.mark.parametrize("row", SUGGESTIONS, ids=case_id)
def test_the_fewest_indexes_are_suggested(row):
    defined = composites(*row.get("with", ()))
    suggestion = suggest_indexes(needs_of(row["seen"]), defined)
    assert [index.properties for index in suggestion.composites] == sorted(row.get("add", ()))
    found = {
        str(each.field): {
            f"{'group ' if scope is QueryScope.COLLECTION_GROUP else ''}{mode.value}"
            for scope, mode in each.indexes
        }
        for each in suggestion.overrides
    }
    assert found == {field: set(modes) for field, modes in row.get("fields", {}).items()}
    assert suggestion.is_smallest
    assert suggest_indexes(needs_of(row["seen"]), suggestion.added_to(defined)).is_empty


def test_a_search_that_is_given_up_says_so_and_leaves_nothing_needless(monkeypatch):
    monkeypatch.setattr(index_suggestions, "MAX_CHOICES", 3)
    rows = [
        {"collection": "c", "where": [[a, "==", 1], [b, "==", 1]], "order": ["z"]}
        for a in "abcdef"
        for b in "abcdef"
        if a < b
    ]
    suggestion = suggest_indexes(needs_of(rows), IndexDefinitions())
    assert not suggestion.is_smallest
    for index in suggestion.composites:
        rest = tuple(other for other in suggestion.composites if other != index)
        less = IndexSuggestion(rest).added_to(IndexDefinitions())
        assert any(need.serving(less) is None for need in needs_of(rows))


# --- the file -----------------------------------------------------------------------------------

TWO = suggest_indexes(
    needs_of(
        [
            {"collection": "c", "where": [["a", "==", 1]], "order": ["b desc"]},
            {"collection": "items", "group": True, "where": [["sku", "==", 1]]},
        ]
    ),
    IndexDefinitions(),
)

COMMENTED = """\
// Ours.
{
    "indexes": [
        {"collectionGroup": "x", "fields": [ // two
            {"fieldPath": "p", "order": "ASCENDING"},
            {"fieldPath": "q", "mode": "DESCENDING"} ]} // the first, and
        /* the last, so far */
    ],
    /* none */ "fieldOverrides": [ /* yet */ ]
}
"""

FILES = {
    "commented": COMMENTED,
    "on Windows": COMMENTED.replace("\n", "\r\n"),
    "with tabs": COMMENTED.replace("    ", "\t"),
    "on one line": '{"indexes":[{"collectionGroup":"x","fields":[{"fieldPath":"p","order":'
    '"ASCENDING"},{"fieldPath":"q","order":"DESCENDING"}]}],"fieldOverrides":[]}',
    "without overrides": '{\n  "indexes": [] // none\n}\n',
    "without anything": "{}",
    "with a comment alone": "{\n  // to be filled\n}\n",
    "empty": "",
    "with an override": '{"fieldOverrides": [{"collectionGroup": "items", "fieldPath": "sku",\n'
    '  // once\n  "indexes": [{"order": "DESCENDING", "queryScope": "COLLECTION"} // it\n]}]}',
    "with a time to live": '{"fieldOverrides": [\n'
    '  {"collectionGroup": "items", "fieldPath": "sku", "ttl": true}\n]}',
    "with an exemption": '{"fieldOverrides": [\n'
    '  {"collectionGroup": "items", "fieldPath": "sku", "indexes": []}\n]}',
}


def definitions_of(text):
    return parse_index_file(parse_json(SourceText("f.json", text or "{}")).value(), "f.json")


@pytest.mark.parametrize("text", FILES.values(), ids=FILES)
def test_a_suggestion_is_written_and_nothing_that_was_there_changes(text):
    defined = definitions_of(text)
    needed = needs_of([{"collection": "items", "group": True, "where": [["sku", "==", 1]]}])
    suggestion = IndexSuggestion(TWO.composites, suggest_indexes(needed, defined).overrides)
    after = with_suggestion(SourceText("f.json", text), suggestion, defined)
    expected = suggestion.added_to(defined)
    found = definitions_of(after)
    assert set(found.composites) == set(expected.composites)
    assert {(each.field, each.indexes) for each in found.overrides} == {
        (each.field, each.indexes) for each in expected.overrides
    }
    # What was there is there still, in its sequence: letters are only added.
    kept = iter(after)
    assert all(letter in kept for letter in text)
    assert ("\r\n" in text) == ("\r\n" in after)
    assert after.count("\n") == after.count("\r\n") or "\r\n" not in after
    for comment in ("// two", "// the first, and", "/* the last, so far */", "/* none */"):
        assert (comment in text) == (comment in after)


def test_the_entries_look_as_the_guides_write_them():
    after = with_suggestion(SourceText("f.json", ""), TWO, IndexDefinitions())
    assert (
        after
        == """\
{
  "indexes": [
    {
      "collectionGroup": "c",
      "queryScope": "COLLECTION",
      "fields": [
        { "fieldPath": "a", "order": "ASCENDING" },
        { "fieldPath": "b", "order": "DESCENDING" }
      ]
    }
  ],
  "fieldOverrides": [
    {
      "collectionGroup": "items",
      "fieldPath": "sku",
      "indexes": [
        { "order": "ASCENDING", "queryScope": "COLLECTION" },
        { "arrayConfig": "CONTAINS", "queryScope": "COLLECTION" },
        { "order": "DESCENDING", "queryScope": "COLLECTION" },
        { "order": "ASCENDING", "queryScope": "COLLECTION_GROUP" }
      ]
    }
  ]
}
"""
    )
    assert json.loads(after)


# --- what nothing used --------------------------------------------------------------------------


def written(defined, documents, writes=9):
    paths = {ResourcePath(f"c/{name}"): fields for name, fields in documents.items()}
    return WrittenDocuments.of("c", writes, paths, defined)


def test_an_index_that_no_query_uses_is_named_with_what_it_costs():
    defined = composites("c (a asc, b asc)", "c (t contains, b desc)", "d (a asc, b asc)")
    seen = needs_of([{"collection": "c", "where": [["a", "==", 1]], "order": ["b"]}])
    documents = {"x": {"a": 1, "b": 2, "t": (1, 2, 2)}, "y": {"a": 1}}
    array, other = unused_indexes(defined, seen, [written(defined, documents)], to_be_added=NOTHING)
    assert array.index.properties == "(t ARRAY_CONTAINS, b DESC, __name__ DESC)"
    # Two distinct elements in one of two documents: name (2 + 2 + 16), values 8 + 8, and 32.
    assert (array.cost.entries, array.cost.size_bytes, array.cost.writes) == (1.0, 68.0, 9)
    assert other.index.collection_group == "d"
    assert other.cost is None


def test_a_member_of_a_merge_is_used():
    defined = composites("c (a asc, d asc)", "c (b asc, d asc)")
    seen = needs_of(
        [{"collection": "c", "where": [["a", "==", 1], ["b", "==", 1]], "order": ["d"]}]
    )
    assert unused_indexes(defined, seen, [], to_be_added=NOTHING) == []


def test_an_index_that_will_be_merged_with_what_is_lacking_is_used():
    defined = composites("c (a asc, d asc)")
    seen = needs_of(
        [
            {"collection": "c", "where": [["b", "==", 1]], "order": ["d"]},
            {"collection": "c", "where": [["a", "==", 1], ["b", "==", 1]], "order": ["d"]},
        ]
    )
    lacking = suggest_indexes(seen, defined)
    assert unused_indexes(defined, seen, [], to_be_added=NOTHING) != []
    assert unused_indexes(defined, seen, [], to_be_added=lacking) == []


def test_fields_that_no_query_asks_for_are_named_the_dearest_first():
    exempt = FieldOverride("c", FieldPath(("free",)), frozenset())
    defined = IndexDefinitions(overrides=(exempt,))
    documents = {"x": {"a": 1, "text": "x" * 100, "n": 1, "free": "y" * 500, "t": (1, 2)}}
    seen = needs_of([{"collection": "c", "where": [["a", "==", 1]]}])
    found = unqueried_fields(defined, seen, [written(defined, documents)])
    assert [(str(each.field), each.cost.entries) for each in found] == [
        ("text", 2.0),
        ("n", 2.0),
        ("t", 2.0),
    ]
    # Both entries of the text: name 20, field name 5, value 101, and 32.
    assert found[0].cost.size_bytes == 2 * (20 + 5 + 101 + 32)


def test_a_suggestion_for_a_field_with_a_ttl_policy_keeps_the_policy():
    exempt = FieldOverride("c", FieldPath(("until",)), frozenset(), ttl=True)
    defined = IndexDefinitions(overrides=(exempt,))
    (need,) = needs_of([{"collection": "c", "group": True, "where": [["until", "<", 1]]}])
    (override,) = suggest_indexes([need], defined).overrides
    assert override.ttl
    assert override.indexes == {(QueryScope.COLLECTION_GROUP, IndexMode.ASCENDING)}


def test_what_was_written_survives_its_file():
    defined = composites("c (a asc, b asc)")
    before = written(defined, {"x": {"a": 1, "b": (1, 2)}})
    assert WrittenDocuments.from_json(json.loads(json.dumps(before.to_json()))) == before
    assert before.merged(before).sampled == 2
