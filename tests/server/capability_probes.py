"""One small question for each row of the capability table, asked of a running server.

Each probe gets a project of its own, and fails when the row says what is not so. The features have
tests of their own elsewhere; here it only matters that the table is true.
"""

from __future__ import annotations

import math
import queue
import socket
import ssl
import time
from collections.abc import Callable
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.api_core import exceptions
from google.cloud import firestore
from google.cloud.firestore_v1.base_query import And, FieldFilter, Or
from google.cloud.firestore_v1.base_vector_query import DistanceMeasure
from google.cloud.firestore_v1.query_profile import ExplainOptions
from google.cloud.firestore_v1.vector import Vector

from harness.errors import ConfigError
from harness.firestore.profile import EMULATOR
from harness.server.options import ServerOptions, parse_options
from harness.server.wire import pb
from tests.server.running import Project, new_project_id, running_server
from tests.server.test_listen import Stream

LIMIT_S = 10.0
Probe = Callable[[Project], None]


def where(field: str, operator: str, value: Any) -> FieldFilter:
    return FieldFilter(field, operator, value)


def names(documents: Any) -> list[str]:
    return [document.id for document in documents]


def filled(project: Project) -> Any:
    """Five documents: n 0 to 4, even ones tagged `e`."""
    db = project.client()
    batch = db.batch()
    for number in range(5):
        batch.set(
            db.document(f"c/{number}"),
            {"n": number, "m": 4 - number, "tags": ["e"] if number % 2 == 0 else []},
        )
    batch.commit()
    return db.collection("c")


def root(project: Project) -> str:
    return f"projects/{project.id}/databases/(default)/documents"


@contextmanager
def channel(project: Project) -> Any:
    with grpc.insecure_channel(project.server.host) as opened:
        yield opened


def call(project: Project, method: str, request: Any, response: Any) -> Any:
    """Call a method of one response by its name on the wire."""
    with channel(project) as opened:
        unary = opened.unary_unary(
            method, lambda message: message.SerializeToString(), response.FromString
        )
        return unary(request, metadata=[("authorization", "Bearer owner")], timeout=LIMIT_S)


def firestore_call(project: Project, name: str, request: Any, response: Any) -> Any:
    return call(project, f"/google.firestore.v1.Firestore/{name}", request, response)


def within(condition: Callable[[], bool]) -> None:
    """Wait until something is so."""
    end = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < end, "it did not come to be"
        time.sleep(0.02)


# Methods


def get_document(project: Project) -> None:
    filled(project)
    request = pb.GetDocumentRequest(name=f"{root(project)}/c/3")
    found = firestore_call(project, "GetDocument", request, pb.Document)
    assert found.fields["n"].integer_value == 3


def early_name(project: Project) -> None:
    filled(project)
    request = pb.GetDocumentRequest(name=f"{root(project)}/c/3")
    method = "/google.firestore.v1beta1.Firestore/GetDocument"
    assert call(project, method, request, pb.Document).fields["n"].integer_value == 3


def deadline(project: Project) -> None:
    holder, waiting = project.client(), project.client()
    transaction = holder.transaction()
    transaction._begin()
    holder.document("c/0").get(transaction=transaction)
    with pytest.raises(exceptions.DeadlineExceeded):
        waiting.document("c/0").set({"n": 1}, retry=None, timeout=0.3)
    within(lambda: any(each["status"] == "CANCELLED" for each in project.requests()))
    transaction._rollback()


def list_documents(project: Project) -> None:
    request = pb.ListDocumentsRequest(parent=root(project), collection_id="c", page_size=2)
    filled(project)
    page = firestore_call(project, "ListDocuments", request, pb.ListDocumentsResponse)
    assert len(page.documents) == 2
    assert page.next_page_token


def create_document(project: Project) -> None:
    request = pb.CreateDocumentRequest(parent=root(project), collection_id="c", document_id="a")
    firestore_call(project, "CreateDocument", request, pb.Document)
    with pytest.raises(grpc.RpcError) as refused:
        firestore_call(project, "CreateDocument", request, pb.Document)
    assert refused.value.code() is grpc.StatusCode.ALREADY_EXISTS


def update_document(project: Project) -> None:
    request = pb.UpdateDocumentRequest()
    request.document.name = f"{root(project)}/c/a"
    request.document.fields["n"].integer_value = 7
    firestore_call(project, "UpdateDocument", request, pb.Document)
    assert project.client().document("c/a").get().get("n") == 7


