"""What the matrix says a call sends is what the published client does send."""

from __future__ import annotations

from typing import Any

from google.cloud.firestore_v1.query import Query
from hypothesis import given
from hypothesis import strategies as st

from harness.access.model import (
    CollectionQuery,
    DocumentWrite,
    FilterGroup,
    FilterTerm,
    FilterTree,
    WriteForm,
)
from harness.access.requests import query_of, write_of
from harness.access.templates import (
    SERVER_TIME,
    Absence,
    DocumentLink,
    FieldOperation,
    Filling,
    Moment,
)
from harness.emulators.access_clients import add_write, client_query
from harness.emulators.firestore_client import firestore_client
from harness.firestore.documents import DocumentSnapshot, TransformKind, Write
from harness.firestore.paths import DatabaseName, ResourcePath
from harness.firestore.query import CompositeFilter, Direction, FieldFilter, Filter, Operator
from harness.firestore.values import GeoPoint, Timestamp, identical
from harness.firestore.writes import apply_write
from harness.rules.request import Method
from harness.server.messages import load_messages
from harness.server.wire import query_from_proto, write_from_proto
from harness.source import SourcePosition

DATABASE = DatabaseName("demo-calls")
FILLING = Filling("ana", Timestamp(1_700_000_000_000_000), DATABASE)
CLIENT = firestore_client("127.0.0.1:1", DATABASE.project)  # never connects
AT = SourcePosition("access.yaml", 1, 1)

_PLAIN = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.sampled_from(["", "x", "$uid", "by $uid", "$$", "a.b"])
    | st.binary(max_size=4)
    | st.just(Timestamp(1_600_000_000_123_456))
    | st.just(Moment(-5_000_000))
    | st.just(GeoPoint(1.5, -2.0))
    | st.just(DocumentLink("users/$uid"))
)
_VALUES = st.recursive(
    _PLAIN | st.lists(_PLAIN, max_size=2).map(tuple),
    lambda inner: st.dictionaries(st.sampled_from(["p", "q", "$uid"]), inner, max_size=3),
    max_leaves=4,
)
_NUMBERS = st.integers(-5, 5) | st.floats(-5, 5)
_OPERATIONS = (
    st.just(SERVER_TIME)
    | st.builds(FieldOperation, st.just(TransformKind.INCREMENT), _NUMBERS)
    | st.builds(FieldOperation, st.just(TransformKind.MAXIMUM), _NUMBERS)
    | st.builds(FieldOperation, st.just(TransformKind.MINIMUM), _NUMBERS)
    | st.builds(
        FieldOperation,
        st.sampled_from(
            [TransformKind.APPEND_MISSING_ELEMENTS, TransformKind.REMOVE_ALL_FROM_ARRAY]
        ),
        st.lists(_PLAIN, min_size=1, max_size=2).map(tuple),
    )
)
_NAMES = st.sampled_from(["a", "b", "c", "a b", "$uid"])


def data(special: st.SearchStrategy[Any], names: st.SearchStrategy[str] = _NAMES) -> Any:
    nested = st.dictionaries(_NAMES, _VALUES | special, min_size=1, max_size=3)
    return st.dictionaries(names, _VALUES | special | nested, max_size=4)


def sent_by_client(write: DocumentWrite) -> Write:
    batch = CLIENT.batch()
    add_write(batch, write, FILLING, CLIENT)
    (message,) = batch._write_pbs
    own = load_messages().Write.FromString(type(message).pb(message).SerializeToString())
    return write_from_proto(own, DATABASE)


TIME = Timestamp(1_700_000_000_000_000)
STORED = DocumentSnapshot(
    ResourcePath("a/b"),
    {"a": {"p": 1, "a": {"q": 2}}, "b": {"c": (1, "x"), "d": {"e": 3}}, "x y": 7, "ana": "$"},
    TIME,
    TIME,
)


def assert_same(ours: Write, theirs: Write) -> None:
    """They leave every document the same; libraries differ in what they send for it."""
    assert (ours.kind, ours.path, ours.precondition) == (
        theirs.kind,
        theirs.path,
        theirs.precondition,
    )
    for stored in (None, STORED):
        left, right = (
            apply_write(write, stored, TIME, DATABASE, enforce_limits=False)[0]
            for write in (ours, theirs)
        )
        assert (left is None) is (right is None)
        if left is not None and right is not None:
            assert identical(left.fields, right.fields)


