"""Which queries and aggregations Firestore refuses as invalid, and with which words.

Only their form is looked at. A query that is fine but lacks an index is the planner's business.
"""

from __future__ import annotations

from collections.abc import Sequence

from harness.errors import StatusCode, StatusError
from harness.firestore import limits
from harness.firestore.paths import check_collection_id
from harness.firestore.profile import PRODUCTION, Profile
from harness.firestore.query import (
    NAME,
    Aggregation,
    AggregationKind,
    CompositeFilter,
    CompositeOperator,
    Cursor,
    Direction,
    FieldFilter,
    Filter,
    Operator,
    StructuredQuery,
    disjunct_count,
    disjuncts,
    effective_order,
    field_filters,
    inequality_fields,
)
from harness.firestore.values import Reference

_NEGATIONS = frozenset(
    {Operator.NOT_EQUAL, Operator.NOT_IN, Operator.IS_NOT_NAN, Operator.IS_NOT_NULL}
)
_LISTS = {
    Operator.IN: limits.MAX_IN_VALUES,
    Operator.ARRAY_CONTAINS_ANY: limits.MAX_IN_VALUES,
    Operator.NOT_IN: limits.MAX_NOT_IN_VALUES,
}
_EQUALITIES = frozenset({Operator.EQUAL, Operator.IN})
_ARRAY_OPERATORS = frozenset({Operator.ARRAY_CONTAINS, Operator.ARRAY_CONTAINS_ANY})


def validate_query(query: StructuredQuery, profile: Profile = PRODUCTION) -> None:
    """Refuse a query that Firestore would refuse whatever the data and the indexes.

    Raises:
        StatusError: INVALID_ARGUMENT; the emulator's FAILED_PRECONDITION for two array-contains
            clauses.
    Source: observed: emulator 1.22.0; limits on the whole query: recorded from production.
    """
    filters = tuple(field_filters(query.where))
    if query.collection_id is None:
        _check_kindless(query, filters)
    else:
        check_collection_id(query.collection_id)
    for filter_ in filters:
        _check_field_filter(filter_)
    _check_combinations(query, filters, profile)
    _check_orders(query)
    if profile.refuses_descending_keys:
        _check_descending_keys(query)
    _check_cursor(query, query.start_at, profile)
    _check_cursor(query, query.end_at, profile)
    if query.limit is not None and query.limit < 0:
        raise _invalid("limit is negative")
    if query.offset < 0:
        raise _invalid("offset is negative")


def validate_aggregations(
    aggregations: Sequence[Aggregation], profile: Profile = PRODUCTION
) -> None:
    """Refuse aggregations that Firestore would refuse.

    Raises:
        StatusError: INVALID_ARGUMENT.
    Source: observed: emulator 1.22.0.
    """
    if not aggregations:
        raise _invalid("Aggregations can not be empty.")
    if len(aggregations) > limits.MAX_AGGREGATIONS:
        raise _invalid(
            "The maximum number of aggregations allowed in an aggregation query is "
            f"{limits.MAX_AGGREGATIONS}. Received: {len(aggregations)}"
        )
    seen: set[str] = set()
    for aggregation in aggregations:
        alias = aggregation.alias
        if alias in seen:
            raise _invalid(f"Aggregation aliases contain duplicate alias: {alias}.")
        seen.add(alias)
        if len(alias) >= 4 and alias.startswith("__") and alias.endswith("__"):
            raise _invalid(f'The property.name "{alias}" is reserved.')
        if aggregation.kind is AggregationKind.COUNT:
            _check_up_to(aggregation.up_to, profile)
        elif aggregation.field is None:
            raise _invalid("Operator field in Aggregation is not set.")
        elif aggregation.field == NAME:
            raise _invalid("Aggregations are not supported for the property: __key__")


def _check_up_to(up_to: int | None, profile: Profile) -> None:
    if up_to is not None and up_to < 0:
        raise _invalid(
            "The `up_to` value in a COUNT aggregation must be greater than or equal to zero."
        )
    if up_to == 0 and not profile.counts_up_to_zero:
        # Source: google.firestore.v1 StructuredAggregationQuery.Count.up_to; the words are inferred
        # from those for a negative value.
        raise _invalid("The `up_to` value in a COUNT aggregation must be greater than zero.")


def _check_kindless(query: StructuredQuery, filters: Sequence[FieldFilter]) -> None:
    for filter_ in filters:
        if filter_.field != NAME:
            raise _invalid(f"kind is required for filter: {filter_.field}")
    for order in query.order_by:
        if order.field != NAME or order.direction is not Direction.ASCENDING:
            raise _invalid("kind is required for all orders except __key__ ascending")


def _check_field_filter(filter_: FieldFilter) -> None:
    operator, value = filter_.operator, filter_.value
    if filter_.field == NAME and operator in _ARRAY_OPERATORS:
        raise _invalid("the name __key__ is reserved")
    most = _LISTS.get(operator)
    if most is not None:
        if not isinstance(value, tuple):
            raise _invalid(f"'{operator.value}' requires an ArrayValue.")
        if not value:
            raise _invalid(f"'{operator.value}' requires an non-empty ArrayValue.")
        if len(value) > most:
            raise _invalid(f"'{operator.value}' supports up to {most} comparison values.")
    if filter_.field == NAME:
        operands = value if most is not None and isinstance(value, tuple) else (value,)
        if not all(isinstance(operand, Reference) for operand in operands):
            raise _invalid("__key__ filter value must be a Key")


