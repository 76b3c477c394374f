"""What each kind of request costs: the worked cases, on the data that they are computed from."""

import re
from dataclasses import replace

import pytest

from harness.errors import StatusError
from harness.firestore.engine import QueryEngine
from harness.firestore.index_definitions import (
    AUTOMATIC,
    FieldOverride,
    IndexDefinitions,
    IndexMode,
    QueryScope,
)
from harness.firestore.missing_index import MissingIndex
from harness.firestore.paths import FieldPath
from tests.firestore.orders_data import employees_database, orders_database
from tests.firestore.queries_from_yaml import (
    QUERY_KEYS,
    aggregations_from,
    index_from,
    query_from,
)
from tests.firestore.values_from_yaml import case_id, cases, load_corpus

TABLE = load_corpus("queries/worked_cases.yaml", ("indexes", "cases"))
CASES = cases(
    TABLE,
    "cases",
    (
        *QUERY_KEYS,
        "indexes",
        "overrides",
        "used",
        "scope",
        "reads",
        "entries",
        "results",
        "first",
        "missing",
        "single_field",
        "several_ranges",
        "vector",
        "error",
        "expect",
    ),
)
BLOB_IS_EXEMPT = FieldOverride("orders", FieldPath(("blob",)), frozenset())


@pytest.fixture(scope="module")
def orders_engine():
    return QueryEngine(orders_database())


@pytest.fixture(scope="module")
def employees_engine():
    return QueryEngine(employees_database())


def definitions(row):
    composites = tuple(index_from(TABLE["indexes"][name]) for name in row.get("indexes", ()))
    overrides = [BLOB_IS_EXEMPT]
    for text in row.get("overrides", ()):
        group, field, scope, mode = re.fullmatch(r"(\w+)\.(\w+) (\w+) (\w+)", text).groups()
        assert (scope, mode) == ("group", "asc")
        wanted = AUTOMATIC | {(QueryScope.COLLECTION_GROUP, IndexMode.ASCENDING)}
        overrides.append(FieldOverride(group, FieldPath((field,)), wanted))
    return IndexDefinitions(composites, tuple(overrides))


@pytest.mark.parametrize("row", CASES, ids=case_id)
def test_a_request_costs_what_production_bills(row, request):
    name = "employees_engine" if row["collection"] == "emp" else "orders_engine"
    engine = request.getfixturevalue(name)
    engine.definitions = definitions(row)
    query = query_from(row)
    aggregations = aggregations_from(row)

    if "error" in row:
        with pytest.raises(StatusError) as refused:
            engine.run_query(query)
        assert refused.value.code.name == row["error"]
        return
    if "missing" in row:
        missing = engine.plan(query, aggregations)
        assert isinstance(missing, MissingIndex)
        assert missing.index.properties == row["missing"]
        assert missing.has_several_inequality_fields == row.get("several_ranges", False)
        single = missing.single_field
        assert (single is not None) == ("single_field" in row)
        message = missing.message(engine.database.name)
        words = (
            "gcloud firestore indexes composite create" if "vector" in row else "requires an index"
        )
        assert row.get("single_field", words) in message
        return

    if aggregations:
        result = engine.run_aggregation(query, aggregations)
        assert result.values == row["expect"]
        assert all(type(result.values[key]) is type(row["expect"][key]) for key in row["expect"])
    else:
        result = engine.run_query(query)
        if "results" in row:
            assert len(result.documents) == row["results"]
        if "first" in row:
            assert result.documents[0].path.id == row["first"]
    summary = result.explain()["plan_summary"]["indexes_used"]
    assert sorted(used["properties"] for used in summary) == sorted(row["used"])
    assert {used["query_scope"] for used in summary} <= {row.get("scope", "Collection")}
    assert result.cost.reads == row["reads"]
    assert_entries(result.counts.index_entries, row["entries"])


def assert_entries(scanned, expected):
    if isinstance(expected, int):
        assert scanned == expected
    elif "most" in expected:
        assert scanned <= expected["most"]
    else:
        assert abs(scanned - expected["about"]) <= expected["about"] / 50


def test_work_does_not_grow_with_what_is_not_scanned(orders_engine):
    orders_engine.definitions = IndexDefinitions()
    row = {"collection": "orders", "where": [["status", "==", "open"]], "limit": 20}
    few = orders_engine.run_query(query_from(row)).counts.index_entries
    many = orders_engine.run_query(replace(query_from(row), offset=900)).counts.index_entries
    assert (few, many) == (21, 921)