def delete_document(project: Project) -> None:
    collection = filled(project)
    request = pb.DeleteDocumentRequest(name=f"{root(project)}/c/0")
    firestore_call(project, "DeleteDocument", request, pb.Empty)
    assert not collection.document("0").get().exists


def batch_get_documents(project: Project) -> None:
    collection = filled(project)
    db = project.client()
    found = db.get_all([collection.document("0"), collection.document("none")])
    assert {each.id: each.exists for each in found} == {"0": True, "none": False}


def begin_transaction(project: Project) -> None:
    request = pb.BeginTransactionRequest(database=f"projects/{project.id}/databases/(default)")
    begun = firestore_call(project, "BeginTransaction", request, pb.BeginTransactionResponse)
    assert begun.transaction


def commit(project: Project) -> None:
    db = project.client()
    batch = db.batch()
    batch.set(db.document("c/a"), {"n": 1})
    batch.delete(db.document("c/b"))
    assert len(batch.commit()) == 2


def rollback(project: Project) -> None:
    database = f"projects/{project.id}/databases/(default)"
    begun = firestore_call(
        project,
        "BeginTransaction",
        pb.BeginTransactionRequest(database=database),
        pb.BeginTransactionResponse,
    )
    request = pb.RollbackRequest(database=database, transaction=begun.transaction)
    firestore_call(project, "Rollback", request, pb.Empty)


def run_query(project: Project) -> None:
    assert names(filled(project).where(filter=where("n", ">=", 3)).stream()) == ["3", "4"]


def run_aggregation_query(project: Project) -> None:
    assert filled(project).count().get()[0][0].value == 5


def partition_query(project: Project) -> None:
    filled(project)
    group = project.client().collection_group("c")
    assert len(list(group.get_partitions(2))) == 1  # too few to split


def list_collection_ids(project: Project) -> None:
    filled(project)
    assert [found.id for found in project.client().collections()] == ["c"]


def batch_write(project: Project) -> None:
    request = pb.BatchWriteRequest(database=f"projects/{project.id}/databases/(default)")
    for exists in (True, False):
        write = request.writes.add()
        write.update.name = f"{root(project)}/c/{exists}"
        write.current_document.exists = exists
    done = firestore_call(project, "BatchWrite", request, pb.BatchWriteResponse)
    assert [status.code for status in done.status] == [5, 0]


def write_stream(project: Project) -> None:
    database = f"projects/{project.id}/databases/(default)"
    requests: queue.Queue[Any] = queue.Queue()
    with channel(project) as opened:
        method = opened.stream_stream(
            "/google.firestore.v1.Firestore/Write",
            lambda message: message.SerializeToString(),
            pb.WriteResponse.FromString,
        )
        answers = method(
            iter(requests.get, None), metadata=[("authorization", "Bearer owner")], timeout=LIMIT_S
        )
        requests.put(pb.WriteRequest(database=database))
        token = next(answers).stream_token
        request = pb.WriteRequest(stream_token=token)
        request.writes.add().update.name = f"{root(project)}/c/a"
        requests.put(request)
        assert len(next(answers).write_results) == 1
        requests.put(None)
    assert project.client().document("c/a").get().exists


def listen(project: Project) -> None:
    heard: queue.Queue[list[str]] = queue.Queue()
    collection = filled(project)
    watch = collection.on_snapshot(lambda documents, *_: heard.put(names(documents)))
    try:
        assert len(heard.get(timeout=LIMIT_S)) == 5
        collection.document("5").set({"n": 5})
        assert len(heard.get(timeout=LIMIT_S)) == 6
    finally:
        watch.unsubscribe()


def execute_pipeline(project: Project) -> None:
    answer = project.server.http("POST", f"{project.root}:executePipeline", json={})
    assert answer.json()["error"]["status"] == "INVALID_ARGUMENT"


def time_to_live(project: Project) -> None:
    past = datetime(2001, 1, 1, tzinfo=UTC)
    document = project.client().document("sessions/a")
    document.set({"until": past})
    policy = {"collectionGroup": "sessions", "fieldPath": "until", "ttl": True, "indexes": []}
    indexes = f"/harness/v1/projects/{project.id}/indexes"
    project.server.http("PUT", indexes, json={"fieldOverrides": [policy]})
    assert document.get().exists
    answer = project.server.http("POST", f"{project.own}/documents:expire", json={})
    assert answer.json()["deleted"] == 1
    assert not document.get().exists


