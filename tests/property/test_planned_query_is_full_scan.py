"""A planned query returns what a full scan returns, whatever indexes serve it."""

from hypothesis import given
from hypothesis import strategies as st

from harness.firestore.documents import Write, WriteKind
from harness.firestore.engine import QueryEngine
from harness.firestore.index_definitions import IndexDefinitions, parse_index_file
from harness.firestore.limits import MAX_DISJUNCTIONS
from harness.firestore.missing_index import MissingIndex
from harness.firestore.paths import ROOT
from harness.firestore.query import Aggregation, AggregationKind
from harness.firestore.store import Database
from harness.firestore.values import Timestamp, get_field
from tests.property.full_scan import full_scan
from tests.property.query_strategies import (
    DATABASE,
    FIELDS,
    document_paths,
    documents,
    fields,
    query_cases,
    valid_queries,
)


def database_of(contents):
    database = Database(DATABASE)
    writes = [Write(WriteKind.UPDATE, path, fields_) for path, fields_ in contents.items()]
    if writes:
        database.commit(database.prepare(writes, Timestamp(1)))
    return database


def every_document(database, at=None):
    paths = {*database.descendants(ROOT)}
    for change in (database.changes_since(at) or ()) if at is not None else ():
        paths.add(change.path)
    found = (database.get(path, at) for path in paths)
    return [document for document in found if document is not None]


def supply_indexes(engine, query, aggregations=()):
    """Paste every suggestion into the index file, as a user would, until the query is served."""
    pasted = {"indexes": [], "fieldOverrides": []}
    given_ = engine.definitions
    for _ in range(MAX_DISJUNCTIONS + 1):
        plan = engine.plan(query, aggregations)
        if not isinstance(plan, MissingIndex):
            return plan
        for key, entries in plan.suggestion.items():
            for entry in entries:
                assert entry not in pasted[key], "the suggestion did not help"
                if key == "fieldOverrides":
                    pasted[key] = [
                        other for other in pasted[key] if other["fieldPath"] != entry["fieldPath"]
                    ]
                pasted[key].append(entry)
        parsed = parse_index_file(pasted, "firestore.indexes.json")
        pasted_fields = {(each.collection_group, each.field) for each in parsed.overrides}
        kept = [
            each
            for each in given_.overrides
            if (each.collection_group, each.field) not in pasted_fields
        ]
        engine.definitions = IndexDefinitions(
            (*given_.composites, *parsed.composites), (*kept, *parsed.overrides)
        )
    raise AssertionError("more suggestions than disjuncts")


def paths_of(found):
    return [document.path for document in found]


@given(documents, query_cases)
def test_a_planned_query_returns_what_a_full_scan_returns(contents, case):
    query, indexes = case
    engine = QueryEngine(database_of(contents), indexes)
    supply_indexes(engine, query)
    result = engine.run_query(query)
    assert paths_of(result.documents) == paths_of(full_scan(query, every_document(engine.database)))
    counts = result.counts
    assert counts.documents == len(result.documents) + counts.skipped
    assert counts.index_entries >= counts.documents


@given(documents, valid_queries)
def test_without_enforcement_every_query_is_served(contents, query):
    engine = QueryEngine(database_of(contents), enforce_indexes=False)
    found = engine.run_query(query).documents
    assert paths_of(found) == paths_of(full_scan(query, every_document(engine.database)))


changes = st.lists(
    st.dictionaries(document_paths, st.one_of(st.none(), fields), min_size=1, max_size=4),
    max_size=4,
)


@given(documents, changes, query_cases)
def test_indexes_follow_commits_and_the_past_stays_readable(contents, commits, case):
    query, indexes = case
    engine = QueryEngine(database_of(contents), indexes)
    database = engine.database
    supply_indexes(engine, query)
    engine.run_query(query)  # builds the indexes before the commits
    times = [database.last_commit_time]
    for commit in commits:
        writes = [
            Write(WriteKind.DELETE, path)
            if fields_ is None
            else Write(WriteKind.UPDATE, path, fields_)
            for path, fields_ in commit.items()
        ]
        times.append(database.commit(database.prepare(writes, Timestamp(1))).commit_time)
        found = engine.run_query(query).documents
        assert paths_of(found) == paths_of(full_scan(query, every_document(database)))
    for time in times:
        result = engine.run_query(query, at=time)
        expected = full_scan(query, every_document(database, time))
        assert list(result.documents) == expected
        counted = engine.run_aggregation(query, [COUNT], at=time)
        assert counted.values == {"n": len(expected)}


COUNT = Aggregation(AggregationKind.COUNT, "n")
aggregation_lists = st.lists(
    st.tuples(st.sampled_from([AggregationKind.SUM, AggregationKind.AVG]), st.sampled_from(FIELDS)),
    max_size=3,
).map(
    lambda listed: (
        COUNT,
        *(Aggregation(kind, f"x{place}", path) for place, (kind, path) in enumerate(listed)),
    )
)


@given(documents, valid_queries, aggregation_lists)
def test_aggregations_see_what_a_full_scan_returns(contents, query, aggregations):
    engine = QueryEngine(database_of(contents))
    supply_indexes(engine, query, aggregations)
    values = engine.run_aggregation(query, aggregations).values
    needed = [item.field for item in aggregations if item.field is not None]
    expected = full_scan(query, every_document(engine.database), needed)
    assert values["n"] == len(expected)
    if query.limit is not None or query.offset:
        return  # the documents of the index's order, whose fields are the aggregated ones too
    for item in aggregations:
        if item.field is not None:
            found = [get_field(document.fields, item.field) for document in expected]
            numbers = [number for number in found if type(number) in (int, float)]
            total = sum(numbers)
            if item.kind is AggregationKind.AVG:
                total = total / len(numbers) if numbers else None
            assert values[item.alias] == total or total != total
