"""A structured query as it came from a client, and what follows from its form alone.

That is: its effective order, its disjuncts, its inequality fields. Whether it is allowed is said by
`query_checks.py`, which documents it matches by `filters.py`; `planner.py` chooses its indexes and
`execute.py` runs it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from itertools import product
from typing import Final, TypeAlias, assert_never

from harness.firestore.paths import FieldPath, ResourcePath
from harness.firestore.values import Value


class Operator(Enum):
    """A filter's operator, spelled as on the wire. The unary ones have no operand."""

    LESS_THAN = "LESS_THAN"
    LESS_THAN_OR_EQUAL = "LESS_THAN_OR_EQUAL"
    GREATER_THAN = "GREATER_THAN"
    GREATER_THAN_OR_EQUAL = "GREATER_THAN_OR_EQUAL"
    EQUAL = "EQUAL"
    NOT_EQUAL = "NOT_EQUAL"
    ARRAY_CONTAINS = "ARRAY_CONTAINS"
    IN = "IN"
    ARRAY_CONTAINS_ANY = "ARRAY_CONTAINS_ANY"
    NOT_IN = "NOT_IN"
    IS_NAN = "IS_NAN"
    IS_NULL = "IS_NULL"
    IS_NOT_NAN = "IS_NOT_NAN"
    IS_NOT_NULL = "IS_NOT_NULL"


class Direction(Enum):
    """The direction of an order or of an index field."""

    ASCENDING = "ASCENDING"
    DESCENDING = "DESCENDING"


@dataclass(frozen=True, slots=True)
class FieldFilter:
    """`field operator value`. `("__name__",)` is the name; its operands are references."""

    field: FieldPath
    operator: Operator
    value: Value = None


class CompositeOperator(Enum):
    """How a composite filter joins its parts."""

    AND = "AND"
    OR = "OR"


@dataclass(frozen=True, slots=True)
class CompositeFilter:
    """Filters joined by AND or OR; they nest."""

    operator: CompositeOperator
    filters: tuple[Filter, ...]


Filter: TypeAlias = "FieldFilter | CompositeFilter"


@dataclass(frozen=True, slots=True)
class Order:
    """One sort key."""

    field: FieldPath
    direction: Direction = Direction.ASCENDING


@dataclass(frozen=True, slots=True)
class Cursor:
    """A position in the effective order: just before or just after its leading sort values."""

    values: tuple[Value, ...]
    before: bool


@dataclass(frozen=True, slots=True)
class FindNearest:
    """A vector search over the query's results."""

    field: FieldPath
    query_vector: tuple[float, ...]
    distance_measure: str
    limit: int
    distance_result_field: str | None = None
    distance_threshold: float | None = None


@dataclass(frozen=True, slots=True)
class StructuredQuery:
    """A query below `parent` (a document, or the empty root path).

    `collection_id` None is the kindless query over every collection. `all_descendants` makes it a
    collection group query. `select` None keeps all fields; an empty tuple keeps none (names only).
    """

    parent: ResourcePath
    collection_id: str | None
    all_descendants: bool = False
    where: Filter | None = None
    order_by: tuple[Order, ...] = ()
    start_at: Cursor | None = None
    end_at: Cursor | None = None
    offset: int = 0
    limit: int | None = None
    select: tuple[FieldPath, ...] | None = None
    find_nearest: FindNearest | None = None


class AggregationKind(Enum):
    """What an aggregation computes."""

    COUNT = "count"
    SUM = "sum"
    AVG = "avg"


@dataclass(frozen=True, slots=True)
class Aggregation:
    """One aggregation. `field` is None for a count; `up_to` bounds a count."""

    kind: AggregationKind
    alias: str
    field: FieldPath | None = None
    up_to: int | None = None


NAME: Final = FieldPath(("__name__",))
"""The field path that stands for a document's name."""