def other_services(project: Project) -> None:
    for method in (
        "/google.firestore.admin.v1.FirestoreAdmin/ListIndexes",
        "/google.datastore.v1.Datastore/Lookup",
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
    ):
        with pytest.raises(grpc.RpcError) as refused:
            call(project, method, pb.Empty(), pb.Empty)
        assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED


# Transports


def rest(project: Project) -> None:
    http, at = project.server.http, project.root
    assert http("POST", f"{at}/c?documentId=a", json={"fields": {}}).status_code == 200
    assert http("PATCH", f"{at}/c/a", json={"fields": {"n": {"integerValue": "1"}}}).ok
    assert http("GET", f"{at}/c/a").json()["fields"]["n"] == {"integerValue": "1"}
    assert len(http("GET", f"{at}/c").json()["documents"]) == 1
    begun = http("POST", f"{at}:beginTransaction", json={}).json()["transaction"]
    admin = {"Authorization": "Bearer owner"}
    answers = {
        "batchGet": {"documents": [f"{root(project)}/c/a"]},
        "commit": {"writes": []},
        "batchWrite": {"writes": []},
        "rollback": {"transaction": begun},
        "runQuery": {"structuredQuery": {"from": [{"collectionId": "c"}]}},
        "runAggregationQuery": {
            "structuredAggregationQuery": {
                "structuredQuery": {"from": [{"collectionId": "c"}]},
                "aggregations": [{"count": {}}],
            }
        },
        "listCollectionIds": {},
        "partitionQuery": {
            "partitionCount": 1,
            "structuredQuery": {"from": [{"collectionId": "c", "allDescendants": True}]},
        },
    }
    for verb, content in answers.items():
        answer = http("POST", f"{at}:{verb}", json=content, headers=admin)
        assert answer.status_code == 200, (verb, answer.text)
    assert http("DELETE", f"{at}/c/a").ok


def web_channel(project: Project) -> None:
    from tests.server.test_web_channel import LISTEN, Channel

    opened = Channel(project, LISTEN, token="owner")
    opened.open()
    assert opened.sid


def cors(project: Project) -> None:
    answer = project.server.http(
        "OPTIONS", f"{project.root}/c/a", headers={"Origin": "http://localhost:5000"}
    )
    assert answer.headers["access-control-allow-origin"] == "http://localhost:5000"


def tls(project: Project) -> None:
    host, _, port = project.server.host.rpartition(":")
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with (
        socket.create_connection((host, int(port)), timeout=LIMIT_S) as plain,
        pytest.raises(OSError),  # ssl.SSLError among others
    ):
        context.wrap_socket(plain)
    assert project.server.http("GET", "/").ok


# Writes


def masks(project: Project) -> None:
    document = project.client().document("c/a")
    document.set({"a": {"x": 1, "y": 2}, "b": 1})
    document.set({"a": {"x": 5}}, merge=True)
    document.update({"a.z": 3, "b": firestore.DELETE_FIELD})
    assert document.get().to_dict() == {"a": {"x": 5, "y": 2, "z": 3}}
    document.delete()
    assert not document.get().exists


def preconditions(project: Project) -> None:
    db = project.client()
    document = db.document("c/a")
    with pytest.raises(exceptions.NotFound, match="No document to update"):
        document.update({"n": 1})
    written = document.create({"n": 1}).update_time
    with pytest.raises(exceptions.AlreadyExists):
        document.create({})
    document.update({"n": 2})
    stale = db.write_option(last_update_time=written)
    with pytest.raises(exceptions.FailedPrecondition):
        document.update({"n": 3}, option=stale)


def verify(project: Project) -> None:
    filled(project)
    request = pb.CommitRequest(database=f"projects/{project.id}/databases/(default)")
    write = request.writes.add()
    write.verify = f"{root(project)}/c/0"
    write.current_document.exists = False
    with pytest.raises(grpc.RpcError) as refused:
        firestore_call(project, "Commit", request, pb.CommitResponse)
    assert refused.value.code() is grpc.StatusCode.ALREADY_EXISTS


