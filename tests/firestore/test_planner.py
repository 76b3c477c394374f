import base64

import pytest

from harness.firestore.index_definitions import (
    FieldOverride,
    IndexDefinitions,
    IndexMode,
    QueryScope,
    parse_index_file,
)
from harness.firestore.missing_index import MissingIndex
from harness.firestore.paths import DatabaseName, FieldPath
from harness.firestore.planner import QueryPlan, plan_query
from harness.firestore.query_checks import validate_query
from tests.firestore.queries_from_yaml import (
    QUERY_KEYS,
    aggregations_from,
    index_from,
    query_from,
)
from tests.firestore.values_from_yaml import case_id, cases, load_corpus

REQUIREMENTS = cases(
    load_corpus("planner/requirements.yaml", ("cases",)),
    "cases",
    (*QUERY_KEYS, "with", "overrides", "used", "missing", "several_ranges", "single_field"),
)
MESSAGES = cases(
    load_corpus("planner/messages.yaml", ("cases",)),
    "cases",
    (*QUERY_KEYS, "message", "suggestion"),
)
RANGE_FIELDS = cases(
    load_corpus("planner/range_fields.yaml", ("cases",)), "cases", (*QUERY_KEYS, "count")
)


def definitions(row):
    overrides = [
        FieldOverride(
            "c",
            FieldPath(tuple(field.split("."))),
            frozenset(
                (
                    QueryScope.COLLECTION,
                    {"asc": IndexMode.ASCENDING, "desc": IndexMode.DESCENDING}[m],
                )
                for m in modes
            ),
        )
        for field, modes in row.get("overrides", {}).items()
    ]
    return IndexDefinitions(tuple(map(index_from, row.get("with", ()))), tuple(overrides))


@pytest.mark.parametrize("row", REQUIREMENTS, ids=case_id)
def test_a_query_needs_the_index_that_production_asks_for(row):
    query = query_from(row)
    validate_query(query)
    plan = plan_query(query, definitions(row), aggregations_from(row))
    if "used" in row:
        assert isinstance(plan, QueryPlan)
        used = [index.properties for index in plan.indexes_used]
        assert sorted(used) == sorted(row["used"])
        return
    assert isinstance(plan, MissingIndex)
    assert plan.index.properties == row["missing"]
    assert plan.has_several_inequality_fields == row.get("several_ranges", False)
    message = plan.message(DatabaseName("p"))
    if "single_field" in row:
        assert f"requires a {row['single_field']} index" in message
    else:
        assert plan.single_field is None


@pytest.mark.parametrize("row", MESSAGES, ids=case_id)
def test_a_missing_index_is_told_in_the_words_of_production(row):
    missing = plan_query(query_from(row), IndexDefinitions())
    assert isinstance(missing, MissingIndex)
    assert missing.message(DatabaseName("demo-app")) == row["message"]
    assert missing.suggestion == row["suggestion"]


@pytest.mark.parametrize("row", MESSAGES, ids=case_id)
def test_pasting_the_suggestion_makes_the_query_work(row):
    missing = plan_query(query_from(row), IndexDefinitions())
    assert isinstance(missing, MissingIndex)
    pasted = parse_index_file(missing.suggestion, "firestore.indexes.json")
    assert isinstance(plan_query(query_from(row), pasted), QueryPlan)


@pytest.mark.parametrize("row", RANGE_FIELDS, ids=case_id)
def test_range_fields_are_counted_as_billing_defines_them(row):
    plan = plan_query(query_from(row), IndexDefinitions(), enforce_indexes=False)
    assert isinstance(plan, QueryPlan)
    assert plan.range_field_count == row["count"]


def test_the_link_holds_a_named_database():
    row = {"collection": "c", "order": ["a", "b"]}
    missing = plan_query(query_from(row), IndexDefinitions())
    payload = missing.link(DatabaseName("p", "other")).partition("create_composite=")[2]
    decoded = base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))
    assert b"projects/p/databases/other/collectionGroups/c/indexes/_" in decoded
    assert "=" not in payload


def test_more_equalities_than_are_searched_for_still_merge():
    names = [chr(ord("a") + place) for place in range(15)]
    row = {"collection": "c", "where": [[name, "==", 1] for name in names]}
    plan = plan_query(query_from(row), IndexDefinitions())
    assert isinstance(plan, QueryPlan)
    assert len(plan.indexes_used) == 15


def test_without_enforcement_the_missing_index_itself_serves():
    row = {"collection": "c", "where": [["a", "==", 1]], "order": ["b desc"]}
    plan = plan_query(query_from(row), IndexDefinitions(), enforce_indexes=False)
    assert [index.properties for index in plan.indexes_used] == ["(a ASC, b DESC, __name__ DESC)"]
