"""The rules corpus over sockets: each row asked with the published clients, by gRPC and by REST.

A row becomes documents written by an administrator and one request of its caller. What a client
cannot bring about (a state after a commit of others, a path that is no document's) is left to the
engine's own test, and counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from math import prod
from typing import Any

import grpc
import pytest
from google.api_core import exceptions
from google.auth.credentials import AnonymousCredentials
from google.cloud.firestore_v1 import types
from google.cloud.firestore_v1._helpers import encode_dict, encode_value
from google.cloud.firestore_v1.services.firestore import FirestoreClient
from google.cloud.firestore_v1.services.firestore.transports import (
    FirestoreGrpcTransport,
    FirestoreRestTransport,
)

from harness.rules.request import FIRESTORE, Comparator, Method, RulesRequest, RulesResource
from harness.rules.values import RulesTimestamp
from tests.rules.corpus import ROOT, Case, load_cases
from tests.server.running import Project, ServerUnderTest, unsigned_token

TIMEOUT_S = 10.0
TRANSPORTS = ("grpc", "rest")
MAX_DISJUNCTS = 30
LEAST_ROWS = 300  # of the corpus that must travel: well above the fifth that was promised

_OPERATORS = {
    Comparator.EQ: "EQUAL",
    Comparator.NEQ: "NOT_EQUAL",
    Comparator.LT: "LESS_THAN",
    Comparator.LTE: "LESS_THAN_OR_EQUAL",
    Comparator.GT: "GREATER_THAN",
    Comparator.GTE: "GREATER_THAN_OR_EQUAL",
    Comparator.LIST_CONTAINS: "ARRAY_CONTAINS",
    Comparator.IN: "IN",
    Comparator.NOT_IN: "NOT_IN",
    Comparator.LIST_CONTAINS_ANY: "ARRAY_CONTAINS_ANY",
}


class CannotTravel(Exception):
    """The row holds something that no client can bring about."""


@dataclass(frozen=True)
class Travelling:
    """A row as requests: what the administrator writes first, and the question."""

    case: Case
    seeds: Mapping[str, Mapping[str, Any]]


def travelling(case: Case) -> Travelling:
    request = case.request
    if request.service != FIRESTORE or "service firebase.storage" in case.ruleset:
        raise CannotTravel("it is about Storage")
    if case.documents_after is not None:
        raise CannotTravel("other writes of the same commit")
    if request.path[:3] != ROOT or len(request.path) == len(ROOT):
        raise CannotTravel("a path outside of the database")
    if (len(request.path) % 2 == 1) is not (request.method is not Method.LIST):
        raise CannotTravel("a path that is no document's")
    seeds = dict(case.documents)
    before = request.resource
    own_path = "/".join(request.path[3:])
    if isinstance(before, RulesResource):
        seeds[own_path] = before.data
    elif request.method is Method.UPDATE:
        raise CannotTravel("an update of a missing document")
    elif request.method is Method.CREATE:
        seeds.pop(own_path, None)
    if own_path in seeds and before is None and request.method is not Method.LIST:
        raise CannotTravel("a document that is there and is not")
    for path, fields in seeds.items():
        if path.count("/") % 2 == 0:
            raise CannotTravel("a document at a collection's path")
        _refuse_time(fields)
    after = request.new_resource
    if isinstance(after, RulesResource):
        _refuse_time({name: value for name, value in after.data.items() if not _is_now(value)})
    if request.query is not None:
        for disjunct in request.query.disjuncts:
            choices = [len(part.value) for part in disjunct if part.comparator is Comparator.IN]
            if prod(choices) > MAX_DISJUNCTS:
                raise CannotTravel("a query that is refused before rules are asked")
            _refuse_time({str(part.field): part.value for part in disjunct})
            if any(part.value == [] or part.field == ("__name__",) for part in disjunct):
                raise CannotTravel("a query that is refused before rules are asked")
    return Travelling(case, seeds)


@cache
def sorted_rows() -> tuple[tuple[Travelling, ...], dict[str, str]]:
    rows, left = [], {}
    for case in load_cases():
        try:
            rows.append(travelling(case))
        except CannotTravel as reason:
            left[case.id] = str(reason)
    return tuple(rows), left


class Door:
    """A published client of one transport, for one project."""

    def __init__(self, kind: str, project: Project) -> None:
        host = project.server.host
        transport: Any
        if kind == "grpc":
            transport = FirestoreGrpcTransport(channel=grpc.insecure_channel(host))
        else:
            transport = FirestoreRestTransport(
                host=host, url_scheme="http", credentials=AnonymousCredentials()
            )
        self.api = FirestoreClient(transport=transport)
        self.database = f"projects/{project.id}/databases/(default)"

    def close(self) -> None:
        self.api.transport.close()

    def _call(self, method: Callable[..., Any], request: Any, token: str | None) -> Any:
        metadata = [("google-cloud-resource-prefix", self.database)]
        if token is not None:
            metadata.append(("authorization", f"Bearer {token}"))
        return method(request=request, metadata=metadata, timeout=TIMEOUT_S, retry=None)

    def name(self, below: str) -> str:
        return f"{self.database}/documents/{below}"

    def write(self, writes: list[types.Write], token: str | None) -> None:
        request = types.CommitRequest(database=self.database, writes=writes)
        self._call(self.api.commit, request, token)

    def seed(self, documents: Mapping[str, Mapping[str, Any]]) -> None:
        writes = [
            types.Write(update=types.Document(name=self.name(path), fields=encode_dict(fields)))
            for path, fields in documents.items()
        ]
        if writes:
            self.write(writes, "owner")

    def denial(self, request: RulesRequest) -> str | None:
        """Make the request as its caller; return the denial's message, None if it is allowed."""
        try:
            self._ask(request)
        except exceptions.Forbidden as error:  # over gRPC its subclass PermissionDenied
            return str(error.message)
        return None

    def _ask(self, request: RulesRequest) -> None:
        token = None
        if request.auth is not None:
            token = unsigned_token(str(request.auth.uid), **dict(request.auth.token))
        below = "/".join(request.path[3:])
        if request.method is Method.GET:
            asked = types.GetDocumentRequest(name=self.name(below))
            with suppress(exceptions.NotFound):  # the rules let it through
                self._call(self.api.get_document, asked, token)
        elif request.method is Method.LIST:
            try:
                list(self._call(self.api.run_query, self._query(request), token))
            except (exceptions.GoogleAPICallError, grpc.RpcError) as error:
                # The rules let it through, and it is an index that is missing.
                if "requires a" not in str(error):
                    raise
        else:
            self.write([self._write(request, below)], token)

    def _write(self, request: RulesRequest, below: str) -> types.Write:
        if request.method is Method.DELETE:
            return types.Write(delete=self.name(below))
        after = request.new_resource
        data = after.data if isinstance(after, RulesResource) else {}
        fields = {name: value for name, value in data.items() if not _is_now(value)}
        write = types.Write(
            update=types.Document(name=self.name(below), fields=encode_dict(fields)),
            update_transforms=[
                types.DocumentTransform.FieldTransform(
                    field_path=name, set_to_server_value="REQUEST_TIME"
                )
                for name, value in data.items()
                if _is_now(value)
            ],
        )
        if request.method is Method.CREATE:
            write.current_document = types.Precondition(exists=False)
        return write

    def _query(self, request: RulesRequest) -> types.RunQueryRequest:
        query = request.query
        parent = request.path[:-1] if query is None else query.parent
        selector = types.StructuredQuery.CollectionSelector(
            collection_id=request.path[-1],
            all_descendants=query is not None and query.all_descendants,
        )
        structured = types.StructuredQuery(from_=[selector])
        if query is not None:
            structured.where = _any_of(
                [_all_of([_filter(part) for part in each]) for each in query.disjuncts]
            )
            structured.limit = query.limit
            structured.offset = query.offset
            structured.order_by = [
                types.StructuredQuery.Order(
                    field={"field_path": name},
                    direction="ASCENDING" if direction == "ASC" else "DESCENDING",
                )
                for name, direction in query.order_by.items()
            ]
        return types.RunQueryRequest(
            parent="/".join((self.database.rpartition("/")[0], *parent[1:])),
            structured_query=structured,
        )