def transforms(project: Project) -> None:
    document = project.client().document("c/a")
    document.set({"n": 5, "tags": ["a", "b"]})
    document.update(
        {
            "n": firestore.Increment(2),
            "max": firestore.Maximum(9),
            "min": firestore.Minimum(3),
            "at": firestore.SERVER_TIMESTAMP,
            "tags": firestore.ArrayUnion(["c"]),
        }
    )
    document.update({"tags": firestore.ArrayRemove(["a"])})
    found = document.get().to_dict()
    assert isinstance(found.pop("at"), datetime)
    assert found == {"n": 7, "max": 9, "min": 3, "tags": ["b", "c"]}


def no_op_write(project: Project) -> None:
    document = project.client().document("c/a")
    first = document.set({"n": 1}).update_time
    assert document.set({"n": 1}).update_time == first


def document_size(project: Project) -> None:
    with pytest.raises(exceptions.InvalidArgument, match="1,048,576 bytes"):
        project.client().document("c/a").set({"a": "x" * 600_000, "b": "x" * 600_000})


def transform_count(project: Project) -> None:
    many = {f"f{number}": firestore.Increment(1) for number in range(501)}
    with pytest.raises(exceptions.InvalidArgument, match="at most 500"):
        project.client().document("c/a").set(many)


def reserved_names(project: Project) -> None:
    db = project.client()
    with pytest.raises(exceptions.InvalidArgument, match="reserved"):
        db.document("c/__a__").set({})
    with pytest.raises(exceptions.InvalidArgument, match="reserved"):
        db.document("c/a").set({"__f__": 1})


def nesting(project: Project) -> None:
    deep: Any = 1
    for _ in range(22):
        deep = {"m": deep}
    with pytest.raises(exceptions.InvalidArgument):
        project.client().document("c/a").set(deep)
    with pytest.raises(exceptions.InvalidArgument, match="Nested arrays"):
        project.client().document("c/a").set({"a": [[1]]})


# Values


def value_types(project: Project) -> None:
    db = project.client()
    values = {
        "null": None,
        "bool": True,
        "int": -(2**63),
        "double": -0.5,
        "nan": math.nan,
        "time": datetime(2020, 1, 2, 3, 4, 5, 678901, tzinfo=UTC),
        "text": "äöü",
        "bytes": b"\x00\xff",
        "reference": db.document("c/b"),
        "point": firestore.GeoPoint(1.5, -2.5),
        "array": [1, "a"],
        "map": {"k": {"l": 1}},
        "vector": Vector([1.0, 2.0]),
    }
    db.document("c/a").set(values)
    found = db.document("c/a").get().to_dict()
    assert math.isnan(found.pop("nan"))
    del values["nan"]
    assert found == values


def vectors(project: Project) -> None:
    db = project.client()
    db.document("c/a").set({"v": Vector([0.5] * 2048)})
    with pytest.raises(exceptions.InvalidArgument, match="2048"):
        db.document("c/a").set({"v": Vector([0.5] * 2049)})


def value_order(project: Project) -> None:
    db = project.client()
    ascending = [None, False, True, math.nan, -1, 0.5, 2, datetime(2020, 1, 1, tzinfo=UTC)]
    ascending += ["", "a", b"", db.document("c/a"), firestore.GeoPoint(0, 0), [], [1], {}]
    for number, value in enumerate(ascending):
        db.document(f"order/{number:02}").set({"v": value})
    assert names(db.collection("order").order_by("v").stream()) == [
        f"{number:02}" for number in range(len(ascending))
    ]


# Queries


def operators(project: Project) -> None:
    collection = filled(project)
    for operator, value, count in (
        ("==", 1, 1),
        ("!=", 1, 4),
        ("<", 2, 2),
        ("<=", 2, 3),
        (">", 2, 2),
        (">=", 2, 3),
        ("in", [1, 2, 9], 2),
        ("not-in", [1, 2], 3),
    ):
        found = collection.where(filter=where("n", operator, value)).stream()
        assert len(list(found)) == count, operator
    for operator, value in (("array_contains", "e"), ("array_contains_any", ["e", "x"])):
        assert len(list(collection.where(filter=where("tags", operator, value)).stream())) == 3


def disjunctions(project: Project) -> None:
    collection = filled(project)
    either = Or([where("n", "==", 1), And([where("n", "==", 2), where("m", "==", 2)])])
    assert names(collection.where(filter=either).stream()) == ["1", "2"]
    many = Or([where("n", "==", number) for number in range(31)])
    with pytest.raises(exceptions.InvalidArgument, match="maximum of 30"):
        list(collection.where(filter=many).stream())


