"""Whether one document belongs to a query's result, and where in it. No index is needed.

`compile_matcher` and `compile_sort_key` do the deciding once, when the query is known. The planner
uses them for what an index cannot decide, listeners for every change. Limits and offsets are not
decided here: they depend on the other documents.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import assert_never

from harness.firestore.documents import DocumentSnapshot
from harness.firestore.keys import invert, path_key, value_key
from harness.firestore.paths import FieldPath, ResourcePath
from harness.firestore.query import (
    NAME,
    CompositeOperator,
    Direction,
    FieldFilter,
    Filter,
    Operator,
    Order,
    StructuredQuery,
    effective_order,
)
from harness.firestore.values import (
    MISSING,
    Missing,
    Reference,
    Value,
    compare,
    get_field,
    type_order,
)

DocumentPredicate = Callable[[DocumentSnapshot], bool]
SortKey = Callable[[DocumentSnapshot], bytes]
ValuePredicate = Callable[[Value], bool]


def matches(query: StructuredQuery, document: DocumentSnapshot) -> bool:
    """Say whether a document is in the result of a query without its limit and offset.

    It is below the right parent, passes the filter, has every field that the query orders by, and
    lies within the cursors. For many documents, keep what `compile_matcher` returns.
    """
    return compile_matcher(query)(document)


def compile_matcher(query: StructuredQuery) -> DocumentPredicate:
    """Return the predicate that `matches` applies."""
    orders = effective_order(query)
    in_scope = compile_scope(query)
    passes = compile_filter(query.where)
    ordered = [order.field for order in orders if order.field != NAME]
    in_cursors = compile_cursors(query)

    def predicate(document: DocumentSnapshot) -> bool:
        return (
            in_scope(document.path)
            and passes(document)
            and all(get_field(document.fields, field) is not MISSING for field in ordered)
            and in_cursors(document)
        )

    return predicate


def compile_scope(query: StructuredQuery) -> Callable[[ResourcePath], bool]:
    """Return the predicate for the paths of documents that a query is about, whatever they hold."""
    parent, collection_id = query.parent, query.collection_id
    if not query.all_descendants:
        if collection_id is not None:
            collection = parent.child(collection_id)
            return lambda path: path.parent() == collection
        return lambda path: path.parent().parent() == parent
    if collection_id is None:
        return lambda path: path.is_below(parent)
    return lambda path: path.collection_id == collection_id and path.is_below(parent)


def compile_filter(where: Filter | None) -> DocumentPredicate:
    """Return the predicate of a filter. A filter never matches a document that lacks its field.

    Source: observed: emulator 1.22.0; google.firestore.v1 StructuredQuery.FieldFilter.Operator.
    """
    if where is None:
        return lambda document: True
    if isinstance(where, FieldFilter):
        return _compile_name(where) if where.field == NAME else _compile_field(where)
    parts = [compile_filter(part) for part in where.filters]
    if not parts:
        return lambda document: True
    if len(parts) == 1:
        return parts[0]
    match where.operator:
        case CompositeOperator.AND:
            return lambda document: all(part(document) for part in parts)
        case CompositeOperator.OR:
            return lambda document: any(part(document) for part in parts)
        case _:
            assert_never(where.operator)


def _compile_field(filter_: FieldFilter) -> DocumentPredicate:
    holds = _compile_operator(filter_.operator, filter_.value)
    if len(filter_.field) == 1:
        (name,) = filter_.field

        def predicate(document: DocumentSnapshot) -> bool:
            value: Value | Missing = document.fields.get(name, MISSING)
            return value is not MISSING and holds(value)

        return predicate
    path = filter_.field

    def nested_predicate(document: DocumentSnapshot) -> bool:
        value = get_field(document.fields, path)
        return value is not MISSING and holds(value)

    return nested_predicate


def _compile_operator(operator: Operator, operand: Value) -> ValuePredicate:
    match operator:
        case Operator.IS_NULL:
            return _is_null
        case Operator.IS_NAN:
            return _is_nan
        case Operator.IS_NOT_NULL:
            return lambda value: value is not None
        case Operator.IS_NOT_NAN:
            return lambda value: value is not None and not _is_nan(value)
        case Operator.EQUAL:
            return _equal_to_any((operand,))
        case Operator.IN:
            return _equal_to_any(_elements(operand))
        case Operator.NOT_EQUAL:
            return _equal_to_none((operand,))
        case Operator.NOT_IN:
            return _equal_to_none(_elements(operand))
        case Operator.ARRAY_CONTAINS:
            return _contains_any((operand,))
        case Operator.ARRAY_CONTAINS_ANY:
            return _contains_any(_elements(operand))
        case Operator.LESS_THAN:
            return _same_type(operand, lambda value: compare(value, operand) < 0)
        case Operator.LESS_THAN_OR_EQUAL:
            return _same_type(operand, lambda value: compare(value, operand) <= 0)
        case Operator.GREATER_THAN:
            return _same_type(operand, lambda value: compare(value, operand) > 0)
        case Operator.GREATER_THAN_OR_EQUAL:
            return _same_type(operand, lambda value: compare(value, operand) >= 0)
        case _:
            assert_never(operator)


def _elements(operand: Value) -> tuple[Value, ...]:
    return operand if isinstance(operand, tuple) else ()


def _is_null(value: Value) -> bool:
    return value is None


def _is_nan(value: Value) -> bool:
    return isinstance(value, float) and value != value


def _nothing(value: Value) -> bool:
    return False


def _comparable(operands: tuple[Value, ...]) -> tuple[Value, ...]:
    """Leave out null and NaN: no comparison with them holds."""
    return tuple(operand for operand in operands if operand is not None and not _is_nan(operand))


def _equal_to_any(operands: tuple[Value, ...]) -> ValuePredicate:
    operands = _comparable(operands)
    if len(operands) == 1:
        (operand,) = operands
        return lambda value: compare(value, operand) == 0
    return lambda value: any(compare(value, operand) == 0 for operand in operands)


def _equal_to_none(operands: tuple[Value, ...]) -> ValuePredicate:
    if any(operand is None for operand in operands):
        return _nothing
    return lambda value: (
        value is not None and not any(compare(value, operand) == 0 for operand in operands)
    )


def _contains_any(operands: tuple[Value, ...]) -> ValuePredicate:
    equals = _equal_to_any(operands)
    return lambda value: isinstance(value, tuple) and any(map(equals, value))


def _same_type(operand: Value, holds: ValuePredicate) -> ValuePredicate:
    if operand is None or _is_nan(operand):
        return _nothing
    kind = type_order(operand)
    return lambda value: type_order(value) == kind and holds(value)


def _compile_name(filter_: FieldFilter) -> DocumentPredicate:
    operator = filter_.operator
    operands = filter_.value if isinstance(filter_.value, tuple) else (filter_.value,)
    paths = {operand.path for operand in operands if isinstance(operand, Reference)}
    match operator:
        case Operator.EQUAL | Operator.IN:
            return lambda document: document.path in paths
        case Operator.NOT_EQUAL | Operator.NOT_IN:
            return lambda document: document.path not in paths
        case Operator.IS_NOT_NULL | Operator.IS_NOT_NAN:
            return lambda document: True
        case Operator.IS_NULL | Operator.IS_NAN:
            return lambda document: False
        case Operator.ARRAY_CONTAINS | Operator.ARRAY_CONTAINS_ANY:
            return lambda document: False
        case _:
            pass
    if not paths:
        return lambda document: False
    (bound,) = map(path_key, paths)
    match operator:
        case Operator.LESS_THAN:
            return lambda document: path_key(document.path) < bound
        case Operator.LESS_THAN_OR_EQUAL:
            return lambda document: path_key(document.path) <= bound
        case Operator.GREATER_THAN:
            return lambda document: path_key(document.path) > bound
        case Operator.GREATER_THAN_OR_EQUAL:
            return lambda document: path_key(document.path) >= bound
        case _:
            assert_never(operator)


def order_key(field: FieldPath, direction: Direction, value: Value) -> bytes:
    """Return the bytes of one sort value: they sort as the query does, its direction included."""
    if field == NAME and isinstance(value, Reference):
        key = path_key(value.path)
    else:
        key = value_key(value)
    return invert(key) if direction is Direction.DESCENDING else key


def compile_sort_key(orders: tuple[Order, ...]) -> SortKey:
    """Return the function from a document to the bytes that sort it in these orders.

    The document must have every ordered field.
    """
    parts = [
        (None if order.field == NAME else order.field, order.direction is Direction.DESCENDING)
        for order in orders
    ]

    def sort_key(document: DocumentSnapshot) -> bytes:
        keys = []
        for field, descends in parts:
            if field is None:
                key = path_key(document.path)
            else:
                value = get_field(document.fields, field)
                if value is MISSING:
                    raise KeyError(str(field))
                key = value_key(value)
            keys.append(invert(key) if descends else key)
        return b"".join(keys)

    return sort_key


def compile_cursors(query: StructuredQuery) -> DocumentPredicate:
    """Return the predicate for documents within both cursors of a query."""
    orders = effective_order(query)
    tests: list[DocumentPredicate] = []
    for cursor, is_start in ((query.start_at, True), (query.end_at, False)):
        if cursor is None or not cursor.values:
            continue
        leading = orders[: len(cursor.values)]
        sort_key = compile_sort_key(leading)
        bound = b"".join(
            order_key(order.field, order.direction, value)
            for order, value in zip(leading, cursor.values, strict=True)
        )
        tests.append(_cursor_test(sort_key, bound, is_start=is_start, before=cursor.before))
    if not tests:
        return lambda document: True
    return lambda document: all(test(document) for test in tests)


def _cursor_test(
    sort_key: SortKey, bound: bytes, *, is_start: bool, before: bool
) -> DocumentPredicate:
    if is_start:
        if before:
            return lambda document: sort_key(document) >= bound
        return lambda document: sort_key(document) > bound
    if before:
        return lambda document: sort_key(document) < bound
    return lambda document: sort_key(document) <= bound
