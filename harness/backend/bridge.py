"""Between Firestore's world and the rules': values, documents, queries and callers, one way.

`StoreDocuments` answers the rules' `get()` and `getAfter()` from the store. Decisions are taken
elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from harness.backend.auth import Caller, CallerKind
from harness.firestore.documents import DocumentSnapshot
from harness.firestore.paths import DatabaseName, ResourcePath
from harness.firestore.query import Direction, FieldFilter, Operator, StructuredQuery, disjuncts
from harness.firestore.values import Fields, GeoPoint, Reference, Timestamp, Value, Vector
from harness.rules.request import (
    FIRESTORE,
    Comparator,
    Method,
    QueryConstraint,
    RulesAuth,
    RulesQuery,
    RulesRequest,
    RulesResource,
)
from harness.rules.values import RulesLatLng, RulesPath, RulesTimestamp, RulesValue

_PLAIN = frozenset({type(None), bool, int, float, str, bytes})
"""Kinds of value that are the same in both worlds."""

_NANOS_PER_MICRO = 1000


def rules_value(value: Value) -> RulesValue:
    """Return a stored value as rules see it. A vector is a map, as on the wire."""
    if type(value) in _PLAIN:
        return value  # type: ignore[return-value]
    if isinstance(value, dict):
        return rules_map(value)
    if isinstance(value, tuple):
        return [rules_value(item) for item in value]
    if isinstance(value, Timestamp):
        return rules_time(value)
    if isinstance(value, Reference):
        return rules_path(value.database, value.path)
    if isinstance(value, GeoPoint):
        return RulesLatLng(value.latitude, value.longitude)
    assert isinstance(value, Vector)
    return {"__type__": "__vector__", "value": list(value.values)}


def rules_map(fields: Fields) -> dict[str, RulesValue]:
    """Return a map's fields as rules see them; the map itself when nothing in it differs."""
    if _PLAIN.issuperset(map(type, fields.values())):
        return fields  # type: ignore[return-value]
    return {name: rules_value(value) for name, value in fields.items()}


def rules_time(time: Timestamp) -> RulesTimestamp:
    """Return a moment as rules see it."""
    return RulesTimestamp(time.micros * _NANOS_PER_MICRO)


def path_segments(database: DatabaseName, path: ResourcePath) -> tuple[str, ...]:
    """Return a path from `databases` on: `("databases", "(default)", "documents", "users",
    "ana")`.
    """
    if not path:
        return ("databases", database.database, "documents")
    return ("databases", database.database, "documents", *path.split("/"))


def rules_path(database: DatabaseName, path: ResourcePath) -> RulesPath:
    """Return a document's name as rules see it."""
    return RulesPath(path_segments(database, path))


def rules_auth(caller: Caller) -> RulesAuth | None:
    """Return `request.auth`: None for a caller who is not signed in."""
    if caller.kind is not CallerKind.USER or caller.claims is None:
        return None
    return RulesAuth(caller.uid or "", caller.claims)


def rules_resource(
    database: DatabaseName, snapshot: DocumentSnapshot | None
) -> RulesResource | None:
    """Return `resource` or `request.resource`: None for a missing document."""
    if snapshot is None:
        return None
    return RulesResource(rules_map(snapshot.fields), rules_path(database, snapshot.path))


def document_request(
    database: DatabaseName,
    method: Method,
    path: ResourcePath,
    caller: Caller,
    time: Timestamp,
    before: DocumentSnapshot | None,
    after: DocumentSnapshot | None = None,
) -> RulesRequest:
    """Build the question that a read or a write of one document asks."""
    return RulesRequest(
        service=FIRESTORE,
        method=method,
        path=path_segments(database, path),
        auth=rules_auth(caller),
        time=rules_time(time),
        resource=rules_resource(database, before),
        new_resource=rules_resource(database, after),
    )


