"""The Emulator UI's request view, asked by an independent WebSocket client."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import pytest
import requests
from google.api_core import exceptions
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from harness.backend import monitor as monitor_module
from harness.server import request_monitor
from harness.server.options import ServerOptions
from tests.server.running import Project, ServerUnderTest, new_project_id, running_server

TIMEOUT_S = 10
RULES = """\
rules_version = '2';
service cloud.firestore {
  match /databases/{database}/documents {
    match /notes/{note} {
      allow get: if resource.data.owner == request.auth.uid;
      allow get: if resource.data.visible == true;
      allow create: if request.resource.data.visible == true
        && exists(/databases/$(database)/documents/users/$(request.auth.uid));
      allow list: if request.query.limit <= 10;
    }
  }
}
"""


@pytest.fixture(scope="module")
def server() -> Iterator[ServerUnderTest]:
    with running_server(ServerOptions(host="127.0.0.1", port=0, websocket_port=0)) as running:
        yield running


@pytest.fixture
def project(server: ServerUnderTest) -> Iterator[Project]:
    with ExitStack() as cleanups:
        project = Project(server, new_project_id(), cleanups.callback)
        project.load_rules(RULES)
        yield project


@contextmanager
def view(server: ServerUnderTest, path: str = "/requests") -> Iterator[ClientConnection]:
    url = f"ws://127.0.0.1:{server.running.websocket_port}{path}"
    with connect(url, open_timeout=TIMEOUT_S, max_size=None, compression=None, proxy=None) as found:
        yield found


def told(viewer: ClientConnection) -> Any:
    return json.loads(viewer.recv(TIMEOUT_S))


def of(project: Project, history: list[Any]) -> list[Any]:
    key = f"projects/{project.id}/releases/cloud.firestore"
    return [each for each in history if each["rulesReleaseKey"].startswith(key)]


def get(project: Project, path: str, uid: str = "ana") -> None:
    with suppress(exceptions.PermissionDenied):
        project.as_user(uid).document(path).get()


def test_past_decisions_come_first_in_an_array_and_then_each_by_itself(project: Project) -> None:
    project.client().document("notes/1").set({"visible": True, "owner": "bob", "n": 7})
    get(project, "notes/1")
    with view(project.server) as viewer:
        history = of(project, told(viewer))
        assert [each["outcome"] for each in history] == ["allow"]
        get(project, "notes/2")
        live = told(viewer)
        assert live["outcome"] == "error"
    with view(project.server) as viewer:
        again = of(project, told(viewer))
        assert again == [*history, live]
        assert len({each["requestId"] for each in again}) == 2


def test_a_decision_is_told_with_its_rules_its_request_and_what_each_statement_gave(
    project: Project,
) -> None:
    project.client().document("notes/1").set({"visible": True, "owner": "bob", "n": 7})
    get(project, "notes/1")
    with view(project.server) as viewer:
        (event,) = of(project, told(viewer))
    assert event["rules"] == RULES
    assert event["outcome"] == "allow"
    assert event["granularAllowOutcomes"] == [
        {"line": 5, "outcome": False},
        {"line": 6, "outcome": True},
    ]
    context = event["rulesContext"]
    assert event["time"] == context["time"]
    assert context["method"] == "get"
    assert context["path"] == "/databases/(default)/documents/notes/1"
    request = context["request"]["mapValue"]["fields"]
    assert request["method"] == {"stringValue": "get"}
    assert request["time"] == {"timestampValue": context["time"]}
    assert request["auth"]["mapValue"]["fields"]["uid"] == {"stringValue": "ana"}
    resource = context["resource"]["mapValue"]["fields"]
    assert resource["id"] == {"stringValue": "1"}
    assert resource["data"]["mapValue"]["fields"] == {
        "visible": {"boolValue": True},
        "owner": {"stringValue": "bob"},
        "n": {"intValue": "7"},
    }


def test_denials_errors_writes_and_lists_are_told_as_what_they_are(project: Project) -> None:
    admin, ana = project.client(), project.as_user("ana")
    admin.document("notes/1").set({"visible": False, "owner": "bob"})
    with view(project.server) as viewer:
        told(viewer)
        get(project, "notes/1")  # false and false
        get(project, "notes/none")  # no document: errors
        with pytest.raises(exceptions.PermissionDenied):
            ana.document("elsewhere/1").get()  # no statement
        with pytest.raises(exceptions.PermissionDenied):
            ana.document("notes/2").create({"visible": True})  # no user
        admin.document("users/ana").set({})
        ana.document("notes/2").create({"visible": True})
        assert len(list(ana.collection("notes").limit(5).stream())) == 2
        events = [told(viewer) for _ in range(6)]
    assert [
        (
            each["rulesContext"]["method"],
            each["outcome"],
            [(line["line"], line["outcome"]) for line in each["granularAllowOutcomes"]],
        )
        for each in events
    ] == [
        ("get", "deny", [(5, False), (6, False)]),
        ("get", "error", [(5, False), (6, False)]),
        ("get", "deny", []),
        ("create", "deny", [(7, False)]),
        # What the rules looked up is shown as it was, though it is looked up later.
        ("create", "allow", [(7, True)]),
        ("list", "allow", [(9, True)]),
    ]
    assert events[1]["rulesContext"]["resource"] == {"nullValue": None}
    assert events[5]["rulesContext"]["resource"] == {"undefined": {}}
    assert events[5]["rulesContext"]["path"] == "/databases/(default)/documents/notes"


def test_nobody_is_told_of_administrators(project: Project) -> None:
    project.client().document("notes/1").set({"visible": True})
    with view(project.server) as viewer:
        assert of(project, told(viewer)) == []


def test_every_viewer_is_told_of_each_decision_once(project: Project) -> None:
    with view(project.server) as first, view(project.server) as second:
        told(first), told(second)
        for number in range(3):
            get(project, f"notes/{number}")
        for viewer in (first, second):
            paths = [told(viewer)["rulesContext"]["path"][-1] for _ in range(3)]
            assert paths == ["0", "1", "2"]


def test_what_is_too_large_is_named_and_the_history_limited(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(monitor_module, "VALUE_ROOM", 2_000)
    project.client().document("notes/1").set({"visible": True, "text": "x" * 5_000})
    for _ in range(3):
        get(project, "notes/1")
    with view(project.server) as viewer:
        history = told(viewer)
        shown = of(project, history)
        assert shown[0]["rulesContext"]["resource"] == {"stringValue": "(too large to be shown)"}
    size = len(json.dumps(shown[-1], ensure_ascii=False, separators=(",", ":")))
    monkeypatch.setattr(request_monitor, "MAX_HISTORY_CHARS", 2 * size + 10)
    with view(project.server) as viewer:
        assert told(viewer) == history[-2:]


def test_only_so_many_decisions_are_kept() -> None:
    kept = monitor_module.EvaluationMonitor("i", size=3)
    for _ in range(5):
        kept.add("p", None, None, True, None)  # type: ignore[arg-type]
    assert [each.id for each in kept.history()] == ["i-3", "i-4", "i-5"]


# --- the socket -----------------------------------------------------------------------------------


def test_another_path_is_no_view(server: ServerUnderTest) -> None:
    with pytest.raises(InvalidStatus) as refused, view(server, "/elsewhere"):
        pass
    assert refused.value.response.status_code == 404


def test_a_query_in_the_path_is_not_looked_at(server: ServerUnderTest) -> None:
    with view(server, "/requests?from=ui") as viewer:
        assert isinstance(told(viewer), list)


def test_only_so_many_may_look(server: ServerUnderTest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_monitor, "MAX_VIEWERS", 1)
    with view(server) as viewer:
        told(viewer)
        with pytest.raises(InvalidStatus) as refused, view(server):
            pass
        assert refused.value.response.status_code == 503


def test_pings_are_answered_and_messages_ignored(project: Project) -> None:
    with view(project.server) as viewer:
        told(viewer)
        viewer.send("hello")
        viewer.send(b"\x00" * 100_000)
        assert viewer.ping().wait(TIMEOUT_S)
        get(project, "notes/1")
        assert told(viewer)["outcome"] == "error"


def test_a_viewer_who_does_not_read_is_sent_away(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(request_monitor, "MAX_UNSENT_BYTES", -1)
    with view(project.server) as viewer:
        told(viewer)
        get(project, "notes/1")
        with pytest.raises(ConnectionClosed):
            viewer.recv(TIMEOUT_S)


@pytest.mark.parametrize(
    "data",
    [
        b"GET /requests HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x00\x01\x02 nonsense\r\n\r\n",
        b"POST /requests HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc",
        b"GET /requests HTTP/1.1\r\n" + b"X: " + b"y" * 200_000,
    ],
    ids=["no upgrade", "no HTTP", "a POST", "a large header"],
)
def test_what_is_no_websocket_is_sent_away(server: ServerUnderTest, data: bytes) -> None:
    address = ("127.0.0.1", server.running.websocket_port)
    with socket.create_connection(address, timeout=TIMEOUT_S) as raw:
        try:
            raw.sendall(data)
            while raw.recv(65_536):
                pass
        except ConnectionError:
            pass
    with view(server) as viewer:
        told(viewer)


def test_a_broken_frame_ends_the_connection(server: ServerUnderTest) -> None:
    with view(server) as viewer:
        told(viewer)
        viewer.socket.sendall(b"\xff\xff\xff\xff")
        with pytest.raises(ConnectionClosed):
            viewer.recv(TIMEOUT_S)


def test_a_taken_port_leaves_the_rest_of_the_server_running() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        options = ServerOptions(host="127.0.0.1", port=0, websocket_port=port)
        with running_server(options) as running:
            assert running.running.websocket_port is None
            assert requests.get(running.url("/"), timeout=TIMEOUT_S).text == "Ok\n"


def test_the_server_ends_while_somebody_looks() -> None:
    with ExitStack() as stack:
        with running_server(ServerOptions(host="127.0.0.1", port=0, websocket_port=0)) as running:
            viewer = stack.enter_context(view(running))
            told(viewer)
        with pytest.raises(ConnectionClosed):
            viewer.recv(TIMEOUT_S)
