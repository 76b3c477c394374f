import math

import pytest

from harness.errors import StatusCode, StatusError
from harness.firestore.listen import QueryTarget
from harness.firestore.profile import EMULATOR, PRODUCTION
from harness.firestore.values import Vector
from tests.firestore.queries_from_yaml import aggregations_from, query_from
from tests.firestore.test_queries import engine_of


def engine_like(profile):
    vectors = {"a": (1, 0), "b": (0, 2), "d": (3, 0), "e": (0, 0), "f": (1, 0, 0)}
    documents = {
        f"c/{name}": {"v": Vector(tuple(map(float, values))), "m": {"v": Vector((1.0, 1.0))}}
        for name, values in vectors.items()
    }
    return engine_of(
        {**documents, "c/g": {"v": "no vector"}}, enforce_indexes=False, profile=profile
    )


@pytest.fixture(scope="module")
def engine():
    """One that answers like Google's emulator, which puts undefined distances last."""
    return engine_like(EMULATOR)


def nearest(engine, measure, limit=10, **more):
    near = {"field": "v", "vector": [1, 0], "measure": measure, "limit": limit, **more}
    result = engine.run_query(query_from({"collection": "c", "near": near}))
    return {document.path.id: document.fields for document in result.documents}


def test_the_least_euclidean_distance_comes_first(engine):
    assert list(nearest(engine, "EUCLIDEAN")) == ["a", "e", "d", "b"]


def test_the_greatest_dot_product_comes_first_and_ties_keep_the_order(engine):
    assert list(nearest(engine, "DOT_PRODUCT")) == ["d", "a", "b", "e"]


def test_the_cosine_of_a_zero_vector_comes_last(engine):
    found = nearest(engine, "COSINE", result="distance")
    assert list(found) == ["a", "d", "b", "e"]
    assert found["a"]["distance"] == 0.0
    assert found["b"]["distance"] == 1.0
    assert math.isnan(found["e"]["distance"])


def test_the_cosine_of_a_zero_vector_fails_in_production():
    with pytest.raises(StatusError, match="cosine distance") as refused:
        nearest(engine_like(PRODUCTION), "COSINE")
    assert refused.value.code is StatusCode.INVALID_ARGUMENT


def test_a_limit_keeps_the_nearest(engine):
    assert list(nearest(engine, "EUCLIDEAN", limit=2)) == ["a", "e"]


def test_a_threshold_keeps_what_is_near_enough(engine):
    assert list(nearest(engine, "EUCLIDEAN", threshold=1.0)) == ["a", "e"]
    assert list(nearest(engine, "DOT_PRODUCT", threshold=1.0)) == ["d", "a"]


def test_a_vector_may_lie_in_a_map(engine):
    assert len(nearest(engine, "EUCLIDEAN", field="m.v")) == 5


def test_the_distance_is_added_under_its_literal_name(engine):
    found = nearest(engine, "EUCLIDEAN", limit=1, result="far.away")
    assert found["a"]["far.away"] == 0.0


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"measure": "MANHATTAN"}, "Distance measure is required."),
        ({"vector": []}, "Cannot have a zero length vector."),
        ({"vector": [1] * 2049}, "Vectors must be at most 2048 dimensions."),
        ({"limit": 0}, "FindNearest limit must be between 1 and 1000."),
        ({"limit": 1001}, "FindNearest limit must be between 1 and 1000."),
        (
            {"result": "__x__"},
            'The distanceResultField.property.name "__x__" is reserved.',
        ),
    ],
)
def test_a_bad_search_is_refused(engine, more, message):
    near = {"field": "v", "vector": [1], "measure": "COSINE", "limit": 1, **more}
    with pytest.raises(StatusError) as refused:
        engine.run_query(query_from({"collection": "c", "near": near}))
    assert refused.value.message == message


def test_what_a_search_does_not_support_says_so(engine):
    near = {"field": "v", "vector": [1], "measure": "COSINE", "limit": 1}
    query = query_from({"collection": "c", "near": near})
    with pytest.raises(StatusError, match="not supported"):
        engine.run_aggregation(query, aggregations_from({"aggregate": {"n": "count"}}))
    with pytest.raises(StatusError, match="does not support listeners"):
        QueryTarget(engine, query)
