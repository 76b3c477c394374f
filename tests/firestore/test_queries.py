"""What queries return: filters, orders, cursors, projections, and what is refused."""

import pytest

from harness.errors import StatusError
from harness.firestore.documents import Write, WriteKind
from harness.firestore.engine import QueryEngine
from harness.firestore.filters import matches
from harness.firestore.index_definitions import IndexDefinitions
from harness.firestore.paths import DatabaseName, FieldPath, ResourcePath
from harness.firestore.query import Order, StructuredQuery, effective_order
from harness.firestore.query_checks import validate_aggregations, validate_query
from harness.firestore.store import Database
from harness.firestore.values import Timestamp, identical
from tests.firestore.queries_from_yaml import (
    QUERY_KEYS,
    aggregations_from,
    index_from,
    order_from,
    query_from,
)
from tests.firestore.values_from_yaml import case_id, cases, load_corpus, value

FILTERS = load_corpus("queries/filters.yaml", ("documents", "cases"))
REFUSED = load_corpus("queries/refused.yaml", ("cases", "allowed", "aggregations"))
AGGREGATIONS = load_corpus("queries/aggregations.yaml", ("cases",))
VALUE_ORDER = load_corpus("values/order.yaml", ("groups",))


def engine_of(documents, **options):
    database = Database(DatabaseName("p"))
    writes = [
        Write(WriteKind.UPDATE, ResourcePath(path), fields) for path, fields in documents.items()
    ]
    database.commit(database.prepare(writes, Timestamp(1)))
    return QueryEngine(database, **options)


def ids(result):
    return [document.path.id for document in result.documents]


def run(engine, **row):
    return ids(engine.run_query(query_from({"collection": "c", **row})))


@pytest.fixture(scope="module")
def filter_engine():
    documents = {
        f"c/{str(name).lower()}": {"f": value(given)}
        for name, given in FILTERS["documents"].items()
    }
    return engine_of({**documents, "c/absent": {"g": 1}, "d/one": {"f": 1}})


@pytest.mark.parametrize("row", cases(FILTERS, "cases", ("where", "matches")), ids=case_id)
def test_a_filter_matches_its_documents(filter_engine, row):
    query = query_from({"collection": "c", "where": row["where"]})
    expected = sorted(name if name != "null" else "none" for name in row["matches"])
    assert sorted(ids(filter_engine.run_query(query))) == expected
    # The predicate that listeners use says the same.
    database = filter_engine.database
    everything = [database.get(path) for path in database.paths_in(ResourcePath("c"))]
    assert sorted(d.path.id for d in everything if matches(query, d)) == expected


def test_a_query_sorts_values_as_the_total_order_does():
    groups = [list(map(value, group)) for group in VALUE_ORDER["groups"]]
    documents = {
        f"c/{len(groups) - rank:03}-{place}": {"f": given}
        for rank, group in enumerate(groups)
        for place, given in enumerate(group)
    }
    engine = engine_of(documents)
    ascending = [
        name
        for rank, group in enumerate(groups)
        for name in (f"{len(groups) - rank:03}-{place}" for place in range(len(group)))
    ]
    assert run(engine, order=["f"]) == ascending
    assert run(engine, order=["f desc"]) == ascending[::-1]


@pytest.mark.parametrize(
    "row", cases(REFUSED, "cases", (*QUERY_KEYS, "code", "message")), ids=case_id
)
def test_a_query_is_refused_in_the_words_of_production(row):
    with pytest.raises(StatusError) as refused:
        validate_query(query_from(row))
    assert (refused.value.code.name, refused.value.message) == (row["code"], row["message"])


@pytest.mark.parametrize("row", cases(REFUSED, "allowed", QUERY_KEYS), ids=case_id)
def test_a_query_like_those_refused_is_allowed(row):
    validate_query(query_from(row))


@pytest.mark.parametrize(
    "row", cases(REFUSED, "aggregations", ("aggregate", "message")), ids=case_id
)
def test_aggregations_are_refused_in_the_words_of_production(row):
    with pytest.raises(StatusError) as refused:
        validate_aggregations(aggregations_from(row))
    assert refused.value.message == row["message"]


def test_two_aggregations_of_one_alias_are_refused():
    (count,) = aggregations_from({"aggregate": {"n": "count"}})
    with pytest.raises(StatusError, match="duplicate alias: n"):
        validate_aggregations([count, count])