def list_request(
    database: DatabaseName, query: StructuredQuery, caller: Caller, time: Timestamp
) -> RulesRequest:
    """Build the question that a query, an aggregation or a listener asks."""
    parent = path_segments(database, query.parent)
    collection = (query.collection_id,) if query.collection_id is not None else ()
    return RulesRequest(
        service=FIRESTORE,
        method=Method.LIST,
        path=parent + collection,
        auth=rules_auth(caller),
        time=rules_time(time),
        query=RulesQuery(
            parent=parent,
            collection_id=query.collection_id,
            all_descendants=query.all_descendants,
            limit=query.limit,
            offset=query.offset,
            order_by={
                str(order.field): "ASC" if order.direction is Direction.ASCENDING else "DESC"
                for order in query.order_by
            },
            disjuncts=tuple(
                tuple(_constraint(part) for part in conjunction) for conjunction in disjuncts(query)
            ),
        ),
    )


_COMPARATORS = {
    Operator.LESS_THAN: Comparator.LT,
    Operator.LESS_THAN_OR_EQUAL: Comparator.LTE,
    Operator.GREATER_THAN: Comparator.GT,
    Operator.GREATER_THAN_OR_EQUAL: Comparator.GTE,
    Operator.EQUAL: Comparator.EQ,
    Operator.NOT_EQUAL: Comparator.NEQ,
    Operator.ARRAY_CONTAINS: Comparator.LIST_CONTAINS,
    Operator.IN: Comparator.IN,
    Operator.ARRAY_CONTAINS_ANY: Comparator.LIST_CONTAINS_ANY,
    Operator.NOT_IN: Comparator.NOT_IN,
    Operator.IS_NAN: Comparator.EQ,
    Operator.IS_NULL: Comparator.EQ,
    Operator.IS_NOT_NAN: Comparator.NEQ,
    Operator.IS_NOT_NULL: Comparator.NEQ,
}

_UNARY_OPERANDS: Mapping[Operator, Value] = {
    Operator.IS_NAN: float("nan"),
    Operator.IS_NOT_NAN: float("nan"),
    Operator.IS_NULL: None,
    Operator.IS_NOT_NULL: None,
}


def _constraint(part: FieldFilter) -> QueryConstraint:
    operand = _UNARY_OPERANDS.get(part.operator, part.value)
    return QueryConstraint(tuple(part.field), _COMPARATORS[part.operator], rules_value(operand))


class _Commit(Protocol):
    def get_after(self, path: ResourcePath) -> DocumentSnapshot | None: ...


class _Store(Protocol):
    @property
    def name(self) -> DatabaseName: ...

    def get(self, path: ResourcePath, at: Timestamp | None = None) -> DocumentSnapshot | None: ...


class StoreDocuments:
    """The documents that rules may look at: those of the request's own database.

    Args:
        store: The database before the request.
        commit: What the request will write, if it writes; `getAfter()` sees the state after all of
            it.
    """

    __slots__ = ("_commit", "_store")

    def __init__(self, store: _Store, commit: _Commit | None = None) -> None:
        self._store = store
        self._commit = commit

    def get(self, path: tuple[str, ...]) -> Mapping[str, Any] | None:
        """Return a document's fields before the request, None when it is missing."""
        below = self.path_of(path)
        snapshot = self._store.get(below) if below is not None else None
        return rules_map(snapshot.fields) if snapshot is not None else None

    def get_after(self, path: tuple[str, ...]) -> Mapping[str, Any] | None:
        """Return a document's fields after the whole commit, None when it will be missing."""
        if self._commit is None:
            return self.get(path)
        below = self.path_of(path)
        snapshot = self._commit.get_after(below) if below is not None else None
        return rules_map(snapshot.fields) if snapshot is not None else None

    def path_of(self, path: tuple[str, ...]) -> ResourcePath | None:
        """Return the document that rules name by a full path; None in another database."""
        if path[:3] != ("databases", self._store.name.database, "documents"):
            return None
        return ResourcePath("/".join(path[3:]))
