"""Listeners: the published client's, and the message sequences that clients depend on."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from google.cloud.firestore_v1.base_query import FieldFilter

from harness.server.wire import pb
from tests.server.running import Project, unsigned_token

TIMEOUT_S = 10


class Stream:
    """A raw Listen stream: requests in, and the answers one by one."""

    def __init__(
        self, project: Project, channel: grpc.Channel, token: str | None = "owner"
    ) -> None:
        self.database = f"projects/{project.id}/databases/(default)"
        self._requests: queue.Queue[Any] = queue.Queue()
        metadata = [("authorization", f"Bearer {token}")] if token else []
        call = channel.stream_stream(
            "/google.firestore.v1.Firestore/Listen",
            lambda message: message.SerializeToString(),
            pb.ListenResponse.FromString,
        )
        self.call = call(iter(self._requests.get, None), metadata=metadata, timeout=TIMEOUT_S)

    def send(self, **fields: Any) -> None:
        self._requests.put(pb.ListenRequest(database=self.database, **fields))

    def end(self) -> None:
        self._requests.put(None)

    def listen_to_query(
        self, target_id: int, collection: str, *, parent: str = "/documents", **target: Any
    ) -> None:
        message = pb.Target(target_id=target_id, **target)
        message.query.parent = f"{self.database}{parent}"
        getattr(message.query.structured_query, "from").add(collection_id=collection)
        self.send(add_target=message)

    def listen_to_documents(self, target_id: int, *paths: str, **target: Any) -> None:
        message = pb.Target(target_id=target_id, **target)
        message.documents.documents.extend(f"{self.database}/documents/{path}" for path in paths)
        self.send(add_target=message)

    def until_consistent(self) -> list[tuple[Any, ...]]:
        """Read up to and with the next global NO_CHANGE, each message as a short tuple."""
        seen = []
        while True:
            seen.append(short(next(self.call)))
            if seen[-1][0] == "NO_CHANGE":
                return seen

    def next(self) -> tuple[Any, ...]:
        return short(next(self.call))


KINDS = ["NO_CHANGE", "ADD", "REMOVE", "CURRENT", "RESET"]


def short(message: Any) -> tuple[Any, ...]:
    kind = message.WhichOneof("response_type")
    if kind == "target_change":
        change = message.target_change
        found: tuple[Any, ...] = (KINDS[change.target_change_type], list(change.target_ids))
        if change.cause.code:
            found = (*found, change.cause.code)
        if change.resume_token:
            assert change.read_time.seconds > 0
        return found
    change = getattr(message, kind)
    name = change.document if isinstance(change.document, str) else change.document.name
    ids = change.target_ids if kind == "document_change" else change.removed_target_ids
    return (kind, name.split("/documents/")[1], list(ids))


@pytest.fixture
def channel(project: Project) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(project.server.host) as made:
        yield made


@pytest.fixture
def stream(project: Project, channel: grpc.Channel) -> Iterator[Stream]:
    made = Stream(project, channel)
    yield made
    made.end()
    made.call.cancel()


def test_an_idle_listener_gets_a_new_resume_token_now_and_then(
    project: Project, channel: grpc.Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.server.listen._FRESH_TOKEN_S", 0.1)
    stream = Stream(project, channel)
    stream.listen_to_query(2, "items")
    stream.until_consistent()
    first, second = next(stream.call).target_change, next(stream.call).target_change
    assert first.target_change_type == second.target_change_type == KINDS.index("NO_CHANGE")
    assert first.resume_token != second.resume_token
    assert first.read_time.ToNanoseconds() < second.read_time.ToNanoseconds()
    stream.call.cancel()


class Snapshots:
    """Collects what `on_snapshot` calls back with."""

    def __init__(self) -> None:
        self._queue: queue.Queue[Any] = queue.Queue()

    def __call__(self, documents: Any, changes: Any, _: Any) -> None:
        self._queue.put(
            ([d.id for d in documents], [(c.type.name, c.document.id) for c in changes])
        )

    def next(self) -> tuple[list[str], list[tuple[str, str]]]:
        found: tuple[list[str], list[tuple[str, str]]] = self._queue.get(timeout=TIMEOUT_S)
        return found


def test_a_query_listener_hears_of_each_change(db: Any) -> None:
    db.document("items/1").set({"n": 1})
    heard = Snapshots()
    positive = db.collection("items").where(filter=FieldFilter("n", ">", 0)).order_by("n")
    watch = positive.on_snapshot(heard)
    try:
        assert heard.next() == (["1"], [("ADDED", "1")])
        db.document("items/2").set({"n": 2})
        assert heard.next() == (["1", "2"], [("ADDED", "2")])
        db.document("items/1").update({"n": 3})
        assert heard.next() == (["2", "1"], [("MODIFIED", "1")])
        db.document("items/2").update({"n": 0})
        assert heard.next() == (["1"], [("REMOVED", "2")])
        db.document("items/1").delete()
        assert heard.next() == ([], [("REMOVED", "1")])
    finally:
        watch.unsubscribe()


def test_a_limit_lets_one_in_for_one_that_goes(db: Any) -> None:
    for number in range(4):
        db.document(f"items/{number}").set({"n": number})
    heard = Snapshots()
    watch = db.collection("items").order_by("n").limit(2).on_snapshot(heard)
    try:
        assert heard.next()[0] == ["0", "1"]
        db.document("items/0").delete()
        documents, changes = heard.next()
        assert documents == ["1", "2"]
        assert sorted(changes) == [("ADDED", "2"), ("REMOVED", "0")]
    finally:
        watch.unsubscribe()


def test_a_document_listener_hears_of_creation_and_deletion(db: Any) -> None:
    heard = Snapshots()
    watch = db.document("c/d").on_snapshot(heard)
    try:
        assert heard.next()[0] == []
        db.document("c/d").set({"n": 1})
        assert heard.next()[0] == ["d"]
        db.document("c/d").delete()
        assert heard.next()[0] == []
    finally:
        watch.unsubscribe()


def test_the_database_is_taken_for_its_documents_root(stream: Stream, db: Any) -> None:
    db.document("c/1").set({"n": 1})
    # As clients for Python before 1.0 listen to a query.
    stream.listen_to_query(2, "c", parent="")
    assert len([each for each in stream.until_consistent() if "c/1" in str(each)]) == 1


def test_the_first_answer_ends_in_a_consistent_point(stream: Stream, db: Any) -> None:
    db.document("items/1").set({})
    stream.listen_to_query(2, "items")
    assert stream.until_consistent() == [
        ("ADD", [2]),
        ("document_change", "items/1", [2]),
        ("CURRENT", [2]),
        ("NO_CHANGE", []),
    ]


def test_a_missing_document_is_told_as_deleted(stream: Stream) -> None:
    stream.listen_to_documents(1, "c/none")
    assert stream.until_consistent()[1] == ("document_delete", "c/none", [1])


def test_a_commit_over_two_targets_is_one_snapshot(stream: Stream, db: Any) -> None:
    stream.listen_to_query(2, "a")
    stream.until_consistent()
    stream.listen_to_query(4, "b")
    stream.until_consistent()
    batch = db.batch()
    batch.set(db.document("a/1"), {})
    batch.set(db.document("b/1"), {})
    batch.commit()
    assert stream.until_consistent() == [
        ("document_change", "a/1", [2]),
        ("document_change", "b/1", [4]),
        ("NO_CHANGE", []),
    ]


def test_a_removed_target_hears_nothing_more(stream: Stream, db: Any) -> None:
    stream.listen_to_query(2, "a")
    stream.until_consistent()
    stream.listen_to_query(4, "b")
    stream.until_consistent()
    stream.send(remove_target=2)
    assert stream.next() == ("REMOVE", [2])
    db.document("a/1").set({})
    db.document("b/1").set({})
    assert stream.until_consistent() == [("document_change", "b/1", [4]), ("NO_CHANGE", [])]


def test_a_resume_token_brings_only_what_has_changed(
    project: Project, channel: grpc.Channel, db: Any
) -> None:
    db.document("items/1").set({"n": 1})
    db.document("items/2").set({"n": 1})
    first = Stream(project, channel)
    first.listen_to_query(2, "items")
    token = b""
    for message in first.call:
        token = message.target_change.resume_token or token
        if short(message)[0] == "NO_CHANGE":
            break
    first.call.cancel()
    db.document("items/2").delete()
    db.document("items/3").set({"n": 1})
    second = Stream(project, channel)
    second.listen_to_query(2, "items", resume_token=token)
    assert second.until_consistent() == [
        ("ADD", [2]),
        ("document_delete", "items/2", [2]),
        ("document_change", "items/3", [2]),
        ("CURRENT", [2]),
        ("NO_CHANGE", []),
    ]
    second.call.cancel()


def test_a_token_of_another_server_begins_anew(stream: Stream, db: Any) -> None:
    db.document("items/1").set({})
    stream.listen_to_query(2, "items", resume_token=b"something else")
    assert [message[0] for message in stream.until_consistent()] == [
        "ADD",
        "RESET",
        "document_change",
        "CURRENT",
        "NO_CHANGE",
    ]


def test_a_query_that_cannot_run_ends_its_target_and_not_the_stream(stream: Stream) -> None:
    message = pb.Target(target_id=2)
    message.query.parent = f"{stream.database}/documents"
    query = message.query.structured_query
    getattr(query, "from").add(collection_id="items")
    for field in ("a", "b"):
        query.order_by.add(direction=1).field.field_path = field
    stream.send(add_target=message)
    assert stream.next() == ("REMOVE", [2], 9)
    stream.listen_to_query(4, "items")
    assert stream.until_consistent()[0] == ("ADD", [4])


def test_a_target_id_twice_fails_the_stream(stream: Stream) -> None:
    stream.listen_to_query(2, "a")
    stream.until_consistent()
    stream.listen_to_query(2, "b")
    with pytest.raises(grpc.RpcError) as error:
        next(stream.call)
    assert error.value.code() is grpc.StatusCode.INVALID_ARGUMENT  # type: ignore[attr-defined]


RULES = """service cloud.firestore { match /databases/{d}/documents {
  match /notes/{id} { allow read: if resource.data.owner == request.auth.uid; }
  match /open/{id} { allow read; }
} }"""


def test_a_denied_target_is_removed_with_its_cause(project: Project, channel: grpc.Channel) -> None:
    project.load_rules(RULES)
    made = Stream(project, channel, unsigned_token("ana"))
    made.listen_to_query(2, "notes")
    assert made.next() == ("REMOVE", [2], 7)
    made.call.cancel()


def test_a_document_that_becomes_forbidden_ends_its_target(
    project: Project, channel: grpc.Channel, db: Any
) -> None:
    project.load_rules(RULES)
    db.document("notes/1").set({"owner": "ana"})
    made = Stream(project, channel, unsigned_token("ana"))
    made.listen_to_documents(1, "notes/1")
    assert made.until_consistent()[1] == ("document_change", "notes/1", [1])
    db.document("notes/1").set({"owner": "bob"})
    assert made.next() == ("REMOVE", [1], 7)
    made.call.cancel()


def test_new_rules_end_the_targets_that_they_forbid(
    project: Project, channel: grpc.Channel
) -> None:
    project.load_rules(RULES)
    made = Stream(project, channel, unsigned_token("ana"))
    made.listen_to_query(2, "open")
    made.until_consistent()
    project.load_rules("service cloud.firestore { match /x { match /y { allow read; } } }")
    assert made.next() == ("REMOVE", [2], 7)
    made.call.cancel()


def test_clearing_the_database_is_one_snapshot(project: Project, stream: Stream, db: Any) -> None:
    db.document("items/1").set({})
    db.document("items/2").set({})
    stream.listen_to_query(2, "items")
    stream.until_consistent()
    project.server.http("DELETE", f"{project.emulator}/databases/(default)/documents")
    assert sorted(stream.until_consistent()) == [
        ("NO_CHANGE", []),
        ("document_delete", "items/1", [2]),
        ("document_delete", "items/2", [2]),
    ]


def test_a_listener_pays_for_what_it_hears(project: Project, stream: Stream, db: Any) -> None:
    db.document("items/1").set({"n": 1})
    since = project.cost()["lastSequence"]
    stream.listen_to_query(2, "items")
    stream.until_consistent()
    db.document("items/2").set({"n": 1})
    stream.until_consistent()
    db.document("items/2").delete()
    stream.until_consistent()
    assert project.cost(since)["billed"]["reads"] == 2


def test_a_cancelled_stream_leaves_nothing_behind(
    project: Project, channel: grpc.Channel, db: Any
) -> None:
    listeners = project.server.running.shell.commit_listeners
    before = list(listeners)
    made = Stream(project, channel)
    made.listen_to_query(2, "items")
    made.until_consistent()
    # By identity: the stream of an earlier test may be ending just now.
    (own,) = [listener for listener in listeners if listener not in before]
    made.call.cancel()
    for _ in range(1000):
        db.document("c/d").get()  # gives the server a turn
        if own not in listeners:
            return
    pytest.fail("the server still listens for a client that has gone")


def test_a_stream_that_the_client_ends_ends(stream: Stream) -> None:
    stream.listen_to_query(2, "items")
    stream.until_consistent()
    stream.end()
    assert list(stream.call) == []