def several_ranges(project: Project) -> None:
    collection = filled(project)
    define(project, {"m": "ASCENDING", "n": "ASCENDING"})
    found = collection.where(filter=where("n", ">", 1)).where(filter=where("m", "<", 2))
    assert sorted(names(found.stream())) == ["3", "4"]


def order_and_cursors(project: Project) -> None:
    collection = filled(project).order_by("n", direction="DESCENDING")
    assert names(collection.start_after({"n": 4}).end_at({"n": 1}).limit(2).stream()) == ["3", "2"]
    assert names(collection.offset(3).stream()) == ["1", "0"]
    assert next(iter(collection.select(["m"]).stream())).to_dict() == {"m": 0}
    assert names(collection.limit_to_last(1).get()) == ["0"]


def collection_group(project: Project) -> None:
    db = project.client()
    for path in ("items/1", "orders/a/items/2", "orders/a/b/c/items/3"):
        db.document(path).set({"n": 1})
    assert len(list(db.collection_group("items").stream())) == 3


def aggregations(project: Project) -> None:
    query = filled(project).count(alias="count").sum("n", alias="sum").avg("n", alias="mean")
    values = {each.alias: each.value for each in query.get()[0]}
    assert values == {"count": 5, "sum": 10, "mean": 2.0}
    request = pb.RunAggregationQueryRequest(parent=root(project))
    aggregation = request.structured_aggregation_query
    getattr(aggregation.structured_query, "from").add(collection_id="c")
    aggregation.aggregations.add().count.up_to.value = 3
    with channel(project) as opened:
        method = opened.unary_stream(
            "/google.firestore.v1.Firestore/RunAggregationQuery",
            lambda message: message.SerializeToString(),
            pb.RunAggregationQueryResponse.FromString,
        )
        (answer,) = method(request, metadata=[("authorization", "Bearer owner")], timeout=LIMIT_S)
    assert answer.result.aggregate_fields["field_1"].integer_value == 3


def with_vectors(project: Project) -> Any:
    define(project, {"v": 2})
    collection = project.client().collection("c")
    for name, vector in (("a", [1.0, 0.0]), ("b", [0.0, 2.0]), ("c", [3.0, 0.0])):
        collection.document(name).set({"v": Vector(vector)})
    return collection


def vector_search(project: Project) -> None:
    collection = with_vectors(project)
    for measure, expected in (
        (DistanceMeasure.EUCLIDEAN, ["a", "c"]),
        (DistanceMeasure.COSINE, ["a", "c"]),
        (DistanceMeasure.DOT_PRODUCT, ["c", "a"]),
    ):
        found = collection.find_nearest("v", Vector([1.0, 0.0]), 2, measure)
        assert names(found.stream()) == expected
    found = collection.find_nearest(
        "v",
        Vector([1.0, 0.0]),
        3,
        DistanceMeasure.EUCLIDEAN,
        distance_result_field="d",
        distance_threshold=2.0,
    )
    assert [each.get("d") for each in found.stream()] == [0.0, 2.0]


def vector_aggregation(project: Project) -> None:
    with_vectors(project)
    content = {
        "structuredAggregationQuery": {
            "aggregations": [{"count": {}}],
            "structuredQuery": {
                "from": [{"collectionId": "c"}],
                "findNearest": {
                    "vectorField": {"fieldPath": "v"},
                    "queryVector": {
                        "mapValue": {
                            "fields": {
                                "__type__": {"stringValue": "__vector__"},
                                "value": {"arrayValue": {"values": [{"doubleValue": 1}] * 2}},
                            }
                        }
                    },
                    "distanceMeasure": "COSINE",
                    "limit": 1,
                },
            },
        }
    }
    answer = project.server.http("POST", f"{project.root}:runAggregationQuery", json=content)
    assert answer.json()["error"]["status"] == "UNIMPLEMENTED", answer.text


def query_explain(project: Project) -> None:
    query = filled(project).where(filter=where("n", ">", 2))
    found = query.get(explain_options=ExplainOptions(analyze=True))
    metrics = found.get_explain_metrics()
    assert metrics.plan_summary.indexes_used[0]["properties"] == "(n ASC, __name__ ASC)"
    assert metrics.execution_stats.read_operations == 2
    planned = query.get(explain_options=ExplainOptions(analyze=False))
    assert planned.get_explain_metrics().plan_summary.indexes_used


