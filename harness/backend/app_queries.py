"""What the queries in an app's code need of indexes: read from the code, without running them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from harness.errors import StatusError
from harness.firestore.index_needs import IndexNeed
from harness.firestore.paths import (
    ROOT,
    DatabaseName,
    FieldPath,
    ResourcePath,
    parse_field_path,
)
from harness.firestore.planner import index_needs
from harness.firestore.query import (
    NAME,
    CompositeFilter,
    CompositeOperator,
    Direction,
    FieldFilter,
    Operator,
    Order,
    StructuredQuery,
)
from harness.firestore.query_checks import validate_query
from harness.firestore.values import Reference
from harness.flutter.contract import DOCUMENT_ID, ClientContract, ClientFilter, ClientQuery

_LISTS = frozenset({Operator.IN, Operator.NOT_IN, Operator.ARRAY_CONTAINS_ANY})
_UNARY = frozenset({Operator.IS_NULL, Operator.IS_NAN, Operator.IS_NOT_NULL, Operator.IS_NOT_NAN})
_ANY_DOCUMENT = Reference(DatabaseName("any"), ResourcePath("any/any"))


@dataclass(frozen=True, slots=True)
class AppQuery:
    """A query of the app, and what it needs. `problem`: why that cannot be told."""

    query: ClientQuery
    needs: tuple[IndexNeed, ...] = ()
    problem: str | None = None


def app_queries(contract: ClientContract) -> Iterator[AppQuery]:
    """Yield every query of an app with its needs; values make no difference to these."""
    in_doubt = {(each.position.file_name, each.position.line) for each in contract.not_understood}
    for use in contract.queries:
        if (use.position.file_name, use.position.line) in in_doubt:
            yield AppQuery(use, problem="part of it was not understood")
            continue
        try:
            query = _structured(use)
            validate_query(query)
        except (_Unknown, StatusError) as error:
            yield AppQuery(use, problem=str(error))
            continue
        yield AppQuery(use, index_needs(query))


class _Unknown(Exception):
    """A part of a query is known to the running app only."""


def _structured(use: ClientQuery) -> StructuredQuery:
    collection_id = use.segments[-1]
    if "{" in collection_id:
        raise _Unknown(f"its collection is {collection_id}")
    filters = tuple(map(_filter, use.filters))
    orders = tuple(
        Order(_field(order.field), _direction(order.descending, reverse=use.is_limit_to_last))
        for order in use.orders
    )
    return StructuredQuery(
        ROOT,
        collection_id,
        use.is_collection_group,
        CompositeFilter(CompositeOperator.AND, filters) if filters else None,
        orders,
    )


def _direction(descending: bool, *, reverse: bool) -> Direction:
    return Direction.DESCENDING if descending != reverse else Direction.ASCENDING


def _filter(part: ClientFilter) -> FieldFilter:
    field, operator = _field(part.field), Operator[part.operator]
    if operator in _UNARY:
        return FieldFilter(field, operator, None)
    value = _ANY_DOCUMENT if field == NAME else 1
    return FieldFilter(field, operator, (value,) if operator in _LISTS else value)


def _field(words: str) -> FieldPath:
    if words == DOCUMENT_ID:
        return NAME
    if "{" in words:
        raise _Unknown(f"its field is {words}")
    return parse_field_path(words)