@pytest.mark.parametrize("row", cases(AGGREGATIONS, "cases", ("values", "expect")), ids=case_id)
def test_aggregations_add_up(row):
    documents = {f"c/{place:02}": {"f": value(v)} for place, v in enumerate(row["values"])}
    engine = engine_of({**documents, "c/absent": {"g": 1}})
    wanted = aggregations_from({"aggregate": {"n": "count", "s": "sum f", "a": "avg f"}})
    found = engine.run_aggregation(query_from({"collection": "c"}), wanted).values
    expected = {alias: value(given) for alias, given in row["expect"].items()}
    assert identical(found, expected), found


def test_a_document_that_several_disjuncts_find_is_aggregated_once():
    # Each scan is sorted by the summed field, so that a document is not met twice in a row.
    engine = engine_of({f"c/{place}": {"t": (0, 1), "f": 5 - place} for place in range(5)})
    engine.definitions = IndexDefinitions((index_from("c (t contains, f asc)"),))
    row = {"collection": "c", "where": [["t", "array-contains-any", [0, 1]]]}
    wanted = aggregations_from({"aggregate": {"n": "count", "s": "sum f"}})
    assert engine.run_aggregation(query_from(row), wanted).values == {"n": 5, "s": 15}


def test_a_count_respects_limit_offset_and_bound():
    engine = engine_of({f"c/{place}": {"f": place} for place in range(8)})

    def count(up_to="", **row):
        wanted = aggregations_from({"aggregate": {"n": f"count {up_to}"}})
        result = engine.run_aggregation(query_from({"collection": "c", **row}), wanted)
        return result.values["n"], result.counts.index_entries

    assert count() == (8, 8)
    assert count(limit=3) == (3, 3)
    assert count(offset=6) == (2, 8)
    assert count(offset=6, limit=1) == (1, 7)
    assert count(offset=9) == (0, 8)
    assert count(up_to=3) == (3, 3)
    assert count(up_to=3, offset=1) == (3, 4)
    assert count(up_to=3, where=["f", "in", [1, 2, 5, 6]])[0] == 3
    assert count(limit=0) == (0, 0)


def test_a_count_of_nothing_pays_for_what_it_read():
    engine = engine_of({f"c/{place}": {"f": place, "g": 0} for place in range(5)})
    engine.enforce_indexes = False
    wanted = aggregations_from({"aggregate": {"n": "count"}})

    def cost(**row):
        return engine.run_aggregation(query_from({"collection": "c", **row}), wanted).cost

    probed = cost(where=["f", "==", 9])
    assert (probed.index_entries_scanned, probed.index_entries_billed) == (1, 0)
    read = cost(where=[["f", ">=", 0], ["g", ">", 0]])
    assert (read.index_entries_scanned, read.index_entries_billed) == (5, 5)
    assert (probed.reads, probed.minimum_charges) == (1, 1)
    assert (read.reads, read.minimum_charges) == (1, 0)


def test_counts_are_taken_from_the_index_as_it_changes():
    engine = engine_of({f"c/{place}": {"f": place % 2} for place in range(6)})
    database = engine.database
    row = {"collection": "c", "where": ["f", "==", 0]}
    wanted = aggregations_from({"aggregate": {"n": "count"}})
    assert engine.run_aggregation(query_from(row), wanted).values == {"n": 3}
    write = Write(WriteKind.UPDATE, ResourcePath("c/1"), {"f": 0})
    database.commit(database.prepare([write], Timestamp(2)))
    assert engine.run_aggregation(query_from(row), wanted).values == {"n": 4}
    past = engine.run_aggregation(query_from(row), wanted, at=Timestamp(1))
    assert past.values == {"n": 3}
    assert past.read_time == Timestamp(1)


@pytest.mark.parametrize(
    ("where", "order", "expected"),
    [
        (None, [], ["__name__"]),
        (None, ["b desc"], ["b desc", "__name__ desc"]),
        (None, ["__name__ desc"], ["__name__ desc"]),
        ([["b", ">", 1], ["a", "!=", 1]], [], ["a", "b", "__name__"]),
        ([["b", ">", 1], ["a", "<", 1]], ["b desc"], ["b desc", "a desc", "__name__ desc"]),
        ({"or": [["b", ">", 1], ["a", "==", 1]]}, [], ["b", "__name__"]),
        ([["a.b", ">", 1], ["a", "<", 1], ["Z", ">", 1]], [], ["Z", "a", "a.b", "__name__"]),
        ([["__name__", ">", {"ref": ["p", "(default)", "c/d"]}]], ["a"], ["a", "__name__"]),
        ([["a", "is-null"], ["b", "in", [1]]], [], ["__name__"]),
    ],
)
def test_the_effective_order_is_completed(where, order, expected):
    query = query_from({"collection": "c", "where": where, "order": order})
    assert effective_order(query) == tuple(map(order_from, expected))


