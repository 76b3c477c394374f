"""Recorded requests survive being written and read, whatever is in them."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.rules.recorded import RecordedDecision, RecordedDocuments, RecordedRequest
from harness.rules.recorded_json import (
    RequestReader,
    RequestWriter,
    request_from_json,
    request_to_json,
    value_from_json,
    value_to_json,
)
from harness.rules.request import (
    FIRESTORE,
    STORAGE,
    Comparator,
    Method,
    QueryConstraint,
    RulesAuth,
    RulesQuery,
    RulesRequest,
    RulesResource,
)
from harness.rules.values import (
    INT_MAX,
    INT_MIN,
    MapDiff,
    Placeholder,
    RulesDuration,
    RulesLatLng,
    RulesPath,
    RulesSet,
    RulesTimestamp,
    strictly_equal,
)

# Two halves of a surrogate pair that stand apart become one character in JSON.
text = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
names = st.sampled_from(["a", "b", "$float", "$map", "$x", "", "ü", "a.b"])
nanos = st.integers(-(10**20), 10**20)
paths = st.builds(
    RulesPath,
    st.lists(text | st.builds(Placeholder, text), max_size=4).map(tuple),
    st.lists(st.tuples(text, text), max_size=2).map(tuple),
)
leaves = (
    st.none()
    | st.booleans()
    | st.integers(INT_MIN, INT_MAX)
    | st.floats()
    | text
    | st.binary(max_size=6)
    | st.builds(RulesTimestamp, nanos)
    | st.builds(RulesDuration, nanos)
    | st.builds(RulesLatLng, st.floats(-90, 90), st.floats(-180, 180))
    | paths
)
values = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(names, inner, max_size=3)
        | st.lists(inner, max_size=3).map(RulesSet)
    ),
    max_leaves=8,
)
fields = st.dictionaries(names, values, max_size=3)
document_paths = st.tuples(
    st.just("databases"), st.just("(default)"), st.just("documents"), text, text
)
resources = st.builds(RulesResource, fields, st.builds(RulesPath, document_paths))
queries = st.builds(
    RulesQuery,
    parent=document_paths,
    collection_id=st.none() | text,
    all_descendants=st.booleans(),
    limit=st.none() | st.integers(0, 100),
    offset=st.integers(0, 10),
    order_by=st.dictionaries(text, st.sampled_from(["ASC", "DESC"]), max_size=2),
    disjuncts=st.lists(
        st.lists(
            st.builds(
                QueryConstraint,
                st.lists(text, min_size=1, max_size=2).map(tuple),
                st.sampled_from(Comparator),
                values,
            ),
            max_size=2,
        ).map(tuple),
        max_size=2,
    ).map(tuple),
)
requests = st.builds(
    RulesRequest,
    service=st.sampled_from([FIRESTORE, STORAGE]),
    method=st.sampled_from(Method),
    path=document_paths,
    auth=st.none() | st.builds(RulesAuth, st.none() | text, fields),
    time=st.builds(RulesTimestamp, nanos),
    resource=st.none() | resources | fields,
    new_resource=st.none() | resources | fields,
    query=st.none() | queries,
    delimiter=st.none() | st.just("/"),
)
recorded_requests = st.builds(
    RecordedRequest,
    title=text,
    origin=text.filter(bool),
    decisions=st.lists(
        st.builds(RecordedDecision, requests, st.booleans()), min_size=1, max_size=3
    ).map(tuple),
    documents=st.builds(
        RecordedDocuments,
        before=st.dictionaries(document_paths, fields, max_size=4),
        after=st.dictionaries(document_paths, st.none() | fields, max_size=2),
        is_complete=st.booleans(),
        missing=st.frozensets(document_paths, max_size=2),
    ),
    several=st.booleans(),
)


def same(left: object, right: object) -> bool:
    """Compare with every type told apart, NaN equal to itself."""
    return type(left) is type(right) and repr(left) == repr(right)


@given(values)
def test_a_value_survives(value: object) -> None:
    read = value_from_json(json.loads(json.dumps(value_to_json(value), allow_nan=False)))
    assert strictly_equal(read, value)
    assert same(read, value)


@given(recorded_requests)
def test_a_request_survives(recorded: RecordedRequest) -> None:
    read = request_from_json(request_to_json(recorded))
    assert same(without_missing(read), without_missing(recorded))
    # Of a whole database nothing else needs to be said to be missing.
    complete = recorded.documents.is_complete
    assert read.documents.missing == (frozenset() if complete else recorded.documents.missing)


def without_missing(recorded: RecordedRequest) -> tuple[object, ...]:
    # The order in which a set prints is not always the same.
    documents = recorded.documents
    return (
        recorded.title,
        recorded.origin,
        recorded.decisions,
        recorded.several,
        sorted(documents.before.items(), key=lambda item: item[0]),
        documents.after,
        documents.is_complete,
    )


@given(st.lists(st.tuples(recorded_requests, st.sampled_from(["", "r1", "r2"])), max_size=5))
def test_requests_of_one_part_survive_together(
    asked: list[tuple[RecordedRequest, str]],
) -> None:
    writer = RequestWriter()
    for recorded, rules in asked:
        writer.add(recorded, rules)
    read = list(RequestReader().read(writer.take().splitlines()))
    assert [each.rules for each in read] == [rules for _, rules in asked]
    for each, (recorded, _) in zip(read, asked, strict=True):
        assert same(without_missing(each.recorded), without_missing(recorded))


def get_by_ana(documents: RecordedDocuments) -> RecordedRequest:
    request = RulesRequest(
        FIRESTORE,
        Method.GET,
        ("databases", "(default)", "documents", "users", "ana"),
        RulesAuth("ana", {"email": "ana@example.com"}),
        RulesTimestamp(0),
    )
    return RecordedRequest(
        "get users/ana as ana", "", (RecordedDecision(request, True),), documents
    )


def database(**users: int) -> RecordedDocuments:
    return RecordedDocuments(
        {
            ("databases", "(default)", "documents", "users", uid): {"n": number}
            for uid, number in users.items()
        }
    )


def test_what_requests_share_is_written_once() -> None:
    writer = RequestWriter()
    for documents in (database(ana=1, bob=2), database(ana=1, bob=2), database(ana=3, bob=2)):
        writer.add(get_by_ana(documents))
    kinds = [next(iter(json.loads(line))) for line in writer.take().splitlines()]
    assert kinds.count("document") == 3
    assert kinds.count("caller") == 1
    assert kinds.count("state") == 2


def test_a_changed_state_is_written_as_its_change() -> None:
    writer = RequestWriter()
    writer.add(get_by_ana(database(ana=1, bob=2, eve=3, joe=4)))
    writer.take()
    writer.add(get_by_ana(database(ana=9, bob=2, joe=4)))
    state = next(json.loads(line) for line in writer.take().splitlines() if "state" in line[:9])
    assert state == {
        "state": {
            "from": 0,
            "without": [["databases", "(default)", "documents", "users", "eve"]],
            "with": [4],
        }
    }


def test_parts_from_several_writers_are_read_one_after_the_other() -> None:
    parts = []
    for check in ("test_a", "test_b"):
        writer = RequestWriter()
        writer.add(get_by_ana(database(ana=1)))
        writer.leave_out(2)
        parts.append(json.dumps({"check": check}) + "\n" + writer.take())
    reader = RequestReader()
    read = list(reader.read("".join(parts).splitlines()))
    assert [each.recorded.origin for each in read] == ["test_a", "test_b"]
    assert reader.left_out == 4


def test_an_int_and_a_float_stay_apart() -> None:
    assert [type(value_from_json(json.loads(json.dumps(value_to_json(v))))) for v in (1, 1.0)] == [
        int,
        float,
    ]
    assert math.copysign(1, value_from_json(json.loads(json.dumps(value_to_json(-0.0))))) == -1


def test_what_no_request_can_hold_is_refused() -> None:
    with pytest.raises(ValueError, match="MapDiff"):
        value_to_json(MapDiff({}, {}))


@pytest.mark.parametrize(
    "line",
    [
        "",
        "[]",
        "1",
        '{"begin": 99}',
        '{"bogus": 1}',
        '{"request": {}}',
        '{"document": [["a"], []]}',
        '{"state": {"with": [7]}}',
        '{"document": [["a"], {"x": {"$latlng": [1]}}]}',
        '{"document": [["a"], {"x": {"$nothing": 1}}]}',
    ],
)
def test_a_line_that_is_none_is_named(line: str) -> None:
    with pytest.raises(ValueError, match="line 2"):
        list(RequestReader().read(['{"begin": 1}', line]))