def read_time(project: Project) -> None:
    document = project.client().document("c/a")
    before = document.set({"n": 1}).update_time
    document.set({"n": 2})
    assert document.get(read_time=before).get("n") == 1
    with pytest.raises(exceptions.FailedPrecondition, match="too old"):
        document.get(read_time=datetime.now(UTC) - timedelta(hours=1, minutes=1))


# Indexes


def define(project: Project, fields: dict[str, Any], **more: Any) -> None:
    """Give the project one composite index of collection `c`; a number is a vector's dimension."""
    listed = [
        {"fieldPath": name, "vectorConfig": {"dimension": kind, "flat": {}}}
        if isinstance(kind, int)
        else {"fieldPath": name, "order": kind}
        for name, kind in fields.items()
    ]
    index = {"collectionGroup": "c", "queryScope": "COLLECTION", "fields": listed}
    content = {"indexes": [index] if fields else [], **more}
    path = f"/harness/v1/projects/{project.id}/indexes"
    answer = project.server.http("PUT", path, json=content)
    assert answer.ok, answer.text


def missing_index(project: Project) -> None:
    query = filled(project).where(filter=where("n", "==", 1)).order_by("m")
    with pytest.raises(
        exceptions.FailedPrecondition, match=r"https://console\.firebase\.google\.com"
    ):
        list(query.stream())
    define(project, {"n": "ASCENDING", "m": "ASCENDING"})
    assert names(query.stream()) == ["1"]


def exemption(project: Project) -> None:
    define(project, {}, fieldOverrides=[{"collectionGroup": "c", "fieldPath": "n", "indexes": []}])
    with pytest.raises(exceptions.FailedPrecondition):
        list(filled(project).where(filter=where("n", "==", 1)).stream())


def merge(project: Project) -> None:
    query = filled(project).where(filter=where("n", "==", 1)).where(filter=where("m", "==", 3))
    assert names(query.stream()) == ["1"]


@contextmanager
def other_server(**options: Any) -> Any:
    with (
        running_server(ServerOptions(host="127.0.0.1", port=0, **options)) as server,
        ExitStack() as cleanups,
    ):
        yield Project(server, new_project_id(), cleanups.callback)


def is_served(query: Any) -> bool:
    try:
        list(query.stream())
    except exceptions.FailedPrecondition:
        return False
    return True


def index_reload(project: Project, folder: Path | None = None) -> None:
    assert folder is not None
    file = folder / "firestore.indexes.json"
    file.write_text('{"indexes": []}', encoding="utf-8")
    with other_server(indexes=file) as own:
        query = filled(own).where(filter=where("n", "==", 1)).order_by("m")
        assert not is_served(query)
        file.write_text(
            '{"indexes": [{"collectionGroup": "c", "fields": [{"fieldPath": "n", '
            '"order": "ASCENDING"}, {"fieldPath": "m", "order": "ASCENDING"}]}]}',
            encoding="utf-8",
        )
        within(lambda: is_served(query))
        file.write_text("{", encoding="utf-8")  # what was loaded before stays in use
        other = filled(own).where(filter=where("n", "==", 1)).order_by("m")
        assert is_served(other)


def indexes_off(project: Project) -> None:
    for options in ({"enforce_indexes": False}, {"profile": EMULATOR}):
        with other_server(**options) as own:
            query = filled(own).where(filter=where("n", "==", 1)).order_by("m")
            assert names(query.stream()) == ["1"]


# Transactions


def conflict(project: Project) -> None:
    filled(project)
    db = project.client()
    document = db.document("c/0")
    transaction = db.transaction(max_attempts=1)
    transaction._begin()
    document.get(transaction=transaction)
    with pytest.raises(exceptions.Aborted):
        document.set({"n": 100}, retry=None, timeout=LIMIT_S)
    transaction._rollback()
    document.set({"n": 100})


def optimistic(project: Project) -> None:
    filled(project)
    db = project.client()
    document = db.document("c/0")
    transaction = db.transaction(max_attempts=1)
    mode = firestore.types.TransactionOptions.ConcurrencyMode.OPTIMISTIC
    options = firestore.types.TransactionOptions(read_write={"concurrency_mode": mode})
    transaction._options_protobuf = lambda retry_id: options
    transaction._begin()
    document.get(transaction=transaction)
    document.set({"n": 100}, retry=None, timeout=LIMIT_S)
    transaction.set(document, {"n": 1})
    with pytest.raises(exceptions.Aborted):
        transaction._commit()
    assert document.get().get("n") == 100


