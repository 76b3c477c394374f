from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import StatusCode, StatusError
from harness.firestore.documents import DocumentSnapshot, TransformKind, WriteKind
from harness.firestore.paths import DatabaseName, FieldPath, ResourcePath
from harness.firestore.query import CompositeFilter, FieldFilter, Operator
from harness.firestore.values import GeoPoint, Reference, Timestamp, Value, Vector, identical
from harness.server import wire
from harness.server.wire import pb

DATABASE = DatabaseName("demo-p")
ROOT = ResourcePath("")

names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
scalars: st.SearchStrategy[Value] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    st.binary(max_size=20),
    st.integers(-62_135_596_800_000_000, 253_402_300_799_999_999).map(Timestamp),
    st.builds(GeoPoint, st.floats(-90, 90), st.floats(-180, 180)),
    st.lists(st.floats(), min_size=1, max_size=4).map(lambda items: Vector(tuple(items))),
    st.sampled_from(["a/b", "users/ana/tasks/1", "c/__id7__"]).map(
        lambda path: Reference(DATABASE, ResourcePath(path))
    ),
)
values: st.SearchStrategy[Value] = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4).map(tuple), st.dictionaries(names, inner, max_size=4)
    ),
    max_leaves=12,
)


@given(values)
def test_a_value_survives_the_wire(value: Value) -> None:
    message = pb.Value()
    wire.value_to_proto(value, message)
    received = pb.Value.FromString(message.SerializeToString())
    assert identical(wire.value_from_proto(received), value)


def test_a_document_carries_name_and_times() -> None:
    snapshot = DocumentSnapshot(
        ResourcePath("users/ana"), {"n": 1}, Timestamp(1_500_000), Timestamp(-1)
    )
    message = pb.Document()
    wire.document_to_proto(DATABASE, snapshot, message)
    assert message.name == "projects/demo-p/databases/(default)/documents/users/ana"
    assert (message.create_time.seconds, message.create_time.nanos) == (1, 500_000_000)
    assert (message.update_time.seconds, message.update_time.nanos) == (-1, 999_999_000)


@pytest.mark.parametrize(
    ("nanos", "micros"), [(0, 0), (1, 0), (999, 0), (1000, 1), (999_999_999, 999_999)]
)
def test_times_are_cut_to_microseconds(nanos: int, micros: int) -> None:
    message = pb.Timestamp(seconds=0, nanos=nanos)
    assert wire.timestamp_from_proto(message) == Timestamp(micros)


@pytest.mark.parametrize(
    "fields",
    [
        {"__type__": pb.Value(string_value="__vector__")},
        {"__type__": pb.Value(string_value="other"), "value": pb.Value(array_value={})},
        {"__type__": pb.Value(string_value="__vector__"), "value": pb.Value(array_value={})},
        {
            "__type__": pb.Value(string_value="__vector__"),
            "value": pb.Value(array_value={"values": [pb.Value(integer_value=1)]}),
        },
    ],
)
def test_a_map_that_only_resembles_a_vector_stays_a_map(fields: dict[str, Any]) -> None:
    assert isinstance(wire.value_from_proto(pb.Value(map_value={"fields": fields})), dict)


def name(path: str) -> str:
    return f"{DATABASE}/documents/{path}"


def test_the_kinds_of_write() -> None:
    update = pb.Write(update={"name": name("c/d"), "fields": {"n": pb.Value(integer_value=1)}})
    update.update_mask.SetInParent()
    update.update_transforms.add(field_path="t", set_to_server_value=1)
    update.update_transforms.add(field_path="i", increment=pb.Value(integer_value=2))
    update.update_transforms.add(
        field_path="`a.b`", append_missing_elements={"values": [pb.Value(string_value="x")]}
    )
    written = wire.write_from_proto(update, DATABASE)
    assert (written.kind, written.path, written.fields) == (WriteKind.UPDATE, "c/d", {"n": 1})
    assert written.mask == ()
    assert [(t.field, t.kind, t.operand) for t in written.transforms] == [
        (("t",), TransformKind.SET_TO_SERVER_VALUE, None),
        (("i",), TransformKind.INCREMENT, 2),
        (("a.b",), TransformKind.APPEND_MISSING_ELEMENTS, ("x",)),
    ]
    legacy = pb.Write(transform={"document": name("c/d")})
    assert wire.write_from_proto(legacy, DATABASE).mask == ()
    assert wire.write_from_proto(pb.Write(delete=name("c/d")), DATABASE).kind is WriteKind.DELETE
    assert wire.write_from_proto(pb.Write(verify=name("c/d")), DATABASE).kind is WriteKind.VERIFY


