"""Strategies for queries over small databases, drawn towards ties, gaps and mixed types."""

from dataclasses import replace
from random import Random

from hypothesis import strategies as st

from harness.errors import StatusError
from harness.firestore.index_definitions import (
    FieldOverride,
    IndexDefinition,
    IndexDefinitions,
    IndexField,
    IndexMode,
    QueryScope,
    with_implied_name,
)
from harness.firestore.paths import ROOT, DatabaseName, FieldPath, ResourcePath
from harness.firestore.query import (
    NAME,
    CompositeFilter,
    CompositeOperator,
    Cursor,
    Direction,
    FieldFilter,
    Operator,
    Order,
    StructuredQuery,
    effective_order,
)
from harness.firestore.query_checks import validate_query
from harness.firestore.values import GeoPoint, Reference, Timestamp, Vector

DATABASE = DatabaseName("p")
IDS = [*"abdefgh", "ba", "__id7__", "__id-3__", "é"]
document_ids = st.sampled_from(IDS)
in_collection = st.builds(lambda a: ResourcePath(f"c/{a}"), document_ids)
document_paths = st.one_of(
    in_collection,
    in_collection,
    in_collection,
    in_collection,
    st.builds(lambda a, b: ResourcePath(f"c/{a}/c/{b}"), document_ids, document_ids),
    st.builds(lambda a, b: ResourcePath(f"e/{a}/c/{b}"), document_ids, document_ids),
    st.builds(lambda a: ResourcePath(f"c-b/{a}"), document_ids),
)

scalars = st.sampled_from(
    [
        None,
        False,
        True,
        float("nan"),
        0,
        1,
        1.0,
        1.5,
        2,
        -1,
        "",
        "a",
        "b",
        b"\0",
        Timestamp(1),
        Timestamp(2),
        GeoPoint(0.0, 0.0),
        Vector((1.0,)),
        Reference(DATABASE, ResourcePath("c/a")),
    ]
)
numbers = st.sampled_from([0, 1, 1.0, 2])
ones = st.sampled_from([0, 1, 1, 1])
arrays = st.lists(numbers, max_size=2).map(tuple)
values = st.one_of(
    numbers,
    numbers,
    numbers,
    scalars,
    arrays,
    st.dictionaries(st.sampled_from(["x", "y"]), numbers, max_size=2),
)
FIELDS = [FieldPath(path) for path in (("a",), ("b",), ("c",), ("t",), ("m", "x"))]
fields = st.one_of(
    st.fixed_dictionaries(
        {"a": numbers, "b": numbers, "c": numbers},
        optional={"t": arrays, "m": st.fixed_dictionaries({"x": numbers})},
    ),
    st.fixed_dictionaries(
        {},
        optional={"a": values, "b": values, "c": numbers, "t": st.one_of(arrays, values)},
    ),
)


def _dense(seed):
    """Many documents that agree in much, so that filters find some and merges meet."""
    random = Random(seed)
    paths = [f"c/{id_}" for id_ in IDS] + [f"c/a/c/{id_}" for id_ in IDS[:4]]
    return {
        ResourcePath(path): {
            "a": random.choice([0, 1, 1.0]),
            "b": random.choice([0, 1, 2]),
            "c": random.choice([1, 2]),
            "t": random.choice([(), (1,), (0, 1), (1, 2)]),
            "m": {"x": random.choice([0, 1])},
        }
        for path in paths
    }


documents = st.one_of(
    st.dictionaries(document_paths, fields, min_size=1, max_size=16),
    st.integers(0, 2**16).map(_dense),
)