def _filter(part: Any) -> types.StructuredQuery.Filter:
    return types.StructuredQuery.Filter(
        field_filter={
            "field": {"field_path": ".".join(part.field)},
            "op": _OPERATORS[part.comparator],
            "value": encode_value(part.value),
        }
    )


def _composite(operator: str, filters: list[Any]) -> types.StructuredQuery.Filter | None:
    filters = [each for each in filters if each is not None]
    if len(filters) < 2:
        return filters[0] if filters else None
    return types.StructuredQuery.Filter(composite_filter={"op": operator, "filters": filters})


def _all_of(filters: list[Any]) -> types.StructuredQuery.Filter | None:
    return _composite("AND", filters)


def _any_of(filters: list[Any]) -> types.StructuredQuery.Filter | None:
    return None if None in filters else _composite("OR", filters)


def _is_now(value: Any) -> bool:
    return isinstance(value, RulesTimestamp)


def _refuse_time(value: Any) -> None:
    """The tables' $now is the request's time, which no client knows beforehand."""
    if _is_now(value):
        raise CannotTravel("the time of the request in a value")
    for inner in value.values() if isinstance(value, dict) else value if _is_list(value) else ():
        _refuse_time(inner)


def _is_list(value: Any) -> bool:
    return isinstance(value, list | tuple)


@pytest.fixture(scope="module", params=TRANSPORTS)
def door(request: pytest.FixtureRequest, server: ServerUnderTest) -> Iterator[Door]:
    project = Project(server, f"demo-corpus-{request.param}", lambda cleanup: None)
    door = Door(request.param, project)
    yield door
    door.close()


@pytest.mark.parametrize("row", sorted_rows()[0], ids=lambda row: row.case.id)
def test_clients_meet_the_decisions_of_the_table(
    row: Travelling, door: Door, server: ServerUnderTest
) -> None:
    case = row.case
    project = Project(server, door.database.split("/")[1], lambda cleanup: None)
    server.http("DELETE", f"{project.emulator}/databases/(default)/documents")
    answer = server.http(
        "PUT",
        f"{project.emulator}:securityRules",
        json={"rules": {"files": [{"content": case.ruleset}]}},
    )
    if case.decision == "REFUSED":
        assert answer.status_code == 400
        assert answer.json()["error"]["message"].startswith("Error compiling rules:\nL")
        assert (case.cause or "") in answer.json()["error"]["message"]
        return
    assert answer.status_code == 200
    door.seed(row.seeds)
    denial = door.denial(case.request)
    if case.decision == "ALLOW":
        assert denial is None
    else:
        assert denial is not None
        assert (case.cause or "") in denial


def test_most_of_the_corpus_travels() -> None:
    rows, left = sorted_rows()
    assert len(rows) >= LEAST_ROWS
    assert len(rows) > 5 * len(left) / 4, sorted(left.values())
