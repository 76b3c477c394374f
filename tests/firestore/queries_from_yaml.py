"""Reads the notation of tests/corpus/queries and tests/corpus/planner into queries.

collection: orders            null for a kindless query
parent: orders/o1             the root if left out
group: true                   a collection group
where: [[status, ==, open], {or: [[a, "<", 1], [b, in, [1, 2]]]}]
order: [createdAt desc, total]
start_at, start_after, end_at, end_before: [values]
limit, offset, select
aggregate: {total: sum total, n: count, some: count 3}
near: {field: emb, vector: [1, 2], measure: EUCLIDEAN, limit: 5}
"""

from harness.firestore.index_definitions import (
    IndexDefinition,
    IndexField,
    IndexMode,
    QueryScope,
    with_implied_name,
)
from harness.firestore.paths import ROOT, ResourcePath, parse_field_path
from harness.firestore.query import (
    Aggregation,
    AggregationKind,
    CompositeFilter,
    CompositeOperator,
    Cursor,
    Direction,
    FieldFilter,
    FindNearest,
    Operator,
    Order,
    StructuredQuery,
)
from tests.firestore.values_from_yaml import value

QUERY_KEYS = (
    "collection",
    "parent",
    "group",
    "where",
    "order",
    "start_at",
    "start_after",
    "end_at",
    "end_before",
    "limit",
    "offset",
    "select",
    "aggregate",
    "near",
)

OPERATORS = {
    "<": Operator.LESS_THAN,
    "<=": Operator.LESS_THAN_OR_EQUAL,
    ">": Operator.GREATER_THAN,
    ">=": Operator.GREATER_THAN_OR_EQUAL,
    "==": Operator.EQUAL,
    "!=": Operator.NOT_EQUAL,
    "array-contains": Operator.ARRAY_CONTAINS,
    "array-contains-any": Operator.ARRAY_CONTAINS_ANY,
    "in": Operator.IN,
    "not-in": Operator.NOT_IN,
    "is-null": Operator.IS_NULL,
    "is-nan": Operator.IS_NAN,
    "is-not-null": Operator.IS_NOT_NULL,
    "is-not-nan": Operator.IS_NOT_NAN,
}


def query_from(row):
    """Return the query of a row; what else the row holds is the caller's."""
    limit = row.get("limit")
    select = row.get("select")
    return StructuredQuery(
        parent=ResourcePath(row.get("parent", ROOT)),
        collection_id=row["collection"],
        all_descendants=row.get("group", False),
        where=filter_from(row.get("where")),
        order_by=tuple(map(order_from, row.get("order", ()))),
        start_at=_cursor(row, "start_at", "start_after", inclusive_is_before=True),
        end_at=_cursor(row, "end_before", "end_at", inclusive_is_before=True),
        offset=row.get("offset", 0),
        limit=limit,
        select=None if select is None else tuple(map(parse_field_path, select)),
        find_nearest=_near(row.get("near")),
    )


def aggregations_from(row):
    found = []
    for alias, text in row.get("aggregate", {}).items():
        kind, *operand = text.split()
        if kind == "count":
            up_to = int(operand[0]) if operand else None
            found.append(Aggregation(AggregationKind.COUNT, alias, up_to=up_to))
        else:
            field = parse_field_path(operand[0])
            found.append(Aggregation(AggregationKind(kind), alias, field))
    return tuple(found)


def filter_from(notation):
    if notation is None:
        return None
    if isinstance(notation, dict):
        ((kind, parts),) = notation.items()
        return CompositeFilter(CompositeOperator[kind.upper()], tuple(map(filter_from, parts)))
    if notation and isinstance(notation[0], str):
        field, operator, *operand = notation
        return FieldFilter(
            parse_field_path(field), OPERATORS[operator], value(operand[0]) if operand else None
        )
    parts = tuple(map(filter_from, notation))
    return parts[0] if len(parts) == 1 else CompositeFilter(CompositeOperator.AND, parts)


def order_from(text):
    field, *direction = text.split()
    descends = direction == ["desc"]
    return Order(parse_field_path(field), Direction.DESCENDING if descends else Direction.ASCENDING)


def _cursor(row, before_key, after_key, *, inclusive_is_before):
    assert not (before_key in row and after_key in row), row
    if before_key in row:
        return Cursor(value(row[before_key]), before=inclusive_is_before)
    if after_key in row:
        return Cursor(value(row[after_key]), before=not inclusive_is_before)
    return None


def _near(notation):
    if notation is None:
        return None
    return FindNearest(
        field=parse_field_path(notation["field"]),
        query_vector=tuple(map(float, notation["vector"])),
        distance_measure=notation["measure"],
        limit=notation["limit"],
        distance_result_field=notation.get("result"),
        distance_threshold=notation.get("threshold"),
    )


_INDEX_MODES = {
    "asc": IndexMode.ASCENDING,
    "desc": IndexMode.DESCENDING,
    "contains": IndexMode.CONTAINS,
}


def index_from(text):
    """Read an index: `orders (status asc, createdAt desc)`, `group items (sku asc)`, `vector 3`."""
    names, _, listed = text.partition("(")
    words = names.split()
    scope = QueryScope.COLLECTION_GROUP if words[0] == "group" else QueryScope.COLLECTION
    fields = []
    for part in listed.rstrip(")").split(","):
        field, mode, *dimension = part.split()
        if mode == "vector":
            fields.append(IndexField(parse_field_path(field), IndexMode.VECTOR, int(dimension[0])))
        else:
            fields.append(IndexField(parse_field_path(field), _INDEX_MODES[mode]))
    return IndexDefinition(words[-1], scope, with_implied_name(fields))
