"""Function triggers: what the Functions emulator would receive, received here by a small HTTP
server.
"""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from unittest.mock import Mock

import pytest

from harness.firestore.profile import EMULATOR
from harness.pytest_plugin.admin import FirestoreAdmin
from harness.server.dispatch import EventDispatcher, _Delivery
from harness.server.options import ServerOptions
from harness.server.wire import pb
from tests.server.running import Project, new_project_id, running_server


@dataclass
class Received:
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class FunctionsStandIn:
    """Collects events; `statuses` are its next answers, then `status` is."""

    host: str = ""
    status: int = 200
    statuses: list[int] = field(default_factory=list)
    events: list[Received] = field(default_factory=list)
    may_answer: threading.Event = field(default_factory=threading.Event)


@pytest.fixture(scope="module")
def functions_server() -> Iterator[FunctionsStandIn]:
    stand_in = FunctionsStandIn()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            stand_in.events.append(Received(self.path, headers, body))
            stand_in.may_answer.wait(10)
            statuses = stand_in.statuses
            self.send_response(statuses.pop(0) if statuses else stand_in.status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    stand_in.host = f"127.0.0.1:{http.server_address[1]}"
    thread = threading.Thread(target=http.serve_forever)
    thread.start()
    yield stand_in
    http.shutdown()
    thread.join()
    http.server_close()


@pytest.fixture
def functions(functions_server: FunctionsStandIn) -> FunctionsStandIn:
    functions_server.events.clear()
    functions_server.statuses.clear()
    functions_server.status = 200
    functions_server.may_answer.set()
    return functions_server


@pytest.fixture(scope="module")
def wired_server(
    functions_server: FunctionsStandIn, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Any]:
    folder = tmp_path_factory.mktemp("manifests")
    (folder / "firebase-discovery-1").mkdir()
    endpoint = {"region": ["europe-west1"], "eventTrigger": {"retry": True}}
    (folder / "firebase-discovery-1" / "functions.yaml").write_text(
        json.dumps({"specVersion": "v1alpha1", "endpoints": {"again": endpoint}}), encoding="utf-8"
    )
    options = ServerOptions(
        host="127.0.0.1",
        port=0,
        functions_emulator=functions_server.host,
        function_manifests=folder,
        event_retry_delays_s=(0.0, 0.0, 0.01),
    )
    with running_server(options) as server:
        yield server


@pytest.fixture
def wired(wired_server: Any, functions: FunctionsStandIn) -> Iterator[Project]:
    with ExitStack() as cleanups:
        yield Project(wired_server, new_project_id(), cleanups.callback)


def register_v1(
    project: Project,
    event: str,
    pattern: str,
    key: str = "us-central1-on-0",
    database: str = "(default)",
) -> None:
    body = {
        "eventTrigger": {
            "resource": f"projects/{project.id}/databases/{database}/documents/{pattern}",
            "eventType": f"providers/cloud.firestore/eventTypes/document.{event}",
            "service": "firestore.googleapis.com",
        }
    }
    answer = project.server.http("PUT", f"{project.emulator}/triggers/{key}", json=body)
    assert answer.status_code == 200


def register_v2(project: Project, event: str, pattern: str, key: str = "europe-west1-on-0") -> None:
    body = {
        "eventType": f"google.cloud.firestore.document.v1.{event}",
        "database": "(default)",
        "namespace": "(default)",
        "document": {"value": pattern, "matchType": "PATH_PATTERN"},
    }
    route = f"{project.emulator}/eventarcTrigger?eventarcTriggerId={key}"
    assert project.server.http("POST", route, json=body).status_code == 200


def drain(project: Project) -> dict[str, Any]:
    answer: dict[str, Any] = project.server.http(
        "POST", "/harness/v1/events:drain?timeout_s=10"
    ).json()
    assert answer["drained"]
    return answer


def test_a_first_generation_function_gets_the_document_as_json(
    wired: Project, functions: FunctionsStandIn
) -> None:
    register_v1(wired, "write", "users/{uid}")
    reference = wired.client().document("users/ana")
    reference.set({"n": 1})
    reference.update({"n": 2})
    reference.delete()
    drain(wired)
    assert [event.path for event in functions.events] == [
        f"/functions/projects/{wired.id}/triggers/us-central1-on-0"
    ] * 3
    created, updated, deleted = (json.loads(event.body) for event in functions.events)
    name = f"projects/{wired.id}/databases/(default)/documents/users/ana"
    assert created["data"]["value"]["name"] == name
    assert created["data"]["value"]["fields"] == {"n": {"integerValue": "1"}}
    assert set(created["data"]["value"]) == {"name", "fields", "createTime", "updateTime"}
    assert created["data"]["oldValue"] == {}
    assert created["data"]["updateMask"] == deleted["data"]["updateMask"] == {}
    assert updated["data"]["updateMask"] == {"fieldPaths": ["n"]}
    assert updated["data"]["oldValue"]["fields"] == {"n": {"integerValue": "1"}}
    assert updated["data"]["value"]["fields"] == {"n": {"integerValue": "2"}}
    assert deleted["data"]["value"] == {}
    context = created["context"]
    assert context["eventType"] == "providers/cloud.firestore/eventTypes/document.write"
    assert context["resource"] == {"name": name, "service": "firestore.googleapis.com"}
    assert context["timestamp"] == created["data"]["value"]["updateTime"]
    assert len({json.loads(event.body)["context"]["eventId"] for event in functions.events}) == 3


def test_a_second_generation_function_gets_a_cloud_event_in_base64(
    wired: Project, functions: FunctionsStandIn
) -> None:
    register_v2(wired, "updated", "users/{uid}")
    reference = wired.client().document("users/ana")
    reference.set({"n": 1})
    reference.set({"n": 2})
    drain(wired)
    (event,) = functions.events
    data = pb.DocumentEventData.FromString(base64.b64decode(event.body, validate=True))
    assert data.old_value.fields["n"].integer_value == 1
    assert data.value.fields["n"].integer_value == 2
    assert list(data.update_mask.field_paths) == ["n"]
    expected = {
        "content-type": "application/protobuf",
        "ce-specversion": "1.0",
        "ce-type": "google.cloud.firestore.document.v1.updated",
        "ce-source": f"//firestore.googleapis.com/projects/{wired.id}/databases/(default)",
        "ce-subject": "documents/users/ana",
        "ce-datacontenttype": "application/protobuf",
        "ce-project": wired.id,
        "ce-database": "(default)",
        "ce-namespace": "(default)",
        "ce-document": "users/ana",
        "ce-location": "europe-west1",
    }
    assert {name: event.headers[name] for name in expected} == expected
    assert event.headers["ce-time"].endswith("Z")
    assert event.headers["ce-id"]
    assert "ce-authtype" not in event.headers


def test_an_event_with_auth_context_says_who_wrote(
    wired: Project, functions: FunctionsStandIn
) -> None:
    register_v2(wired, "created.withAuthContext", "users/{uid}")
    wired.client().document("users/1").set({})
    drain(wired)
    wired.as_user("ana").document("users/2").set({})
    drain(wired)
    wired.client(token=None).document("users/3").set({})
    drain(wired)
    said = [(e.headers["ce-authtype"], e.headers.get("ce-authid")) for e in functions.events]
    assert said == [("service_account", "admin"), ("unknown", "ana"), ("unauthenticated", None)]


def test_what_has_expired_is_deleted_by_the_system(
    wired: Project, functions: FunctionsStandIn
) -> None:
    register_v2(wired, "deleted.withAuthContext", "sessions/{id}")
    policy = {"collectionGroup": "sessions", "fieldPath": "until", "ttl": True, "indexes": []}
    indexes = f"/harness/v1/projects/{wired.id}/indexes"
    wired.server.http("PUT", indexes, json={"fieldOverrides": [policy]})
    wired.client().document("sessions/1").set({"until": datetime(2001, 1, 1, tzinfo=UTC)})
    wired.server.http("POST", f"{wired.own}/documents:expire", json={})
    drain(wired)
    (event,) = functions.events
    assert event.headers["ce-document"] == "sessions/1"
    assert event.headers["ce-authtype"] == "system"


def test_writes_that_change_nothing_or_match_nothing_cause_no_event(
    wired: Project, functions: FunctionsStandIn
) -> None:
    register_v1(wired, "write", "users/{uid}")
    db = wired.client()
    db.document("users/ana").set({"n": 1})
    db.document("users/ana").set({"n": 1})
    db.document("posts/1").set({"n": 1})
    db.document("users/ana/tasks/1").set({"n": 1})
    db.document("users/none").delete()
    drain(wired)
    assert len(functions.events) == 1


def test_events_of_one_document_arrive_in_order(
    wired: Project, functions: FunctionsStandIn
) -> None:
    register_v1(wired, "write", "users/{uid}")
    reference = wired.client().document("users/ana")
    for number in range(20):
        reference.set({"n": number})
    drain(wired)
    values = [json.loads(e.body)["data"]["value"]["fields"]["n"] for e in functions.events]
    assert values == [{"integerValue": str(number)} for number in range(20)]


def test_one_commit_makes_one_event_for_each_document(
    wired: Project, functions: FunctionsStandIn
) -> None:
    register_v1(wired, "write", "users/{uid}")
    db = wired.client()
    batch = db.batch()
    for number in range(5):
        batch.set(db.document(f"users/{number}"), {"n": 1})
        batch.update(db.document(f"users/{number}"), {"n": 2})
    batch.commit()
    drain(wired)
    values = [json.loads(e.body)["data"]["value"]["fields"]["n"] for e in functions.events]
    assert values == [{"integerValue": "2"}] * 5


def test_clearing_the_database_tells_of_the_deletions(
    wired: Project, functions: FunctionsStandIn
) -> None:
    register_v1(wired, "delete", "users/{uid}")
    wired.client().document("users/ana").set({"n": 1})
    wired.server.http("DELETE", f"{wired.emulator}/databases/(default)/documents")
    drain(wired)
    assert len(functions.events) == 1


def test_clearing_can_be_kept_from_functions(wired: Project, functions: FunctionsStandIn) -> None:
    register_v1(wired, "write", "users/{uid}")
    reference = wired.client().document("users/ana")
    reference.set({"n": 1})
    drain(wired)
    root = f"{wired.emulator}/databases/(default)/documents"
    wired.server.http("DELETE", f"{root}?functions=off")
    reference.set({"n": 2})
    wired.server.http("DELETE", f"{root}/users?functions=off")
    reference.set({"n": 3})
    drain(wired)
    values = [json.loads(e.body)["data"]["value"]["fields"]["n"] for e in functions.events]
    assert values == [{"integerValue": "1"}, {"integerValue": "2"}, {"integerValue": "3"}]


def test_a_failure_is_counted_and_not_repeated(wired: Project, functions: FunctionsStandIn) -> None:
    register_v1(wired, "write", "users/{uid}")
    functions.status = 500
    before = drain(wired)
    wired.client().document("users/ana").set({"n": 1})
    after = drain(wired)
    assert after["failed"] == before["failed"] + 1
    assert len(functions.events) == 1


def test_a_trigger_that_functions_no_longer_know_is_forgotten(
    wired: Project, functions: FunctionsStandIn
) -> None:
    register_v1(wired, "write", "users/{uid}")
    functions.status = 404
    reference = wired.client().document("users/ana")
    reference.set({"n": 1})
    drain(wired)
    reference.set({"n": 2})
    drain(wired)
    assert len(functions.events) == 1


def test_a_quiet_clear_and_a_muted_project_call_no_function(
    wired: Project, functions: FunctionsStandIn
) -> None:
    register_v1(wired, "write", "users/{uid}")
    reference = wired.client().document("users/ana")
    events = f"/harness/v1/projects/{wired.id}/events"
    assert wired.server.http("POST", f"{events}:mute").json() == {"muted": [wired.id]}
    reference.set({"n": 1})
    assert wired.server.http("POST", f"{events}:unmute").json() == {"muted": []}
    route = f"{wired.emulator}/databases/(default)/documents?functions=off"
    assert wired.server.http("DELETE", route).status_code == 200
    drain(wired)
    assert not reference.get().exists
    assert functions.events == []
    reference.set({"n": 2})
    drain(wired)
    assert len(functions.events) == 1


def test_a_quiet_clear_ends_what_was_muted(wired: Project, functions: FunctionsStandIn) -> None:
    register_v1(wired, "write", "users/{uid}")
    wired.server.http("POST", f"/harness/v1/projects/{wired.id}/events:mute")
    wired.server.http("DELETE", f"{wired.emulator}/databases/(default)/documents?functions=off")
    wired.client().document("users/ana").set({"n": 1})
    drain(wired)
    assert len(functions.events) == 1


def test_an_event_delivered_again_has_the_id_it_had(
    wired: Project, functions: FunctionsStandIn
) -> None:
    register_v2(wired, "written", "users/{uid}")
    before = wired.server.http("POST", "/harness/v1/events:drain").json()["dispatched"]
    wired.client().document("users/ana").set({"n": 1})
    drain(wired)
    answer = wired.server.http("POST", f"/harness/v1/events:redeliver?since={before}")
    assert answer.json() == {"redelivered": 1}
    drain(wired)
    first, second = functions.events
    assert (first.headers["ce-id"], first.body) == (second.headers["ce-id"], second.body)


def test_events_before_the_given_number_are_not_delivered_again(
    wired: Project, functions: FunctionsStandIn
) -> None:
    register_v2(wired, "written", "users/{uid}")
    wired.client().document("users/ana").set({"n": 1})
    drain(wired)
    count = wired.server.http("POST", "/harness/v1/events:drain").json()["dispatched"]
    answer = wired.server.http("POST", f"/harness/v1/events:redeliver?since={count}")
    assert answer.json() == {"redelivered": 0}


@pytest.mark.parametrize(
    ("answers", "counted"),
    [
        ([500, 503, 200], {"delivered": 1, "failed": 0, "retried": 2}),
        ([500, 500, 500, 500, 200], {"delivered": 0, "failed": 1, "retried": 3}),
        ([404, 200], {"delivered": 0, "failed": 1, "retried": 0}),
        ([204], {"delivered": 0, "failed": 0, "retried": 0}),
    ],
)
def test_a_function_that_asks_for_retries_gets_a_failed_event_again(
    wired: Project, functions: FunctionsStandIn, answers: list[int], counted: dict[str, int]
) -> None:
    register_v2(wired, "written", "users/{uid}", key="europe-west1-again-0")
    before = drain(wired)
    info = wired.server.http("GET", "/harness/v1/info").json()
    ran = info["events"]["runs"].get("europe-west1-again", 0)
    functions.statuses.extend(answers)
    wired.client().document("users/ana").set({"n": 1})
    after = drain(wired)
    assert {name: after[name] - before[name] for name in counted} == counted
    runs = wired.server.http("GET", "/harness/v1/info").json()["events"]["runs"]
    # An attempt that finds no function, or triggers disabled, is no run.
    tried = answers[: counted["retried"] + 1]
    assert runs.get("europe-west1-again", 0) - ran == sum(each not in (404, 204) for each in tried)
    assert len(functions.events) == counted["retried"] + 1
    assert len({event.headers["ce-id"] for event in functions.events}) == 1


def test_later_events_of_a_document_wait_for_one_that_is_retried(
    wired: Project, functions: FunctionsStandIn
) -> None:
    register_v2(wired, "written", "users/{uid}", key="europe-west1-again-0")
    functions.statuses.extend([500, 500])
    for number in (1, 2):
        wired.client().document("users/ana").set({"n": number})
    drain(wired)
    data = [pb.DocumentEventData.FromString(base64.b64decode(e.body)) for e in functions.events]
    assert [each.value.fields["n"].integer_value for each in data] == [1, 1, 1, 2]


def test_events_while_background_triggers_are_disabled_are_no_deliveries(
    wired: Project, functions: FunctionsStandIn
) -> None:
    register_v1(wired, "write", "users/{uid}")
    before = drain(wired)
    functions.status = 204
    wired.client().document("users/ana").set({"n": 1})
    after = drain(wired)
    assert after["disabled"] - before["disabled"] == 1
    assert (after["delivered"], after["failed"]) == (before["delivered"], before["failed"])


def test_functions_that_were_loaded_anew_are_not_called_by_their_old_keys(
    wired: Project, functions: FunctionsStandIn
) -> None:
    for key in ("us-central1-on-0", "us-central1-on-1", "us-central1-on-x-0"):
        register_v1(wired, "write", "users/{uid}", key=key)
    wired.client().document("users/ana").set({"n": 1})
    drain(wired)
    keys = sorted(event.path.rsplit("/", 1)[-1] for event in functions.events)
    assert keys == ["us-central1-on-1", "us-central1-on-x-0"]


def test_a_drain_that_takes_too_long_names_what_is_open(
    wired: Project, functions: FunctionsStandIn
) -> None:
    register_v1(wired, "write", "users/{uid}")
    functions.may_answer.clear()
    reference = wired.client().document("users/ana")
    reference.set({"n": 1})
    reference.delete()
    answer = wired.server.http("POST", "/harness/v1/events:drain?timeout_s=0.05").json()
    assert not answer["drained"]
    assert answer["openCount"] == 2
    assert answer["open"] == [
        "event for us-central1-on-0 (created users/ana) is being handled",
        "event for us-central1-on-0 (deleted users/ana) waits for those before it",
    ]
    firestore = FirestoreAdmin(wired.server.host, wired.id, "(default)")
    with pytest.raises(pytest.fail.Exception, match=r"2 events .* after 0\.05 s: event for us-"):
        firestore.drain_events(0.05, failures_allowed=False)
    functions.may_answer.set()
    assert drain(wired)["openCount"] == 0


def test_functions_of_one_database_hear_nothing_of_another(
    wired: Project, functions: FunctionsStandIn
) -> None:
    register_v1(wired, "write", "users/{uid}", key="us-central1-here-0", database="second")
    register_v1(wired, "write", "users/{uid}", key="us-central1-there-0")
    wired.client(database="second").document("users/ana").set({"n": 1})
    drain(wired)
    (event,) = functions.events
    content = json.loads(event.body)
    assert event.path.endswith("us-central1-here-0")
    name = f"projects/{wired.id}/databases/second/documents/users/ana"
    assert content["data"]["value"]["name"] == content["context"]["resource"]["name"] == name


@pytest.mark.parametrize(
    ("document_id", "header"),
    [
        ("plain", b"users/plain"),
        ("two words", b"users/two words"),
        ("100%", b"users/100%"),
        ("Helv\u00e9tios", "users/Helv\u00e9tios".encode()),
        ("a\nb", b"users/a%0Ab"),
    ],
)
def test_a_path_in_a_header_is_the_bytes_that_production_sends(
    wired: Project, functions: FunctionsStandIn, document_id: str, header: bytes
) -> None:
    register_v2(wired, "created", "users/{uid}")
    wired.client().document(f"users/{document_id}").set({})
    drain(wired)
    (event,) = functions.events
    assert event.headers["ce-document"].encode("latin-1") == header


def test_the_profile_emulator_tells_less_and_sends_once(functions: FunctionsStandIn) -> None:
    options = ServerOptions(
        host="127.0.0.1", port=0, functions_emulator=functions.host, profile=EMULATOR
    )
    with running_server(options) as server, ExitStack() as cleanups:
        project = Project(server, new_project_id(), cleanups.callback)
        register_v1(project, "write", "users/{uid}")
        reference = project.client().document("users/ana")
        reference.set({"n": 1})
        reference.set({"n": 2})
        drain(project)
    created, updated = (json.loads(event.body)["data"] for event in functions.events)
    assert created.keys() == {"value", "updateMask"}
    assert updated["updateMask"] == {}


def test_a_check_that_drains_notices_a_function_that_failed(
    wired: Project, functions: FunctionsStandIn
) -> None:
    register_v2(wired, "written", "users/{uid}")
    firestore = FirestoreAdmin(wired.server.host, wired.id, "(default)")
    firestore.settle(10)
    functions.status = 500
    wired.client().document("users/ana").set({"n": 1})
    with pytest.raises(pytest.fail.Exception, match="1 event was not handled: a function threw"):
        firestore.drain_events(10, failures_allowed=False)
    wired.client().document("users/ana").set({"n": 2})
    assert firestore.drain_events(10, failures_allowed=True) == 0
    functions.status = 200
    wired.client().document("users/ana").set({"n": 3})
    assert firestore.drain_events(10, failures_allowed=False) == 1


@pytest.mark.parametrize(
    ("chain", "said"),
    [
        (("on",), ""),
        (("on", "on", "on"), ""),
        (("on",) * 4, ", and has set itself off 3 times"),
        (("a", "b") * 4, ", and has set itself off 3 times"),
        (("a", "b", "c", "d", "e"), ""),
    ],
)
def test_a_function_that_sets_itself_off_again_and_again_is_named(
    chain: tuple[str, ...], said: str
) -> None:
    delivery = _Delivery(Mock(), Mock(), Mock(), Mock(), 1, chain, attempts=1)
    assert delivery.loop_words == said
    assert EventDispatcher._waits_for(Mock(), delivery, 0).endswith(f"is being handled{said}")