def test_documents_without_an_ordered_field_are_not_returned():
    engine = engine_of({"c/a": {"f": 1}, "c/b": {"g": 1}, "c/d": {"f": None, "g": 0}})
    assert run(engine, order=["f"]) == ["d", "a"]
    # An inequality orders the whole query, so the other disjunct loses documents too.
    engine.enforce_indexes = False
    assert run(engine, where={"or": [["f", ">", 0], ["g", "==", 1]]}) == ["a"]


@pytest.fixture(scope="module")
def letters():
    return engine_of({f"c/{name}": {"f": place // 2} for place, name in enumerate("abcdef")})


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"start_at": [1]}, "cdef"),
        ({"start_after": [1]}, "ef"),
        ({"end_at": [1]}, "abcd"),
        ({"end_before": [1]}, "ab"),
        ({"start_at": [1], "end_at": [1]}, "cd"),
        ({"start_after": [1], "end_before": [1]}, ""),
        ({"start_at": [2], "end_at": [0]}, ""),
        ({"start_at": ["text"]}, ""),
        ({"end_at": ["text"]}, "abcdef"),
        ({"start_at": [None]}, "abcdef"),
        ({"start_at": [1, {"ref": ["p", "(default)", "c/d"]}]}, "def"),
        ({"start_after": [1, {"ref": ["p", "(default)", "c/d"]}]}, "ef"),
        ({"start_after": [1, {"ref": ["p", "(default)", "c/c/x/y"]}]}, "def"),
        ({"end_before": [1, {"ref": ["p", "(default)", "b/z"]}]}, "ab"),
        ({"end_at": [1, {"ref": ["p", "(default)", "d/a"]}]}, "abcd"),
        ({"order": ["f desc"], "start_at": [1]}, "dcba"),
        ({"order": ["f desc"], "start_after": [1]}, "ba"),
        ({"order": ["f desc"], "end_before": [1]}, "fe"),
        (
            {"order": ["f desc"], "start_after": [1, {"ref": ["p", "(default)", "c/d"]}]},
            "cba",
        ),
        ({"start_at": [1], "offset": 1, "limit": 2}, "de"),
    ],
)
def test_cursors_bound_the_result(letters, row, expected):
    assert run(letters, **{"order": ["f"], **row}) == list(expected)


def test_a_cursor_may_name_implicit_orders(letters):
    row = {"where": ["f", ">", 0], "start_after": [1, {"ref": ["p", "(default)", "c/c"]}]}
    assert run(letters, **row) == ["d", "e", "f"]


def test_a_cursor_on_a_pinned_field_is_all_or_nothing(letters):
    row = {"where": ["f", "==", 1], "order": ["f", "__name__"]}
    assert run(letters, **row, start_at=[0]) == ["c", "d"]
    assert run(letters, **row, start_at=[1]) == ["c", "d"]
    assert run(letters, **row, start_after=[1]) == []
    assert run(letters, **row, start_at=[2]) == []
    assert run(letters, **row, end_before=[2]) == ["c", "d"]
    assert run(letters, **row, end_before=[1]) == []


def test_a_projection_keeps_the_selected_fields_and_the_times():
    engine = engine_of({"c/a": {"f": 1, "m": {"x": 1, "y": 2}, "g": 3}})

    def selected(*paths):
        row = {"collection": "c", "select": list(paths)}
        (document,) = engine.run_query(query_from(row)).documents
        assert document.update_time == Timestamp(1)
        return document.fields

    assert selected("f", "m.y") == {"f": 1, "m": {"y": 2}}
    assert selected("__name__") == {}
    assert selected("h") == {}
    assert selected() == {}