references = document_paths.map(lambda path: Reference(DATABASE, path))
field_paths = st.sampled_from([*FIELDS[:3], *FIELDS])
_SCALAR_OPERATORS = [
    Operator.EQUAL,
    Operator.EQUAL,
    Operator.EQUAL,
    Operator.LESS_THAN,
    Operator.LESS_THAN_OR_EQUAL,
    Operator.GREATER_THAN,
    Operator.GREATER_THAN_OR_EQUAL,
    Operator.NOT_EQUAL,
]
_equalities = st.builds(FieldFilter, field_paths, st.just(Operator.EQUAL), numbers)
_comparisons = st.builds(FieldFilter, field_paths, st.sampled_from(_SCALAR_OPERATORS), numbers)
_contains = st.builds(
    FieldFilter, st.just(FieldPath(("t",))), st.just(Operator.ARRAY_CONTAINS), numbers
)
_lists = st.builds(
    FieldFilter,
    field_paths,
    st.sampled_from([Operator.IN, Operator.NOT_IN]),
    st.lists(st.one_of(numbers, scalars), min_size=1, max_size=3).map(tuple),
)
_rare = st.one_of(
    st.builds(FieldFilter, field_paths, st.sampled_from(_SCALAR_OPERATORS), values),
    st.builds(
        FieldFilter,
        field_paths,
        st.sampled_from(
            [Operator.IS_NULL, Operator.IS_NAN, Operator.IS_NOT_NULL, Operator.IS_NOT_NAN]
        ),
    ),
    st.builds(
        FieldFilter,
        st.just(FieldPath(("t",))),
        st.just(Operator.ARRAY_CONTAINS_ANY),
        st.lists(numbers, min_size=1, max_size=3).map(tuple),
    ),
    st.builds(FieldFilter, st.just(NAME), st.sampled_from(_SCALAR_OPERATORS), references),
    st.builds(
        FieldFilter,
        st.just(NAME),
        st.sampled_from([Operator.IN, Operator.NOT_IN]),
        st.lists(references, min_size=1, max_size=3).map(tuple),
    ),
)
field_filters = st.one_of(_equalities, _comparisons, _contains, _lists, _rare)


def _joined(operator, parts, most):
    return st.lists(parts, min_size=1, max_size=most).map(
        lambda found: CompositeFilter(operator, tuple(found))
    )


_all_equal = _joined(CompositeOperator.AND, st.one_of(_equalities, _equalities, _contains), 3)
_any = _joined(CompositeOperator.OR, st.one_of(field_filters, _all_equal), 3)
filters = st.one_of(
    st.none(),
    field_filters,
    _all_equal,
    _all_equal,
    _any,
    _joined(CompositeOperator.AND, st.one_of(field_filters, _any), 3),
)
directions = st.sampled_from(Direction)
orders = st.lists(
    st.builds(Order, field_paths, directions), max_size=2, unique_by=lambda o: o.field
)


@st.composite
def queries(draw, with_limits=True):
    parent, collection_id, group = draw(
        st.sampled_from(
            [
                (ROOT, "c", False),
                (ROOT, "c", False),
                (ROOT, "c", False),
                (ROOT, "c", False),
                (ResourcePath("c/a"), "c", False),
                (ROOT, "c", True),
                (ResourcePath("c/a"), "c", True),
            ]
        )
    )
    ordered = draw(orders)
    if draw(st.booleans()) and draw(st.booleans()):
        ordered.append(Order(NAME, draw(directions)))
    query = StructuredQuery(
        parent, collection_id, group, draw(filters), tuple(ordered), offset=0, limit=None
    )
    cursors = {}
    for end in ("start_at", "end_at"):
        if draw(st.integers(0, 4)) == 0:
            values_ = []
            for order in effective_order(query)[: draw(st.integers(1, 4))]:
                values_.append(
                    draw(references if order.field == NAME else st.one_of(numbers, values))
                )
            cursors[end] = Cursor(tuple(values_), draw(st.booleans()))
    limits = {}
    if with_limits:
        limits = {
            "offset": draw(st.sampled_from([0, 0, 1, 3])),
            "limit": draw(st.sampled_from([None, None, 0, 1, 2, 5])),
        }
    return StructuredQuery(
        parent,
        collection_id,
        group,
        query.where,
        query.order_by,
        **cursors,
        **limits,
    )