def _check_combinations(
    query: StructuredQuery, filters: Sequence[FieldFilter], profile: Profile
) -> None:
    operators = [filter_.operator for filter_ in filters]
    if sum(operator in _NEGATIONS for operator in operators) > 1:
        raise _invalid(
            "Only a single 'NOT_EQUAL', 'NOT_IN', 'IS_NOT_NAN', or 'IS_NOT_NULL' filter allowed "
            "per query."
        )
    if Operator.NOT_IN in operators and (
        Operator.IN in operators
        or Operator.ARRAY_CONTAINS_ANY in operators
        or _has_disjunction(query.where)
    ):
        raise _invalid(
            "'NOT_IN' cannot be used in the same query with 'IN', 'ARRAY_CONTAINS_ANY' or 'OR'."
        )
    count = disjunct_count(query.where)
    if count > limits.MAX_DISJUNCTIONS:
        raise _invalid(
            f"Too many disjunctions after normalization. Result had {count} disjunctions which is "
            f"more than the maximum of {limits.MAX_DISJUNCTIONS}"
        )
    if profile.counts_array_contains_by_disjunct:
        # Source: recorded from production by many; of array-contains-any each value is one.
        if any(_contains_count(part) > 1 for part in disjuncts(query)):
            raise _invalid("A maximum of 1 'ARRAY_CONTAINS' filter is allowed per disjunction.")
    elif _contains_count(filters) > 1:
        raise StatusError(
            StatusCode.FAILED_PRECONDITION,
            "Only a single array-contains clause is allowed in a query",
        )
    fields = inequality_fields(query.where)
    if (
        fields
        and NAME not in fields
        and any(each.field == NAME and each.operator in _EQUALITIES for each in filters)
    ):
        # Source: the web SDK's own tests of queries with several inequalities.
        raise _invalid(
            "Equality on key is not allowed if there are other inequality fields and key does not "
            "appear in inequalities."
        )
    if profile.max_inequality_fields is not None and len(fields) > profile.max_inequality_fields:
        names = ", ".join(str(field) for field in fields)
        raise _invalid(
            f"The query contains {len(fields)} distinct inequality fields: [{names}]. A query may "
            f"not have more than {profile.max_inequality_fields} distinct inequality fields."
        )
    if profile.max_query_components is not None:
        _check_components(query, filters, count, profile.max_query_components)


def _contains_count(filters: Sequence[FieldFilter]) -> int:
    return sum(filter_.operator is Operator.ARRAY_CONTAINS for filter_ in filters)


def _check_components(
    query: StructuredQuery, filters: Sequence[FieldFilter], disjunct_count: int, most: int
) -> None:
    """Refuse a query of too many parts, counted in its disjunctive normal form.

    Source: Firestore, "Perform simple and compound queries", Query limitations; the words are
    recorded from production.
    """
    orders, ancestors = len(query.order_by), 0 if query.parent.is_root else 1
    if len(filters) * disjunct_count + orders + ancestors <= most:
        return  # however they are spread
    count = sum(map(len, disjuncts(query)))
    if count + orders + ancestors > most:
        raise _invalid(
            f"The query may not have more than {most} filters + sort orders + ancestor total. "
            f"Currently there are {count} filters, {orders} sort orders, and "
            f"{'one' if ancestors else 'no'} ancestor filter."
        )


def _has_disjunction(where: Filter | None) -> bool:
    if not isinstance(where, CompositeFilter):
        return False
    if where.operator is CompositeOperator.OR and len(where.filters) > 1:
        return True
    return any(_has_disjunction(part) for part in where.filters)


def _check_orders(query: StructuredQuery) -> None:
    seen: set[str] = set()
    after_name = False
    for order in query.order_by:
        field = str(order.field)
        if field in seen:
            raise _invalid(f"order by clause cannot contain duplicate fields {field}")
        if after_name:
            raise _invalid("order by clause cannot contain more fields after the key")
        seen.add(field)
        after_name = order.field == NAME


def _check_descending_keys(query: StructuredQuery) -> None:
    is_alone = len(query.order_by) == 1 and query.order_by[0].field == NAME
    if (
        is_alone
        and query.order_by[0].direction is Direction.DESCENDING
        and all(filter_.field == NAME for filter_ in field_filters(query.where))
    ):
        raise StatusError(
            StatusCode.FAILED_PRECONDITION, "Firestore does not support descending key scans"
        )


def _check_cursor(query: StructuredQuery, cursor: Cursor | None, profile: Profile) -> None:
    if cursor is None:
        return
    orders = effective_order(query) if profile.takes_implicit_cursor_values else query.order_by
    if len(cursor.values) > len(orders):
        raise _invalid("Cursor has too many values.")
    for order, value in zip(orders, cursor.values, strict=False):
        if order.field == NAME and not isinstance(value, Reference):
            raise _invalid("Cursor __key__ value is not a document reference.")


def _invalid(message: str) -> StatusError:
    return StatusError(StatusCode.INVALID_ARGUMENT, message)