INEQUALITIES: Final = frozenset(
    {
        Operator.LESS_THAN,
        Operator.LESS_THAN_OR_EQUAL,
        Operator.GREATER_THAN,
        Operator.GREATER_THAN_OR_EQUAL,
        Operator.NOT_EQUAL,
        Operator.NOT_IN,
        Operator.IS_NOT_NAN,
        Operator.IS_NOT_NULL,
    }
)
"""The operators that make their field part of the effective order."""

EQUALITIES: Final = frozenset({Operator.EQUAL, Operator.IS_NULL, Operator.IS_NAN})
"""The operators that pin their field to one value."""

_EXPANSIONS: Final = {
    Operator.IN: Operator.EQUAL,
    Operator.ARRAY_CONTAINS_ANY: Operator.ARRAY_CONTAINS,
}


_MOST_DISJUNCTS: Final = 2**63 - 1


def field_filters(where: Filter | None) -> Iterator[FieldFilter]:
    """Yield the field filters of a filter, in the order they were written, at any depth."""
    if isinstance(where, FieldFilter):
        yield where
    elif where is not None:
        for part in where.filters:
            yield from field_filters(part)


def inequality_fields(where: Filter | None) -> tuple[FieldPath, ...]:
    """Return the distinct fields with a range or inequality filter, in field-path order."""
    fields = {part.field for part in field_filters(where) if part.operator in INEQUALITIES}
    # Code points sort as UTF-8 bytes do, so a tuple of segments sorts as a field path.
    return tuple(sorted(fields))


def effective_order(query: StructuredQuery) -> tuple[Order, ...]:
    """Return the order in which results come: explicit orders, inequality fields, then the name.

    What is added takes the direction of the last explicit order, ascending if there is none.

    Source: google.firestore.v1 StructuredQuery.order_by, and "Query with range and inequality
    filters on multiple fields".
    """
    orders = list(query.order_by)
    named = {order.field for order in orders}
    direction = orders[-1].direction if orders else Direction.ASCENDING
    orders += [
        Order(field, direction)
        for field in inequality_fields(query.where)
        if field not in named and field != NAME
    ]
    if NAME not in named:
        orders.append(Order(NAME, direction))
    return tuple(orders)


def disjunct_count(where: Filter | None) -> int:
    """Count the disjuncts of a filter's disjunctive normal form without building it.

    OR adds, AND multiplies, IN and ARRAY_CONTAINS_ANY count one for each value. A count beyond 64
    bits is as good as any other.
    """
    if where is None:
        return 1
    if isinstance(where, FieldFilter):
        return len(where.value) if _is_expanded(where) and isinstance(where.value, tuple) else 1
    counts = [disjunct_count(part) for part in where.filters]
    if where.operator is CompositeOperator.OR:
        return sum(counts) or 1
    total = 1
    for count in counts:
        total = min(total * count, _MOST_DISJUNCTS)
    return total


def disjuncts(query: StructuredQuery) -> tuple[tuple[FieldFilter, ...], ...]:
    """Return the filter in disjunctive normal form: any of these, each of them all of its filters.

    IN becomes one EQUAL for each value, ARRAY_CONTAINS_ANY one ARRAY_CONTAINS. A query without
    filters has one disjunct without filters. Check `disjunct_count` first: the form can be large.
    """
    return _normal_form(query.where)


def _normal_form(where: Filter | None) -> tuple[tuple[FieldFilter, ...], ...]:
    if where is None:
        return ((),)
    if isinstance(where, FieldFilter):
        expansion = _EXPANSIONS.get(where.operator)
        if expansion is None or not isinstance(where.value, tuple):
            return ((where,),)
        return tuple((FieldFilter(where.field, expansion, value),) for value in where.value)
    if not where.filters:
        return ((),)
    parts = [_normal_form(part) for part in where.filters]
    match where.operator:
        case CompositeOperator.OR:
            return tuple(disjunct for part in parts for disjunct in part)
        case CompositeOperator.AND:
            return tuple(
                tuple(filter_ for disjunct in combination for filter_ in disjunct)
                for combination in product(*parts)
            )
        case _:
            assert_never(where.operator)


def _is_expanded(where: FieldFilter) -> bool:
    return where.operator in _EXPANSIONS