def is_valid(query):
    try:
        validate_query(query)
    except StatusError:
        return False
    return True


valid_queries = queries().filter(is_valid)
unlimited_queries = queries(with_limits=False).filter(is_valid)

index_fields = st.builds(
    IndexField,
    field_paths,
    st.sampled_from([IndexMode.ASCENDING, IndexMode.ASCENDING, IndexMode.DESCENDING]),
)


@st.composite
def composites(draw):
    listed = draw(st.lists(index_fields, min_size=2, max_size=3, unique_by=lambda f: f.field))
    if draw(st.integers(0, 4)) == 0:
        listed[0] = IndexField(listed[0].field, IndexMode.CONTAINS)
    scope = draw(st.sampled_from(QueryScope))
    return IndexDefinition("c", scope, with_implied_name(listed))


_modes = st.frozensets(
    st.tuples(st.sampled_from(QueryScope), st.sampled_from(IndexMode)), max_size=3
).filter(lambda modes: all(mode is not IndexMode.VECTOR for _, mode in modes))
overrides = st.lists(
    st.builds(FieldOverride, st.just("c"), st.sampled_from(FIELDS), _modes),
    max_size=2,
    unique_by=lambda override: override.field,
).map(tuple)
"""Exemptions: fields with fewer, other or no single-field indexes."""

definitions = st.builds(
    IndexDefinitions,
    st.lists(composites(), max_size=4, unique=True).map(tuple),
    st.one_of(st.just(()), st.just(()), overrides),
)


@st.composite
def merging_cases(draw):
    """A query of several equalities, and composites that are merged to serve it."""
    pinned = draw(st.lists(st.sampled_from("abc"), min_size=2, max_size=3, unique=True))
    parts = [FieldFilter(FieldPath((name,)), Operator.EQUAL, draw(ones)) for name in pinned]
    leading = [IndexField(FieldPath((name,)), IndexMode.ASCENDING) for name in pinned]
    if draw(st.booleans()):
        parts.append(FieldFilter(FieldPath(("t",)), Operator.ARRAY_CONTAINS, draw(ones)))
        leading.append(IndexField(FieldPath(("t",)), IndexMode.CONTAINS))
    group = draw(st.booleans())
    sort = FieldPath(("m", "x"))
    direction = draw(directions)
    ordered, indexes = (), ()
    kind = draw(st.sampled_from(["name", "order", "range"]))
    if kind == "range":
        operator = draw(st.sampled_from(_SCALAR_OPERATORS[3:]))
        parts.append(FieldFilter(sort, operator, draw(ones)))
    if kind != "name":
        ordered = (Order(sort, direction),)
        mode = IndexMode(direction.value)
        scope = QueryScope.COLLECTION_GROUP if group else QueryScope.COLLECTION
        indexes = tuple(
            IndexDefinition("c", scope, with_implied_name((item, IndexField(sort, mode))))
            for item in leading
        )
    elif draw(st.booleans()):
        ordered = (Order(NAME, direction),)
    query = StructuredQuery(
        ROOT,
        "c",
        group,
        CompositeFilter(CompositeOperator.AND, tuple(draw(st.permutations(parts)))),
        ordered,
        limit=draw(st.sampled_from([None, None, 1, 3])),
        offset=draw(st.sampled_from([0, 0, 1])),
    )
    if draw(st.integers(0, 2)) == 0:
        values_ = [draw(ones)] if kind != "name" else [draw(references)]
        return _with_cursor(draw, query, values_), IndexDefinitions(indexes)
    return query, IndexDefinitions(indexes)


def _with_cursor(draw, query, values_):
    cursor = Cursor(tuple(values_), draw(st.booleans()))
    return replace(query, **{draw(st.sampled_from(["start_at", "end_at"])): cursor})


query_cases = st.one_of(st.tuples(valid_queries, definitions), merging_cases())