@given(
    data(_OPERATIONS | st.just(Absence.ABSENT)), st.sampled_from([WriteForm.CREATE, WriteForm.SET])
)
def test_create_and_set(content: Any, form: WriteForm) -> None:
    write = DocumentWrite(Method.CREATE, "a/$uid", AT, form, content)
    assert_same(write_of(write, FILLING), sent_by_client(write))


@given(data(_OPERATIONS | st.sampled_from(Absence)))
def test_merge(content: Any) -> None:
    write = DocumentWrite(Method.UPDATE, "a/b", AT, WriteForm.MERGE, content)
    assert_same(write_of(write, FILLING), sent_by_client(write))


_PATHS = st.sampled_from(["a", "b.c", "b.d.e", "`x y`", "f.g"])


@given(
    st.dictionaries(
        _PATHS,
        _VALUES | _OPERATIONS | st.just(Absence.DELETED) | data(_OPERATIONS),
        min_size=1,
        max_size=4,
    )
)
def test_update(content: Any) -> None:
    write = DocumentWrite(Method.UPDATE, "a/b", AT, WriteForm.UPDATE, content)
    assert_same(write_of(write, FILLING), sent_by_client(write))


def test_delete() -> None:
    write = DocumentWrite(Method.DELETE, "a/b", AT)
    assert_same(write_of(write, FILLING), sent_by_client(write))


_FIELDS = st.sampled_from(["a", "b.c", "`x y`"])
_TERMS = (
    st.builds(
        FilterTerm,
        _FIELDS,
        st.sampled_from(
            [Operator.EQUAL, Operator.NOT_EQUAL, Operator.LESS_THAN, Operator.ARRAY_CONTAINS]
        ),
        _PLAIN.filter(lambda value: value is not None) | st.just(SERVER_TIME),
    )
    | st.builds(
        FilterTerm,
        _FIELDS,
        st.sampled_from([Operator.EQUAL, Operator.NOT_EQUAL]),
        st.none() | st.just(float("nan")),
    )
    | st.builds(
        FilterTerm,
        _FIELDS,
        st.sampled_from([Operator.IN, Operator.NOT_IN, Operator.ARRAY_CONTAINS_ANY]),
        st.lists(_PLAIN, min_size=1, max_size=3).map(tuple),
    )
)
_TREES: st.SearchStrategy[FilterTree] = st.recursive(
    _TERMS,
    lambda inner: st.builds(
        FilterGroup, st.booleans(), st.lists(inner, min_size=2, max_size=3).map(tuple)
    ),
    max_leaves=4,
)


@given(
    st.builds(
        CollectionQuery,
        st.just("users"),
        is_group=st.booleans(),
        where=st.lists(_TREES, max_size=2).map(tuple),
        order=st.lists(st.tuples(_FIELDS, st.sampled_from(Direction)), max_size=2).map(tuple),
        limit=st.none() | st.integers(1, 50),
        offset=st.integers(0, 5),
    )
)
def test_query(asked: CollectionQuery) -> None:
    query = client_query(asked, FILLING, CLIENT)
    # A collection without filters is no query yet for the library.
    message = (query if isinstance(query, Query) else query._query())._to_protobuf()
    own = load_messages().StructuredQuery.FromString(type(message).pb(message).SerializeToString())
    theirs = query_from_proto(ResourcePath(""), own)
    ours = query_of(asked, FILLING)
    assert flat(ours.where) == flat(theirs.where)
    for name in ("parent", "collection_id", "all_descendants", "order_by", "limit", "offset"):
        assert getattr(ours, name) == getattr(theirs, name)


def flat(where: Filter | None) -> Any:
    """A filter's meaning: nested ANDs and ORs of one kind are one, NaN equals itself."""
    if where is None:
        return None
    if isinstance(where, FieldFilter):
        return ("field", where.field, where.operator, repr(where.value))
    assert isinstance(where, CompositeFilter)
    parts: list[Any] = []
    for part in map(flat, where.filters):
        same = isinstance(part, tuple) and part[0] is where.operator
        parts += part[1] if same else [part]
    return (where.operator, parts) if len(parts) > 1 else parts[0]
