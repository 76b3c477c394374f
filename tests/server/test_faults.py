"""Faults over real sockets: what the published clients make of them, and what the database holds
afterwards.
"""

from __future__ import annotations

import threading
from typing import Any

import grpc
import pytest
import requests
from google.api_core import exceptions
from google.api_core.retry import Retry, if_exception_type
from google.cloud import firestore

from harness.emulators.firestore_client import async_firestore_client
from harness.server.wire import pb
from tests.server.running import Project, unsigned_token
from tests.server.test_web_channel import documents_target, opened
from tests.server.test_write_stream import Stream

PATIENCE_S = 20


def faults(project: Project) -> str:
    return f"/harness/v1/projects/{project.id}/faults"


def inject(project: Project, **rule: Any) -> str:
    response = project.server.http("POST", faults(project), json=rule)
    assert response.status_code == 200, response.text
    found: str = response.json()["id"]
    return found


def fired(project: Project) -> list[int]:
    answer = project.server.http("GET", faults(project)).json()
    return [rule["fired"] for rule in answer["faults"]]


@pytest.fixture
def write_channel(project: Project) -> Any:
    with grpc.insecure_channel(project.server.host) as channel:
        stream = Stream(project, channel)
        stream.send(database=stream.database)
        next(stream.call)
        yield stream
        stream.end()
        stream.call.cancel()


# --- reads: the client tries again ----------------------------------------------------------------


@pytest.mark.parametrize("status", ["UNAVAILABLE", "INTERNAL", "DEADLINE_EXCEEDED"])
def test_a_get_is_tried_again_by_the_published_client(
    project: Project, db: Any, status: str
) -> None:
    db.document("c/1").set({"n": 1})
    inject(project, rpc="BatchGetDocuments", status=status, times=2)
    assert db.document("c/1").get().to_dict() == {"n": 1}
    assert fired(project) == [2]
    statuses = [each["status"] for each in project.requests() if each["rpc"] != "Commit"]
    assert statuses == [status, status, "OK"]


def test_the_published_async_client_tries_again_too(project: Project, db: Any) -> None:
    import asyncio

    db.document("c/1").set({"n": 1})
    inject(project, rpc="BatchGetDocuments", status="UNAVAILABLE", times=2)

    async def read() -> Any:
        client = async_firestore_client(project.server.host, project.id)
        try:
            return (await client.document("c/1").get()).to_dict()
        finally:
            client.close()

    assert asyncio.run(read()) == {"n": 1}
    assert fired(project) == [2]


def test_a_query_that_is_cut_goes_on_behind_the_last_document(project: Project, db: Any) -> None:
    for number in range(5):
        db.document(f"c/{number}").set({"n": number})
    inject(project, rpc="RunQuery", collection="c", cutAfter=2)
    # Without a policy of its own the client trips over itself here: python-firestore issue 596.
    policy = Retry(predicate=if_exception_type(exceptions.ServiceUnavailable), initial=0.01)
    query = db.collection("c").order_by("n")
    assert [document.get("n") for document in query.stream(retry=policy)] == [0, 1, 2, 3, 4]
    queries = [each for each in project.requests() if each["rpc"] == "RunQuery"]
    assert [each["billed"]["documentsReturned"] for each in queries] == [5, 3]
    assert queries[0]["fault"] == "RunQuery on c: cut off with UNAVAILABLE after 2 messages"


def test_what_is_not_retried_reaches_the_caller(project: Project, db: Any) -> None:
    inject(project, rpc="RunQuery", status="PERMISSION_DENIED", message="No.")
    with pytest.raises(exceptions.PermissionDenied, match=r"No\."):
        list(db.collection("c").stream())
    assert list(db.collection("c").stream()) == []


# --- writes ---------------------------------------------------------------------------------------


def test_a_refused_commit_has_written_nothing(project: Project, db: Any) -> None:
    inject(project, rpc="Commit", collection="c", status="PERMISSION_DENIED")
    with pytest.raises(exceptions.PermissionDenied):
        db.document("c/1").set({"n": 1})
    assert not db.document("c/1").get().exists
    assert project.requests()[0]["billed"]["writes"] == 0


def test_a_lost_answer_makes_an_increment_count_twice(project: Project, db: Any) -> None:
    """The published client sends a commit again whose answer is UNAVAILABLE."""
    db.document("c/1").set({"n": 0})
    inject(project, rpc="Commit", cutAfter=0)
    db.document("c/1").update({"n": firestore.Increment(1)})
    assert db.document("c/1").get().get("n") == 2


def test_a_lost_answer_makes_a_create_find_its_own_document(project: Project, db: Any) -> None:
    inject(project, rpc="Commit", cutAfter=0)
    with pytest.raises(exceptions.AlreadyExists):
        db.document("c/1").create({"n": 1})
    first, second = project.requests()
    assert (first["status"], first["fault"]) == (
        "OK",
        "Commit: carried out but answered UNAVAILABLE",
    )
    assert second["status"] == "ALREADY_EXISTS"


