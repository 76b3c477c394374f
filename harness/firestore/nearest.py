"""Vector search: the documents of a result whose vectors lie nearest to a given one.

The search is exact: every vector of the index that passes the filters is measured, as in
production's flat index, and each is an entry on the bill.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from operator import mul
from typing import TypeAlias

from harness.errors import StatusCode, StatusError
from harness.firestore import limits
from harness.firestore.documents import DocumentSnapshot
from harness.firestore.execute import Execution
from harness.firestore.filters import compile_matcher, compile_sort_key
from harness.firestore.query import FindNearest
from harness.firestore.values import Vector, get_field

Distance: TypeAlias = Callable[[Sequence[float]], float]
"""From the vector that is asked for to one of as many dimensions."""


def _sum_of_products(a: Sequence[float], b: Sequence[float]) -> float:
    return sum(map(mul, a, b), 0.0)


# Of Python 3.12, and several times as fast.
_product: Callable[[Sequence[float], Sequence[float]], float]
_product = getattr(math, "sumprod", _sum_of_products)


def _euclidean(asked: Sequence[float]) -> Distance:
    return partial(math.dist, asked)


def _dot_product(asked: Sequence[float]) -> Distance:
    return partial(_product, asked)


def _cosine(asked: Sequence[float]) -> Distance:
    length = math.hypot(*asked)

    def distance(vector: Sequence[float]) -> float:
        lengths = length * math.hypot(*vector)
        return 1.0 - _product(asked, vector) / lengths if lengths else math.nan

    return distance


_MEASURES: dict[str, Callable[[Sequence[float]], Distance]] = {
    "EUCLIDEAN": _euclidean,
    "COSINE": _cosine,
    "DOT_PRODUCT": _dot_product,
}


def validate_nearest(nearest: FindNearest) -> None:
    """Refuse a vector search that Firestore would refuse.

    Raises:
        StatusError: INVALID_ARGUMENT.
    Source: google.firestore.v1 StructuredQuery.FindNearest; the reserved name is observed.
    """
    if nearest.distance_measure not in _MEASURES:
        raise _invalid("Distance measure is required.")
    if not nearest.query_vector:
        raise _invalid("Cannot have a zero length vector.")
    if len(nearest.query_vector) > limits.MAX_VECTOR_DIMENSIONS:
        raise _invalid(f"Vectors must be at most {limits.MAX_VECTOR_DIMENSIONS} dimensions.")
    if not 1 <= nearest.limit <= limits.MAX_NEAREST_LIMIT:
        raise _invalid(f"FindNearest limit must be between 1 and {limits.MAX_NEAREST_LIMIT}.")
    name = nearest.distance_result_field
    if name is not None and len(name) >= 4 and name.startswith("__") and name.endswith("__"):
        raise _invalid(f'The distanceResultField.property.name "{name}" is reserved.')


def find_nearest(
    execution: Execution, nearest: FindNearest, *, refuses_undefined: bool = False
) -> tuple[DocumentSnapshot, ...]:
    """Return the nearest documents of an execution's result, the nearest first, and count them.

    Nearest is the least distance, for DOT_PRODUCT the greatest. Ties keep the query's order; a
    distance that is NaN, as the cosine of a zero vector, comes last.

    Args:
        refuses_undefined: Fail where a distance is NaN.
    Raises:
        StatusError: INVALID_ARGUMENT for that.

    Source: observed: emulator 1.22.0; google.firestore.v1 StructuredQuery.FindNearest.
    """
    query, counts = execution.plan.query, execution.counts
    in_result = compile_matcher(query)
    found = [document for document in execution.matching(None) if in_result(document)]
    counts.vector_entries = counts.index_entries
    found.sort(key=compile_sort_key(execution.plan.order))
    if query.offset or query.limit is not None:
        stop = None if query.limit is None else query.offset + query.limit
        found = found[query.offset : stop]
    measure = _MEASURES[nearest.distance_measure](nearest.query_vector)
    sign = -1.0 if nearest.distance_measure == "DOT_PRODUCT" else 1.0
    measured = []
    for document in found:
        vector = get_field(document.fields, nearest.field)
        if isinstance(vector, Vector) and len(vector.values) == len(nearest.query_vector):
            distance = measure(vector.values)
            if refuses_undefined and math.isnan(distance):
                raise _invalid("Cannot compute the cosine distance of a vector of zero length.")
            threshold = nearest.distance_threshold
            if threshold is None or sign * distance <= sign * threshold:
                measured.append((distance, document))
    measured.sort(key=lambda item: (math.isnan(item[0]), sign * item[0]))
    kept = tuple(
        _with_distance(document, distance, nearest.distance_result_field)
        for distance, document in measured[: nearest.limit]
    )
    counts.documents = counts.results = len(kept)
    return kept


def _with_distance(
    document: DocumentSnapshot, distance: float, field: str | None
) -> DocumentSnapshot:
    if field is None:
        return document
    return replace(document, fields={**document.fields, field: distance})


def _invalid(message: str) -> StatusError:
    return StatusError(StatusCode.INVALID_ARGUMENT, message)
