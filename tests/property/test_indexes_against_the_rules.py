"""The planner refuses what no combination of indexes serves, and suggestions are the least that
helps."""

from dataclasses import replace
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import StatusCode, StatusError
from harness.firestore.engine import QueryEngine
from harness.firestore.index_definitions import (
    FieldOverride,
    IndexDefinitions,
    index_to_json,
    override_to_json,
    parse_index_file,
)
from harness.firestore.index_needs import IndexNeed
from harness.firestore.index_suggestions import IndexSuggestion, suggest_indexes
from harness.firestore.missing_index import MissingIndex
from harness.firestore.planner import index_needs, plan_query
from harness.firestore.query import Aggregation, AggregationKind
from tests.property.index_oracle import is_served
from tests.property.query_strategies import FIELDS, definitions, documents, query_cases
from tests.property.query_strategies import valid_queries as queries
from tests.property.test_planned_query_is_full_scan import database_of

summed = st.lists(st.sampled_from(FIELDS), max_size=2, unique=True)
some_queries = st.lists(st.one_of(queries, query_cases.map(lambda case: case[0])), max_size=4)


def sums_of(fields):
    return [
        Aggregation(AggregationKind.SUM, f"s{place}", field) for place, field in enumerate(fields)
    ]


@given(documents, query_cases)
def test_a_query_is_refused_exactly_when_no_indexes_can_serve_it(contents, case):
    query, defined = case
    engine = QueryEngine(database_of(contents), defined)
    if is_served(query, defined):
        engine.run_query(query)
        return
    with pytest.raises(StatusError) as refused:
        engine.run_query(query)
    assert refused.value.code is StatusCode.FAILED_PRECONDITION


@given(query_cases, summed)
def test_an_aggregation_is_refused_exactly_when_no_indexes_can_serve_it(case, fields):
    query, defined = case
    plan = plan_query(query, defined, sums_of(fields))
    assert isinstance(plan, MissingIndex) != is_served(query, defined, fields)


@given(queries, summed)
def test_needs_are_the_same_after_a_file(query, fields):
    for need in index_needs(query, sums_of(fields)):
        assert IndexNeed.from_json(need.to_json()) == need


def needs_of(seen):
    return [need for query in seen for need in index_needs(query)]


def with_one_less(suggestion, defined):
    """Yield what is defined with the suggestion taken up, less one of its indexes."""
    for index in suggestion.composites:
        kept = tuple(other for other in suggestion.composites if other != index)
        yield replace(suggestion, composites=kept).added_to(defined)
    for override in suggestion.overrides:
        others = tuple(each for each in suggestion.overrides if each != override)
        before = defined.single_field_indexes(override.collection_group, override.field)
        for added in override.indexes - before:
            less = replace(override, indexes=override.indexes - {added})
            yield replace(suggestion, overrides=(*others, less)).added_to(defined)


@given(some_queries, definitions)
def test_what_is_suggested_serves_every_query_and_nothing_of_it_is_needless(seen, defined):
    suggestion = suggest_indexes(needs_of(seen), defined)
    after = suggestion.added_to(defined)
    assert all(is_served(query, after) for query in seen)
    assert all(not isinstance(plan_query(query, after), MissingIndex) for query in seen)
    for less in with_one_less(suggestion, defined):
        assert not all(is_served(query, less) for query in seen)


@given(some_queries, definitions)
def test_a_suggestion_survives_the_index_file(seen, defined):
    suggestion = suggest_indexes(needs_of(seen), defined)
    written = {
        "indexes": list(map(index_to_json, suggestion.composites)),
        "fieldOverrides": list(map(override_to_json, suggestion.overrides)),
    }
    read = parse_index_file(written, "firestore.indexes.json")
    assert IndexSuggestion(read.composites, read.overrides) == replace(suggestion, is_smallest=True)


def every_index(needs):
    """Return each index that pins some of the terms of a need, in front of its suffix."""
    return list(
        dict.fromkeys(
            need.index_of(terms)
            for need in needs
            for size in range(len(need.terms) + 1)
            for terms in combinations(need.terms, size)
            if terms or not need.terms
        )
    )


def added(defined, indexes):
    composites = tuple(index for index in indexes if index.single_field is None)
    overrides = {}
    for index in indexes:
        single = index.single_field
        if single is not None:
            group = index.collection_group
            before = overrides.get(single.field)
            has = before.indexes if before else defined.single_field_indexes(group, single.field)
            wanted = has | {(index.query_scope, single.mode)}
            overrides[single.field] = FieldOverride(group, single.field, wanted)
    return IndexSuggestion(composites, tuple(overrides.values())).added_to(defined)


@settings(deadline=None)
@given(
    st.lists(query_cases.map(lambda case: case[0]), min_size=2, max_size=4),
    st.sampled_from([IndexDefinitions()]),
)
def test_no_smaller_set_of_indexes_serves_every_query(seen, defined):
    needs = needs_of(seen)
    suggestion = suggest_indexes(needs, defined)
    assert suggestion.is_smallest
    count = sum(1 for _ in with_one_less(suggestion, defined))
    universe = every_index(needs)
    if not 2 <= count <= 3 or len(universe) > 24:
        return
    for fewer in combinations(universe, count - 1):
        assert not all(is_served(query, added(defined, fewer)) for query in seen), fewer