def read_only(project: Project) -> None:
    collection = filled(project)
    db = project.client()
    transaction = db.transaction(read_only=True)
    transaction._begin()
    collection.document("0").set({"n": 100})
    assert collection.document("0").get(transaction=transaction).get("n") == 0
    transaction._rollback()


def idle_transaction(project: Project) -> None:
    path = f"/harness/v1/projects/{project.id}/clock"
    db = project.client()
    transaction = db.transaction(max_attempts=1)
    transaction._begin()
    try:
        assert project.server.http("POST", f"{path}:advance", json={"seconds": 61}).ok
        with pytest.raises(exceptions.GoogleAPICallError, match="expired"):
            db.document("c/0").get(transaction=transaction)
    finally:
        project.server.http("DELETE", path)


# Listeners


def many_targets(project: Project) -> None:
    filled(project)
    with channel(project) as opened:
        stream = Stream(project, opened)
        stream.listen_to_query(2, "c")
        assert len(stream.until_consistent()) > 5
        stream.listen_to_documents(4, "c/0", "c/none")
        seen = stream.until_consistent()
        stream.end()
    assert any("c/none" in str(message) for message in seen)


def limited_listener(project: Project) -> None:
    collection = filled(project)
    heard: queue.Queue[list[str]] = queue.Queue()
    query = collection.order_by("n").limit(2)
    watch = query.on_snapshot(lambda documents, *_: heard.put(names(documents)))
    try:
        assert heard.get(timeout=LIMIT_S) == ["0", "1"]
        collection.document("0").delete()
        assert heard.get(timeout=LIMIT_S) == ["1", "2"]
    finally:
        watch.unsubscribe()


def resume_token(project: Project) -> None:
    collection = filled(project)
    with channel(project) as opened:
        stream = Stream(project, opened)
        stream.listen_to_query(2, "c")
        token = b""
        for message in stream.call:
            token = message.target_change.resume_token or token
            if message.HasField("target_change") and not message.target_change.target_ids:
                break
        stream.end()
        collection.document("0").update({"n": 50})
        again = Stream(project, opened)
        again.listen_to_query(2, "c", resume_token=token)
        changed = []
        for message in again.call:
            assert not message.HasField("filter")
            if message.HasField("document_change"):
                changed.append(message.document_change.document.name.rpartition("/")[2])
            if message.HasField("target_change") and not message.target_change.target_ids:
                break
        again.end()
    assert changed == ["0"]


def refused_target(project: Project) -> None:
    filled(project)
    project.load_rules(
        "service cloud.firestore { match /databases/{d}/documents {"
        " match /c/{id} { allow read; } } }"
    )
    with channel(project) as opened:
        stream = Stream(project, opened, token=None)
        stream.listen_to_query(2, "secrets")
        assert stream.next()[:2] == ("REMOVE", [2])
        stream.listen_to_query(4, "c")
        assert stream.until_consistent()
        stream.end()


# Rules


RULES = "service cloud.firestore {{ match /databases/{{d}}/documents/c/{{id}} {{ allow {} }} }}"


def rules(project: Project) -> None:
    filled(project)
    project.load_rules(RULES.format("get: if request.auth.uid == 'ana';"))
    assert project.as_user("ana").document("c/0").get().exists
    with pytest.raises(exceptions.PermissionDenied):
        project.as_user("bob").document("c/0").get()


def may_read(project: Project) -> bool:
    try:
        project.as_user("ana").document("c/0").get()
    except exceptions.PermissionDenied:
        return False
    return True


def rules_reload(project: Project, folder: Path | None = None) -> None:
    assert folder is not None
    file = folder / "firestore.rules"
    file.write_text(RULES.format("read: if false;"), encoding="utf-8")
    with other_server(rules=file) as own:
        # The server in this process reads its rules when it is put together by `load_backend`.
        own.load_rules(file.read_text(encoding="utf-8"))
        assert not may_read(own)
        file.write_text(RULES.format("read;"), encoding="utf-8")
        within(lambda: may_read(own))


def rule_coverage(project: Project) -> None:
    rules(project)
    answer = project.server.http("GET", f"{project.emulator}:ruleCoverage")
    assert answer.json()["report"]


# Databases