@pytest.mark.parametrize(
    ("write", "text"),
    [
        (pb.Write(), "A write must have an operation."),
        (
            pb.Write(delete="projects/other/databases/(default)/documents/c/d"),
            'Document "projects/other/databases/(default)/documents/c/d" is not in database '
            '"projects/demo-p/databases/(default)".',
        ),
        (
            pb.Write(delete=name("c")),
            f'Document name "{name("c")}" lacks "/" at index {len(name("c"))}.',
        ),
    ],
)
def test_a_write_that_is_none_is_refused(write: Any, text: str) -> None:
    with pytest.raises(StatusError) as error:
        wire.write_from_proto(write, DATABASE)
    assert (error.value.code, error.value.message) == (StatusCode.INVALID_ARGUMENT, text)


def query(**fields: Any) -> Any:
    return pb.StructuredQuery(**{"from": [{"collection_id": "c"}], **fields})


def test_filters_nest() -> None:
    message = query()
    both = message.where.composite_filter
    both.op = 1
    field = both.filters.add().field_filter
    field.field.field_path, field.op = "a.b", 5
    field.value.double_value = math.inf
    unary = both.filters.add().unary_filter
    unary.field.field_path, unary.op = "c", 3
    parsed = wire.query_from_proto(ROOT, message)
    assert isinstance(parsed.where, CompositeFilter)
    assert parsed.where.filters == (
        FieldFilter(FieldPath(("a", "b")), Operator.EQUAL, math.inf),
        FieldFilter(FieldPath(("c",)), Operator.IS_NULL),
    )


@pytest.mark.parametrize(
    ("paths", "select"),
    [(None, None), ([], None), (["__name__"], ()), (["__name__", "a"], (("a",),))],
)
def test_a_projection_of_nothing_keeps_all_and_of_the_name_none(
    paths: list[str] | None, select: object
) -> None:
    message = query()
    if paths is not None:
        message.select.SetInParent()
        for path in paths:
            message.select.fields.add(field_path=path)
    assert wire.query_from_proto(ROOT, message).select == select


def test_a_limit_of_zero_is_no_missing_limit() -> None:
    assert wire.query_from_proto(ROOT, query()).limit is None
    assert wire.query_from_proto(ROOT, query(limit={"value": 0})).limit == 0


def test_aggregations_without_names_are_numbered_among_themselves() -> None:
    messages = [
        pb.StructuredAggregationQuery.Aggregation(count={}),
        pb.StructuredAggregationQuery.Aggregation(count={}, alias="x"),
        pb.StructuredAggregationQuery.Aggregation(count={}),
    ]
    aliases = [item.alias for item in wire.aggregations_from_proto(messages)]
    assert aliases == ["field_1", "x", "field_2"]


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (
            query(where={"field_filter": {"field": {"field_path": "a"}}}),
            "Unknown FieldFilter operator.",
        ),
        (
            query(where={"unary_filter": {"field": {"field_path": "a"}}}),
            "Unknown UnaryFilter operator.",
        ),
        (query(where={"composite_filter": {}}), "Unsupported CompositeFilter operator."),
        (
            pb.StructuredQuery(**{"from": [{}, {}]}),
            "StructuredQuery.from cannot have more than one collection selector.",
        ),
    ],
)
def test_a_query_without_meaning_is_refused(message: Any, text: str) -> None:
    with pytest.raises(StatusError) as error:
        wire.query_from_proto(ROOT, message)
    assert (error.value.code, error.value.message) == (StatusCode.INVALID_ARGUMENT, text)