def test_a_collection_group_holds_what_is_below_its_parent():
    engine = engine_of(
        {
            "c/a": {"f": 1},
            "c/a/c/b": {"f": 1},
            "c/a/d/e/c/f": {"f": 1},
            "c/a-/c/g": {"f": 1},
            "d/a/c/h": {"f": 1},
        },
        enforce_indexes=False,
    )
    assert run(engine, group=True) == ["a", "b", "f", "g", "h"]
    assert run(engine, group=True, parent="c/a") == ["b", "f"]
    assert run(engine, group=True, parent="c/a", where=["f", "==", 1]) == ["b", "f"]
    assert run(engine, group=True, parent="c/a", order=["f"]) == ["b", "f"]
    assert run(engine, group=True, parent="c/a", order=["f desc"]) == ["f", "b"]
    assert run(engine, collection=None, group=True, parent="c/a") == ["b", "f"]
    assert run(engine, collection=None, parent="c/a") == ["b"]
    assert run(engine, collection=None) == ["a"]
    assert len(run(engine, collection=None, group=True)) == 5


def test_a_kindless_query_can_be_bounded_by_name():
    engine = engine_of({"c/a": {}, "c/b/d/x": {}, "c/b": {}, "e/a": {}})
    where = [
        ["__name__", ">=", {"ref": ["p", "(default)", "c/b"]}],
        ["__name__", "<", {"ref": ["p", "(default)", "c\0/__id-9223372036854775808__"]}],
    ]
    assert run(engine, collection=None, group=True, where=where) == ["b", "x"]


def test_a_query_in_the_past_is_refused_when_versions_are_gone():
    database = Database(DatabaseName("p"), max_superseded_versions=1)
    engine = QueryEngine(database)
    for now in (1, 2, 3, 4):
        write = Write(WriteKind.UPDATE, ResourcePath("c/a"), {"f": now})
        database.commit(database.prepare([write], Timestamp(now)))
    query = StructuredQuery(ResourcePath(""), "c", order_by=(Order(FieldPath(("f",))),))
    assert ids(engine.run_query(query)) == ["a"]
    with pytest.raises(StatusError, match="too old"):
        engine.run_query(query, at=Timestamp(1))


def test_a_missing_index_fails_the_query_and_names_it():
    engine = engine_of({"c/a": {}})
    row = {"collection": "c", "where": ["f", "==", 1], "order": ["g"]}
    with pytest.raises(StatusError, match="create_composite=") as failed:
        engine.run_query(query_from(row))
    assert failed.value.code.name == "FAILED_PRECONDITION"
    with pytest.raises(StatusError, match=r"^FAILED_PRECONDITION: no matching index found\.$"):
        engine.explain(query_from(row))


def test_explain_says_what_a_query_would_use_and_what_it_used():
    engine = engine_of({f"c/{place}": {"f": place} for place in range(3)})
    query = query_from({"collection": "c", "where": ["f", ">", 0], "limit": 1})
    used = [{"properties": "(f ASC, __name__ ASC)", "query_scope": "Collection"}]
    assert engine.explain(query) == {"indexes_used": used}
    assert engine.run_query(query).explain() == {
        "plan_summary": {"indexes_used": used},
        "execution_stats": {
            "results_returned": 1,
            "read_operations": 1,
            "debug_stats": {
                "index_entries_scanned": "2",
                "documents_scanned": "1",
                "billing_details": {
                    "documents_billable": "1",
                    "index_entries_billable": "0",
                    "small_ops": "0",
                    "min_query_cost": "0",
                },
            },
        },
    }
    wanted = aggregations_from({"aggregate": {"n": "count"}})
    stats = engine.run_aggregation(query, wanted).explain()["execution_stats"]
    assert stats["results_returned"] == 1
    assert stats["debug_stats"]["documents_scanned"] == "0"
    assert stats["debug_stats"]["billing_details"]["index_entries_billable"] == "1"


def test_a_load_and_a_clear_leave_the_indexes_right():
    engine = engine_of({f"c/{place:03}": {"f": place % 2} for place in range(10)})
    database = engine.database
    row = {"where": ["f", "==", 1]}
    assert len(run(engine, **row)) == 5
    writes = [
        Write(WriteKind.UPDATE, ResourcePath(f"c/{place:03}"), {"f": 1}) for place in range(400)
    ]
    database.commit(database.prepare(writes, Timestamp(2)))
    assert len(run(engine, **row)) == 400
    database.clear(Timestamp(3))
    assert run(engine, **row) == []
    past = engine.run_query(query_from({"collection": "c", **row}), at=Timestamp(1))
    assert len(past.documents) == 5
