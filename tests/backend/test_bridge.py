from __future__ import annotations

import math

from harness.backend import bridge
from harness.backend.auth import ADMIN, ANONYMOUS, Caller, CallerKind
from harness.firestore.documents import Write, WriteKind
from harness.firestore.paths import DatabaseName, FieldPath, ResourcePath
from harness.firestore.query import (
    CompositeFilter,
    CompositeOperator,
    Direction,
    FieldFilter,
    Operator,
    Order,
    StructuredQuery,
)
from harness.firestore.store import Database
from harness.firestore.values import GeoPoint, Reference, Timestamp, Vector
from harness.rules.request import Comparator, Method
from harness.rules.values import RulesLatLng, RulesPath, RulesTimestamp

DATABASE = DatabaseName("demo-p")
ANA = Caller(CallerKind.USER, "ana", {"sub": "ana", "admin": True})
DOCUMENTS = ("databases", "(default)", "documents")


def path(text: str) -> ResourcePath:
    return ResourcePath(text)


def test_each_kind_of_value_has_its_rules_value() -> None:
    fields = {
        "plain": [None, True, 1, 1.5, "x", b"y"],
        "time": Timestamp(1_500_000),
        "ref": Reference(DATABASE, path("users/ana")),
        "place": GeoPoint(1.0, 2.0),
        "vector": Vector((1.0, 2.0)),
        "deep": {"list": ({"at": Timestamp(0)},)},
    }
    fields["plain"] = tuple(fields["plain"])  # type: ignore[arg-type]
    assert bridge.rules_map(fields) == {  # type: ignore[arg-type]
        "plain": [None, True, 1, 1.5, "x", b"y"],
        "time": RulesTimestamp(1_500_000_000),
        "ref": RulesPath((*DOCUMENTS, "users", "ana")),
        "place": RulesLatLng(1.0, 2.0),
        "vector": {"__type__": "__vector__", "value": [1.0, 2.0]},
        "deep": {"list": [{"at": RulesTimestamp(0)}]},
    }


def test_fields_that_are_the_same_in_both_worlds_are_not_copied() -> None:
    fields = {"n": 1, "s": "x"}
    assert bridge.rules_map(fields) is fields  # type: ignore[arg-type,comparison-overlap]


def test_only_users_have_an_auth() -> None:
    assert bridge.rules_auth(ANONYMOUS) is None
    assert bridge.rules_auth(ADMIN) is None
    auth = bridge.rules_auth(ANA)
    assert auth is not None
    assert (auth.uid, auth.token["admin"]) == ("ana", True)


def test_a_question_about_a_document_names_it_in_full() -> None:
    request = bridge.document_request(
        DATABASE, Method.GET, path("users/ana"), ANA, Timestamp(5), None
    )
    assert request.path == (*DOCUMENTS, "users", "ana")
    assert request.time == RulesTimestamp(5000)
    assert request.resource is None
    assert request.query is None


def test_a_question_about_a_query_tells_its_filters_as_disjuncts() -> None:
    def part(name: str, operator: Operator, value: object = None) -> FieldFilter:
        return FieldFilter(FieldPath((name,)), operator, value)  # type: ignore[arg-type]

    query = StructuredQuery(
        path("users/ana"),
        "tasks",
        where=CompositeFilter(
            CompositeOperator.AND,
            (
                part("a", Operator.EQUAL, Timestamp(1)),
                CompositeFilter(
                    CompositeOperator.OR,
                    (part("b", Operator.IS_NOT_NULL), part("b", Operator.LESS_THAN, 3)),
                ),
            ),
        ),
        order_by=(Order(FieldPath(("b",)), Direction.DESCENDING),),
        limit=5,
    )
    request = bridge.list_request(DATABASE, query, ANA, Timestamp(0))
    assert request.path == (*DOCUMENTS, "users", "ana", "tasks")
    assert request.query is not None
    assert (request.query.limit, request.query.order_by) == (5, {"b": "DESC"})
    found = [
        [(c.field, c.comparator, c.value) for c in disjunct] for disjunct in request.query.disjuncts
    ]
    assert found == [
        [(("a",), Comparator.EQ, RulesTimestamp(1000)), (("b",), Comparator.NEQ, None)],
        [(("a",), Comparator.EQ, RulesTimestamp(1000)), (("b",), Comparator.LT, 3)],
    ]


def test_is_nan_compares_with_nan() -> None:
    query = StructuredQuery(
        path(""), "c", where=FieldFilter(FieldPath(("n",)), Operator.IS_NAN, None)
    )
    request = bridge.list_request(DATABASE, query, ANONYMOUS, Timestamp(0))
    assert request.query is not None
    ((constraint,),) = request.query.disjuncts
    assert constraint.comparator is Comparator.EQ
    assert isinstance(constraint.value, float)
    assert math.isnan(constraint.value)


def test_documents_before_and_after_a_commit() -> None:
    store = Database(DATABASE)
    now = Timestamp(1)

    def write(text: str, number: int) -> Write:
        return Write(WriteKind.UPDATE, path(text), {"n": number})

    store.commit(store.prepare([write("c/kept", 1), write("c/gone", 1)], now))
    prepared = store.prepare(
        [write("c/kept", 2), Write(WriteKind.DELETE, path("c/gone")), write("c/new", 3)], now
    )
    documents = bridge.StoreDocuments(store, prepared)

    def before_and_after(text: str) -> tuple[object, object]:
        full = (*DOCUMENTS, *text.split("/"))
        return documents.get(full), documents.get_after(full)

    assert before_and_after("c/kept") == ({"n": 1}, {"n": 2})
    assert before_and_after("c/gone") == ({"n": 1}, None)
    assert before_and_after("c/new") == (None, {"n": 3})
    assert before_and_after("c/never") == (None, None)


def test_another_database_holds_nothing_for_the_rules() -> None:
    store = Database(DATABASE)
    store.commit(store.prepare([Write(WriteKind.UPDATE, path("c/d"), {})], Timestamp(1)))
    documents = bridge.StoreDocuments(store)
    assert documents.get((*DOCUMENTS, "c", "d")) == {}
    assert documents.get(("databases", "other", "documents", "c", "d")) is None
    assert documents.get_after((*DOCUMENTS, "c", "d")) == {}
