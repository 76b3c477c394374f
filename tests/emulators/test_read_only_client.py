"""A client that cannot write: whatever is called, no write leaves. The real project is played by a
server of ours, on a channel that is given for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, suppress
from typing import Any

import grpc
import pytest
from google.api_core.exceptions import GoogleAPICallError
from google.auth.credentials import AnonymousCredentials
from google.cloud import firestore
from google.cloud.firestore_v1.base_query import FieldFilter
from google.cloud.firestore_v1.query_profile import ExplainOptions
from google.cloud.firestore_v1.services.firestore.transports import FirestoreTransport

from harness.emulators.firestore_client import firestore_client
from harness.emulators.read_only_client import (
    READING_CALLS,
    ReadOnlyGuard,
    ReadOnlyRefusal,
    read_only_client,
    read_only_emulator_client,
)
from harness.errors import EnvironmentLacking
from harness.server.wire import pb
from tests.server.running import Project, running_server

PROJECT = "our-staging"
SERVICE = "/google.firestore.v1.Firestore/"
# Every call that the published library has, by its name on the wire.
METHODS = sorted(
    "".join(word.capitalize() for word in name.split("_"))
    for name, member in vars(FirestoreTransport).items()
    if isinstance(member, property) and not name.endswith(("kind", "operation", "operations"))
)


@pytest.fixture(scope="module")
def production() -> Iterator[Project]:
    """What stands in for a real project; it has some orders."""
    with running_server() as server, ExitStack() as cleanups:
        project = Project(server, PROJECT, cleanups.callback)
        client = firestore_client(server.host, PROJECT)
        for number in range(5):
            client.document(f"orders/{number}").set({"n": number})
        client.close()
        yield project


class AsOwner(grpc.UnaryUnaryClientInterceptor, grpc.UnaryStreamClientInterceptor):
    """Sends what a server of ours knows an administrator by, in place of credentials."""

    def intercept_unary_unary(self, continuation: Any, call: Any, request: Any) -> Any:
        metadata = [*(call.metadata or ()), ("authorization", "Bearer owner")]
        return continuation(call._replace(metadata=metadata), request)

    intercept_unary_stream = intercept_unary_unary


def as_owner(host: str) -> grpc.Channel:
    return grpc.intercept_channel(grpc.insecure_channel(host), AsOwner())


@pytest.fixture(params=["real", "emulator"])
def reader(request: pytest.FixtureRequest, production: Project) -> Any:
    if request.param == "emulator":
        client = read_only_emulator_client(production.server.host, PROJECT, "(default)")
    else:
        client = read_only_client(
            PROJECT,
            credentials=AnonymousCredentials(),
            open_channel=lambda *_: as_owner(production.server.host),
        )
    production.add_cleanup(client.close)
    return client


@pytest.fixture
def calls(production: Project) -> Any:
    """A function: the calls that have arrived since the check began."""
    since = production.cost()["lastSequence"]
    return lambda: [each["rpc"] for each in production.requests(since)]


def test_what_reads_is_answered(reader: Any, calls: Any) -> None:
    orders = reader.collection("orders")
    assert [each.id for each in orders.order_by("n").limit(2).stream()] == ["0", "1"]
    assert orders.document("3").get().get("n") == 3
    assert orders.count().get()[0][0].value == 5
    assert [each.id for each in reader.collections()] == ["orders"]
    assert len(list(orders.list_documents())) == 5
    query = orders.where(filter=FieldFilter("n", ">", 2))
    metrics = query.get(explain_options=ExplainOptions(analyze=True)).get_explain_metrics()
    assert metrics.execution_stats.read_operations == 2
    assert set(calls()) == {
        "RunQuery",
        "BatchGetDocuments",
        "RunAggregationQuery",
        "ListCollectionIds",
        "ListDocuments",
    }


@firestore.transactional
def in_transaction(transaction: Any, document: Any) -> None:
    document.get(transaction=transaction)


def batched(client: Any) -> None:
    batch = client.batch()
    batch.delete(client.document("orders/1"))
    batch.commit()


WRITES = {
    "set": lambda client: client.document("orders/9").set({"n": 9}),
    "create": lambda client: client.document("orders/9").create({"n": 9}),
    "add": lambda client: client.collection("orders").add({"n": 9}),
    "update": lambda client: client.document("orders/1").update({"n": 9}),
    "delete": lambda client: client.document("orders/1").delete(),
    "a batch": batched,
    "a transaction": lambda client: in_transaction(
        client.transaction(), client.document("orders/1")
    ),
    "the library's own commit": lambda client: client._firestore_api.commit(
        request={"database": client._database_string, "writes": []}
    ),
    "a read that locks": lambda client: list(
        client._firestore_api.batch_get_documents(
            request={
                "database": client._database_string,
                "documents": [f"{client._database_string}/documents/orders/1"],
                "new_transaction": {"read_write": {}},
            }
        )
    ),
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_what_writes_is_not_sent(reader: Any, calls: Any, write: Any) -> None:
    # The library rolls a transaction back that has not begun, and fails over that.
    refusal = ValueError if write is WRITES["a transaction"] else ReadOnlyRefusal
    with pytest.raises(refusal) as refused:
        write(reader)
    error = refused.value.__context__ if refusal is ValueError else refused.value
    assert "was not sent" in str(error)
    assert calls() == []


def test_a_bulk_writer_writes_nothing(reader: Any, calls: Any) -> None:
    # Its threads keep what went wrong to themselves.
    writer = reader.bulk_writer()
    writer.set(reader.document("orders/1"), {"n": 9})
    with suppress(ReadOnlyRefusal, GoogleAPICallError):
        writer.close()
    assert calls() == []
    with suppress(ReadOnlyRefusal, GoogleAPICallError):
        reader.recursive_delete(reader.collection("orders"))
    assert set(calls()) <= {"RunQuery"}
    assert len(list(reader.collection("orders").stream())) == 5


def test_the_library_has_the_calls_that_are_meant() -> None:
    assert {name.removeprefix(SERVICE) for name in READING_CALLS} < set(METHODS)
    assert {"Commit", "Write", "BatchWrite", "BeginTransaction", "Rollback"} < set(METHODS)


@pytest.mark.parametrize("method", METHODS)
def test_every_call_of_the_service_is_known_to_read_or_is_not_sent(
    production: Project, method: str
) -> None:
    name = SERVICE + method
    passed = []
    with grpc.insecure_channel(production.server.host) as channel:

        class Sent(grpc.UnaryUnaryClientInterceptor):
            def intercept_unary_unary(self, continuation: Any, call: Any, request: Any) -> Any:
                passed.append(call.method)
                raise ConnectionAbortedError

        guarded = grpc.intercept_channel(channel, ReadOnlyGuard(), Sent())
        call = guarded.unary_unary(name, lambda _: b"", lambda _: None)
        with pytest.raises((ReadOnlyRefusal, ConnectionAbortedError)):
            call(pb.RunQueryRequest())
    assert passed == ([name] if name in READING_CALLS else [])
    reads = method.startswith(("BatchGet", "Get", "List", "PartitionQuery", "Run"))
    assert (name in READING_CALLS) == reads


def test_without_credentials_it_is_said_how_to_get_some(monkeypatch: pytest.MonkeyPatch) -> None:
    import google.auth
    from google.auth.exceptions import DefaultCredentialsError

    def nobody() -> Any:
        raise DefaultCredentialsError

    monkeypatch.setattr(google.auth, "default", nobody)
    with pytest.raises(EnvironmentLacking, match="no credentials for our-staging"):
        read_only_client(PROJECT)