def several_databases(project: Project) -> None:
    project.client().document("c/a").set({"n": 1})
    other = project.client(database="other")
    assert not other.document("c/a").get().exists
    other.document("c/a").set({"n": 2})
    assert project.client().document("c/a").get().get("n") == 1


def other_editions(project: Project) -> None:
    for flags in (["--database-edition", "enterprise"], ["--database-mode", "datastore-mode"]):
        with pytest.raises(ConfigError, match="not supported"):
            parse_options(flags)


# Events


def triggers(project: Project) -> None:
    content = {
        "eventTrigger": {
            "resource": f"projects/{project.id}/databases/(default)/documents/c/{{id}}",
            "eventType": "providers/cloud.firestore/eventTypes/document.write",
            "service": "firestore.googleapis.com",
        }
    }
    path = f"{project.emulator}/triggers/us-central1-f-0"
    assert project.server.http("PUT", path, json=content).ok
    listed = project.server.http("GET", "/harness/v1/info").json()["triggers"]
    assert "us-central1-f-0" in [trigger["key"] for trigger in listed]
    assert project.server.http("DELETE", path).ok


def drain(project: Project) -> None:
    assert project.server.http("POST", "/harness/v1/events:drain?timeout_s=5").json()["drained"]


# Control


def clear(project: Project) -> None:
    collection = filled(project)
    tree = f"{project.emulator}/databases/(default)/documents/c/0"
    assert project.server.http("DELETE", tree).ok
    assert len(list(collection.stream())) == 4
    assert project.server.http("DELETE", f"{project.emulator}/databases/(default)/documents").ok
    assert not list(collection.stream())


def export_import(project: Project, folder: Path | None = None) -> None:
    assert folder is not None
    collection = filled(project)
    content = {
        "database": f"projects/{project.id}/databases/(default)",
        "export_directory": str(folder),
        "export_name": "kept",
    }
    assert project.server.http("POST", f"{project.emulator}:export", json=content).ok
    project.server.http("DELETE", f"{project.emulator}/databases/(default)/documents")
    (metadata,) = (folder / "kept").glob("*.overall_export_metadata")
    content["export_directory"] = str(metadata)
    assert project.server.http("POST", f"{project.emulator}:import", json=content).ok
    assert len(list(collection.stream())) == 5


def metering(project: Project) -> None:
    list(filled(project).limit(2).stream())
    assert project.requests()[-1]["billed"]["reads"] == 2


def faults(project: Project) -> None:
    path = f"/harness/v1/projects/{project.id}/faults"
    fault = {"rpc": "Commit", "status": "ABORTED", "times": 1}
    answer = project.server.http("POST", path, json=fault)
    assert answer.ok, answer.text
    with pytest.raises(exceptions.Aborted):
        project.client().document("c/a").set({}, retry=None)


def clock(project: Project) -> None:
    path = f"/harness/v1/projects/{project.id}/clock"
    try:
        content = {"now": "2031-01-01T00:00:00Z", "frozen": True}
        assert project.server.http("PUT", path, json=content).ok
        document = project.client().document("c/a")
        document.set({"at": firestore.SERVER_TIMESTAMP})
        assert document.get().get("at") == datetime(2031, 1, 1, tzinfo=UTC)
    finally:
        project.server.http("DELETE", path)


def token_expiry(project: Project) -> None:
    path = f"/harness/v1/projects/{project.id}/clock"
    document = project.as_user("ana", exp=1).document("c/a")
    document.get()
    try:
        assert project.server.http("PUT", path, json={"tokensExpire": True}).ok
        with pytest.raises(exceptions.Unauthenticated):
            document.get()
    finally:
        project.server.http("DELETE", path)


def snapshots(project: Project) -> None:
    collection = filled(project)
    path = f"{project.own}/snapshots/start"
    assert project.server.http("POST", path).ok
    collection.document("0").delete()
    assert project.server.http("POST", f"{path}:restore").ok
    assert collection.document("0").get().exists


def request_log(project: Project) -> None:
    filled(project)
    (record,) = project.requests()
    assert (record["rpc"], record["caller"], record["status"]) == ("Commit", "admin", "OK")


def request_view(project: Project) -> None:
    from websockets.sync.client import connect

    with other_server(websocket_port=0) as own:
        port = own.server.running.websocket_port
        with connect(f"ws://127.0.0.1:{port}/requests", open_timeout=LIMIT_S) as view:
            assert view.recv(timeout=LIMIT_S) == "[]"