def test_of_a_failed_commit_the_failure_is_lost_as_well(project: Project, db: Any) -> None:
    inject(project, rpc="Commit", cutAfter=0, status="INTERNAL")
    with pytest.raises(exceptions.InternalServerError):
        db.document("c/none").update({"n": 1})


# --- transactions ---------------------------------------------------------------------------------


def _increment_in_transaction(db: Any) -> list[int]:
    seen: list[int] = []

    @firestore.transactional
    def increment(transaction: Any) -> None:
        value = db.document("c/1").get(transaction=transaction).get("n")
        seen.append(value)
        transaction.update(db.document("c/1"), {"n": value + 1})

    increment(db.transaction())
    return seen


def test_a_transaction_that_is_aborted_runs_again_at_once(project: Project, db: Any) -> None:
    db.document("c/1").set({"n": 0})
    inject(project, rpc="Commit", collection="c", status="ABORTED", times=2)
    assert _increment_in_transaction(db) == [0, 0, 0]
    assert db.document("c/1").get().get("n") == 1
    # No attempt had to wait for the locks of the one before, which would take two seconds.
    commits = [each for each in project.requests() if each["rpc"] == "Commit"][1:]
    assert [each["status"] for each in commits] == ["ABORTED", "ABORTED", "OK"]
    assert commits[-1]["latencyMs"] < 1000


def test_an_aborted_read_ends_its_transaction_too(project: Project, db: Any) -> None:
    db.document("c/1").set({"n": 0})
    transaction = db.transaction()
    transaction._begin()
    db.document("c/1").get(transaction=transaction)
    inject(project, rpc="BatchGetDocuments", status="ABORTED")
    with pytest.raises(exceptions.Aborted):
        db.document("c/1").get(transaction=transaction)
    db.document("c/1").set({"n": 5}, timeout=PATIENCE_S)
    commit = project.requests()[-1]
    assert (commit["status"], commit["latencyMs"] < 1000) == ("OK", True)


def test_a_transaction_whose_commit_is_lost_writes_twice_or_fails(
    project: Project, db: Any
) -> None:
    """The transaction has ended, so a second commit of it is refused; the client starts again."""
    db.document("c/1").set({"n": 0})
    inject(project, rpc="Commit", cutAfter=0)
    assert _increment_in_transaction(db) == [0, 1]
    assert db.document("c/1").get().get("n") == 2


# --- latency --------------------------------------------------------------------------------------


def test_a_request_that_is_late_keeps_no_other_waiting(project: Project, db: Any) -> None:
    db.document("slow/1").set({"n": 1})
    db.document("quick/1").set({"n": 2})
    rule = inject(project, rpc="BatchGetDocuments", collection="slow", delayMs=600_000)
    outcome: list[type[Exception]] = []

    def read() -> None:
        try:
            db.document("slow/1").get(retry=None, timeout=1)
        except exceptions.GoogleAPICallError as error:
            outcome.append(type(error))

    reader = threading.Thread(target=read)
    reader.start()
    try:
        assert db.document("quick/1").get().get("n") == 2
    finally:
        reader.join(PATIENCE_S)
    assert outcome == [exceptions.DeadlineExceeded]
    assert fired(project) == [1]
    project.server.http("DELETE", f"{faults(project)}/{rule}")
    assert db.document("slow/1").get().get("n") == 1


def test_a_late_request_is_served_and_says_so(project: Project, db: Any) -> None:
    inject(project, rpc="Commit", delayMs=1)
    db.document("c/1").set({"n": 1})
    assert project.requests()[-1]["fault"] == "Commit: 1 ms late"


# --- REST -----------------------------------------------------------------------------------------


def test_rest_meets_the_same_faults(project: Project, db: Any) -> None:
    inject(project, collection="c", caller="user:ana", status="RESOURCE_EXHAUSTED", times=None)
    url = project.server.url(f"{project.root}/c/1")
    body = {"fields": {"n": {"integerValue": "1"}}}
    headers = {"authorization": f"Bearer {unsigned_token('ana')}"}
    for method in ("PATCH", "GET", "DELETE"):
        answer = requests.request(method, url, json=body, headers=headers, timeout=10)
        assert (answer.status_code, answer.json()["error"]["status"]) == (429, "RESOURCE_EXHAUSTED")
    assert requests.get(url, timeout=10).status_code == 404
    assert fired(project) == [3]


def test_an_answer_over_rest_that_is_lost_is_an_error_and_the_write_is_done(
    project: Project, db: Any
) -> None:
    inject(project, rpc="UpdateDocument", cutAfter=0)
    body = {"fields": {"n": {"integerValue": "1"}}}
    path = f"{project.root}/c/1"
    assert project.server.http("PATCH", path, json=body).status_code == 503
    assert db.document("c/1").get().get("n") == 1


# --- streams --------------------------------------------------------------------------------------


def test_a_write_stream_is_cut_after_the_answers_of_a_fault(
    project: Project, db: Any, write_channel: Stream
) -> None:
    inject(project, rpc="Write", collection="c", cutAfter=1)
    write_channel.write("c/1")
    assert next(write_channel.call).stream_token == b"1"
    assert write_channel.failure()[0] == "UNAVAILABLE"
    assert db.document("c/1").get().exists


def test_a_write_stream_can_lose_an_answer(
    project: Project, db: Any, write_channel: Stream
) -> None:
    inject(project, rpc="Write", collection="c", cutAfter=0, skip=1)
    write_channel.write("c/1")
    next(write_channel.call)
    write_channel.write("c/2")
    assert write_channel.failure()[0] == "UNAVAILABLE"
    assert db.document("c/2").get().exists


def test_a_write_stream_can_be_refused(project: Project, db: Any, write_channel: Stream) -> None:
    inject(project, rpc="Write", status="RESOURCE_EXHAUSTED", message="Quota.")
    write_channel.write("c/1")
    assert write_channel.failure() == ("RESOURCE_EXHAUSTED", "Quota.")
    assert not db.document("c/1").get().exists


def test_a_listener_is_cut_and_the_published_client_listens_again(
    project: Project, db: Any
) -> None:
    inject(project, rpc="Listen", collection="c", cutAfter=2)
    told: list[int] = []
    news = threading.Condition()

    def hear(documents: Any, changes: Any, read_time: Any) -> None:
        with news:
            told.append(len(documents))
            news.notify_all()

    watch = db.collection("c").on_snapshot(hear)
    try:
        with news:
            assert news.wait_for(lambda: told, PATIENCE_S)
        db.document("c/1").set({"n": 1})
        with news:
            assert news.wait_for(lambda: told[-1] == 1, PATIENCE_S)
    finally:
        watch.unsubscribe()
    assert fired(project) == [1]
    listens = [each for each in project.requests() if each["rpc"] == "Listen"]
    assert listens[0]["fault"] == "Listen on c: cut off with UNAVAILABLE after 2 messages"


def test_browsers_meet_the_same_faults(project: Project, db: Any) -> None:
    inject(project, rpc="Listen", collection="c", cutAfter=1)
    with opened(project) as channel:
        channel.open(documents_target(channel, "c/1"))
        told = channel.poll_until("UNAVAILABLE")
    assert [next(iter(message)) for message in told[:2]] == ["targetChange", "error"]


# --- the control routes ---------------------------------------------------------------------------


def test_faults_are_listed_and_removed_one_by_one_or_together(project: Project, db: Any) -> None:
    first = inject(project, rpc="Commit", status="UNAVAILABLE", skip=3)
    inject(project, rpc="RunQuery", delayMs=5, times=None)
    db.document("c/1").set({"n": 1})
    listed = project.server.http("GET", faults(project)).json()["faults"]
    assert listed[0] == {
        "id": first,
        "rpc": ["Commit"],
        "skip": 3,
        "status": "UNAVAILABLE",
        "times": 1,
        "says": "Commit: refused with UNAVAILABLE",
        "matched": 1,
        "fired": 0,
    }
    assert project.server.http("DELETE", f"{faults(project)}/{first}").status_code == 200
    assert project.server.http("DELETE", f"{faults(project)}/{first}").status_code == 404
    assert fired(project) == [0]
    assert project.server.http("DELETE", faults(project)).status_code == 200
    assert fired(project) == []


def test_a_fault_stays_in_its_project(project: Project, db: Any) -> None:
    inject(project, status="UNAVAILABLE", times=None)
    other = Project(project.server, f"{project.id}-other", project.add_cleanup)
    other.client().document("c/1").set({"n": 1})
    assert fired(project) == [0]
    project.server.http("DELETE", faults(project))


def test_a_fault_that_is_none_is_refused(project: Project) -> None:
    answer = project.server.http("POST", faults(project), json={"rpc": "Comit"})
    assert answer.status_code == 400
    assert "rpc 'Comit' is not known" in answer.json()["error"]["message"]


def test_a_malformed_request_is_told_so_in_spite_of_faults(project: Project) -> None:
    inject(project, status="UNAVAILABLE", times=None)
    with grpc.insecure_channel(project.server.host) as channel:
        call = channel.unary_unary(
            "/google.firestore.v1.Firestore/GetDocument",
            lambda message: message.SerializeToString(),
            pb.Document.FromString,
        )
        with pytest.raises(grpc.RpcError) as error:
            call(pb.GetDocumentRequest(name="nonsense"), timeout=10)
    assert error.value.code() is grpc.StatusCode.INVALID_ARGUMENT  # type: ignore[attr-defined]
