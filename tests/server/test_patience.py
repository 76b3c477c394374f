"""Clients that stop in the middle of something, do not read, or go away: how long the server waits
for them, how much it keeps, and that it lets go.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests
from google.api_core import exceptions

from harness.backend import databases
from harness.backend.databases import Backend
from harness.emulators.firestore_client import firestore_client
from harness.firestore.index_definitions import IndexDefinitions
from harness.server import listen, request_monitor, transport
from harness.server.bounds import Incoming
from harness.server.grpc import GrpcService
from harness.server.http2 import Http2Connection, frame
from harness.server.options import ServerOptions
from harness.server.rpcs import FirestoreRpcs
from harness.server.shell import Shell
from harness.server.transport import PortServer
from harness.server.wire import pb
from tests.server.hostile import (
    DATA,
    END_HEADERS,
    FIRESTORE,
    HEADERS,
    HELLO,
    LIMIT_S,
    ROOT,
    SETTINGS,
    WINDOW_UPDATE,
    data_frames,
    eventually,
    get_document,
    hear,
    message,
    request_head,
    victim,
)
from tests.server.running import Project, ServerUnderTest, new_project_id, running_server
from tests.server.test_http2 import MemoryTransport

QUICK = ServerOptions(host="127.0.0.1", port=0, round_s=0.01)
"""A second is a hundredth of one: connections are looked at so often."""

OPEN = frame(HEADERS, END_HEADERS, 1, request_head())


@pytest.fixture(scope="module")
def quick() -> Iterator[ServerUnderTest]:
    with running_server(QUICK) as running:
        yield running


def connect(server: ServerUnderTest) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.running.port), timeout=LIMIT_S)


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        pytest.param(b"", b"", id="nothing"),
        pytest.param(b"PRI", b"", id="the beginning of a preface"),
        pytest.param(HELLO[:12], b"nothing has come for too long", id="half a preface"),
        pytest.param(HELLO[:24], b"nothing has come for too long", id="a preface"),
        pytest.param(HELLO[:30], b"nothing has come for too long", id="half a frame"),
        pytest.param(
            HELLO + frame(HEADERS, 0, 1, request_head()),
            b"nothing has come for too long",
            id="half a header block",
        ),
        pytest.param(b"GE", b"HTTP/1.1 408", id="half a method"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: x\r\n", b"HTTP/1.1 408", id="half a head"),
        pytest.param(
            b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nx",
            b"HTTP/1.1 408",
            id="half a body",
        ),
        pytest.param(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"HTTP/1.1 200", id="no more requests"),
    ],
)
def test_whoever_stops_in_the_middle_is_sent_away(
    quick: ServerUnderTest, said: bytes, answer: bytes
) -> None:
    with connect(quick) as connection:
        connection.sendall(said)
        received = b""
        while part := connection.recv(65_536):
            received += part
    assert answer in received
    assert bool(answer) == bool(received)


def test_whoever_trickles_a_head_is_sent_away(quick: ServerUnderTest) -> None:
    with connect(quick) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n")
        connection.settimeout(0.05)
        end = time.monotonic() + LIMIT_S
        received = b""
        while not received:
            assert time.monotonic() < end, "it waits for ever"
            try:
                connection.sendall(b"x")
                received = connection.recv(65_536)
            except TimeoutError:
                continue
    assert received.startswith(b"HTTP/1.1 408")


def test_half_a_request_is_given_up(quick: ServerUnderTest) -> None:
    body = get_document(f"{ROOT}/c/a")
    with connect(quick) as connection:
        connection.sendall(HELLO + OPEN + frame(DATA, 0, 1, body[:7]))
        heard = hear(connection, lambda heard: bool(heard.statuses()))
        assert heard.statuses() == [(4, "The request has not come to its end.")]
        # The connection goes on.
        again = frame(HEADERS, END_HEADERS, 3, request_head()) + data_frames(3, body)
        connection.sendall(again)
        assert hear(connection, lambda heard: bool(heard.statuses())).statuses()[0][0] == 5


def test_a_listener_may_be_silent_and_a_connection_idle(quick: ServerUnderTest) -> None:
    head = request_head(FIRESTORE + "Listen")
    with connect(quick) as connection:
        connection.sendall(HELLO + frame(HEADERS, END_HEADERS, 1, head))
        time.sleep(150 * QUICK.round_s)
        connection.sendall(frame(6, 0, 0, b"are you?"))
        heard = hear(connection, lambda heard: any(kind == 6 for kind, *_ in heard.frames))
        assert not heard.statuses()
        assert not heard.resets()
        assert heard.goodbye() is None


def test_last_words_do_not_wait_for_ever(
    quick: ServerUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Answers to more than a socket holds, then a broken frame: the goodbye cannot leave."""
    with connect(quick) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        number = quick.running.port
        connection.sendall(HELLO + frame(6, 0, 0, bytes(8)) * 9_000)
        connection.sendall(frame(SETTINGS, 0, 0, bytes(5)))
        eventually(lambda: not closing(number, connection), "its connection is still there")


def closing(port: int, connection: socket.socket) -> bool:
    own = connection.getsockname()[1]
    return any(
        each.laddr.port == port and each.raddr and each.raddr.port == own
        for each in psutil.Process().net_connections("tcp")
        if each.status == "ESTABLISHED"
    )


def test_more_connections_than_there_are_files_for_are_closed() -> None:
    assert transport.most_connections() > 0
    with running_server(QUICK) as server, ExitStack() as stack:
        ports = [
            each
            for each in _objects(PortServer)
            if each._server is not None and each._server.is_serving()
        ]
        for each in ports:
            each.max_connections, before = 3, each.max_connections
            stack.callback(setattr, each, "max_connections", before)
        opened = [stack.enter_context(connect(server)) for _ in range(4)]
        assert opened[-1].recv(1) == b""
        opened[0].close()
        eventually(lambda: _serves(server), "no room was made")


def _serves(server: ServerUnderTest) -> bool:
    with connect(server) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        try:
            return connection.recv(64).startswith(b"HTTP/1.1 200")
        except ConnectionError:
            return False


def _objects(kind: type) -> list[Any]:
    return [each for each in gc.get_objects() if type(each) is kind]


# --- clients that do not read ---------------------------------------------------------------------


@pytest.fixture
def project(quick: ServerUnderTest) -> Iterator[Project]:
    with ExitStack() as cleanups:
        yield Project(quick, new_project_id(), cleanups.callback)


def listen_request(project: Project) -> bytes:
    request = pb.ListenRequest(database=f"projects/{project.id}/databases/(default)")
    request.add_target.target_id = 2
    request.add_target.query.parent = project.root.removeprefix("/v1/")
    getattr(request.add_target.query.structured_query, "from").add(collection_id="c")
    return message(request.SerializeToString())


def test_a_listener_that_does_not_read_is_told_when_it_does(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listen, "MAX_QUEUED", 20)
    listeners = project.server.running.shell.commit_listeners
    before = len(listeners)
    db = project.client()
    head = request_head(FIRESTORE + "Listen")
    with connect(project.server) as connection:
        # No window: whatever is sent waits in the server.
        no_window = frame(SETTINGS, 0, 0, b"\x00\x04\x00\x00\x00\x00")
        connection.sendall(HELLO + no_window + frame(HEADERS, END_HEADERS, 1, head))
        connection.sendall(data_frames(1, listen_request(project), end=False))
        time.sleep(0.2)
        for number in range(40):
            db.document(f"c/{number}").set({"text": "x" * 50_000})
        connection.sendall(frame(WINDOW_UPDATE, 0, 1, b"\x10\x00\x00\x00"))
        connection.sendall(frame(WINDOW_UPDATE, 0, 0, b"\x10\x00\x00\x00"))
        heard = hear(connection, lambda heard: bool(heard.statuses()))
    assert heard.statuses() == [(8, "The client does not read its listen stream.")]
    eventually(lambda: len(listeners) == before, "it still listens")


def test_an_answer_that_is_not_read_is_not_made(project: Project, quick: ServerUnderTest) -> None:
    """50 MB asked for a hundred times, and never read."""
    db = project.client()
    for start in range(0, 50, 10):
        batch = db.batch()
        for number in range(start, start + 10):
            batch.set(db.document(f"c/{number}"), {"text": "x" * 1_000_000})
        batch.commit()
    request = pb.RunQueryRequest(parent=project.root.removeprefix("/v1/"))
    getattr(request.structured_query, "from").add(collection_id="c")
    body = message(request.SerializeToString())
    head = request_head(FIRESTORE + "RunQuery")
    memory = psutil.Process().memory_info().rss
    with connect(quick) as connection:
        connection.sendall(HELLO)
        for number in range(100):
            stream_id = 2 * number + 1
            connection.sendall(
                frame(HEADERS, END_HEADERS, stream_id, head) + data_frames(stream_id, body)
            )
        time.sleep(1)
        started = time.monotonic()
        assert db.document("c/1").get().exists
        assert time.monotonic() - started < 10
        # One document of each answer at most, and what the sockets hold.
        assert psutil.Process().memory_info().rss - memory < 400_000_000


def test_requests_of_a_client_that_does_not_read_wait(quick: ServerUnderTest) -> None:
    """Requests without end on a connection of HTTP/1.1, of which no answer is ever read."""
    request = b"GET /harness/v1/info HTTP/1.1\r\nHost: x\r\n\r\n" * 1_000
    assert sent_before_it_blocks(quick, request) < 200_000_000


def test_control_frames_are_not_answered_without_end(quick: ServerUnderTest) -> None:
    """A client that asks and never reads is held, or sent away."""
    assert sent_before_it_blocks(quick, frame(6, 0, 0, bytes(8)) * 500, HELLO) < 200_000_000


def sent_before_it_blocks(server: ServerUnderTest, data: bytes, first: bytes = b"") -> int:
    """Return how many bytes a server takes in of a client that does not read."""
    sent = 0
    with connect(server) as connection, contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        connection.sendall(first)
        connection.settimeout(1)
        while sent < 200_000_000:
            sent += connection.send(data)
    return sent


def test_a_viewer_who_only_pings_is_sent_away(
    quick: ServerUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(request_monitor, "MAX_UNSENT_BYTES", 10_000)
    with running_server(ServerOptions(host="127.0.0.1", port=0, websocket_port=0)) as server:
        address = ("127.0.0.1", server.running.websocket_port)
        with socket.create_connection(address, timeout=60) as viewer:
            viewer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            viewer.sendall(
                b"GET /requests HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n"
                b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
            )
            ping = b"\x89\xfd\x00\x00\x00\x00" + bytes(125)
            with pytest.raises(ConnectionError):
                viewer.sendall(ping * 100_000)


# --- clients that name databases without end ------------------------------------------------------


def test_a_client_may_name_a_new_database_in_each_request(
    quick: ServerUnderTest, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = quick.running.shell.backend
    monkeypatch.setattr(databases, "MAX_DATABASES", most := len(backend.databases) + 20)
    project.client().document("c/a").set({"n": 1})
    listener = Project(quick, new_project_id(), lambda _: None)
    db = listener.client()
    found = threading.Semaphore(0)
    watch = db.document("c/a").on_snapshot(lambda *_: found.release())
    assert found.acquire(timeout=LIMIT_S)
    for number in range(5 * most):
        root = f"/v1/projects/demo-many-{number}/databases/(default)/documents"
        assert quick.http("GET", f"{root}/c/a").status_code == 404
    assert len(backend.databases) <= most
    assert project.client().document("c/a").get().get("n") == 1
    db.document("c/a").set({"n": 2})
    assert found.acquire(timeout=LIMIT_S)
    watch.unsubscribe()


def test_databases_with_documents_have_an_end(
    quick: ServerUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = quick.running.shell.backend
    monkeypatch.setattr(databases, "MAX_DATABASES", 20 + len(backend.databases))
    roots = [
        f"/v1/projects/demo-full-{number}/databases/(default)/documents" for number in range(99)
    ]
    answers = {root: quick.http("PATCH", f"{root}/c/a", json={}) for root in roots}
    refused = {root: each for root, each in answers.items() if each.status_code != 200}
    assert 0 < len(refused) < 99
    for each in refused.values():
        assert each.status_code == 429
        assert each.json()["error"]["status"] == "RESOURCE_EXHAUSTED"
        assert "databases with documents or listeners" in each.json()["error"]["message"]
    for root in answers.keys() - refused.keys():
        assert quick.http("DELETE", f"{root}/c/a").status_code == 200
    for root in refused:
        assert quick.http("PATCH", f"{root}/c/a", json={}).status_code in (200, 429)
    assert quick.http("GET", f"{next(iter(refused))}/c/a").status_code == 200


# --- clients that have gone -----------------------------------------------------------------------


def test_a_call_whose_client_has_gone_is_cancelled(project: Project) -> None:
    db = project.client()
    db.document("c/a").set({"n": 1})
    transaction = db.transaction()
    transaction._begin()
    db.document("c/a").get(transaction=transaction)
    request = pb.CommitRequest(database=f"projects/{project.id}/databases/(default)")
    request.writes.add().update.name = f"{project.root.removeprefix('/v1/')}/c/a"
    body = data_frames(1, message(request.SerializeToString()))
    head = request_head(FIRESTORE + "Commit")
    with connect(project.server) as connection:
        connection.sendall(HELLO + frame(HEADERS, END_HEADERS, 1, head) + body)
        time.sleep(0.3)  # it waits for the transaction
    eventually(
        lambda: any(each["status"] == "CANCELLED" for each in project.requests()),
        "it is not cancelled",
    )
    transaction._rollback()
    assert db.document("c/a").get().get("n") == 1


def test_what_is_not_complete_is_counted_and_given_back() -> None:
    incoming = Incoming(limit_bytes=100_000)

    async def run() -> bytes:
        shell = Shell(Backend(IndexDefinitions()))
        service = GrpcService(FirestoreRpcs(shell), [], lambda *_: None, None, incoming)  # type: ignore[arg-type,return-value]
        memory = MemoryTransport()
        connection = Http2Connection(service.make_handler, lambda: None)
        connection.connection_made(memory)  # type: ignore[arg-type]
        connection.data_received(HELLO)
        part = message(b"", size=90_000) + bytes(60_000)
        for stream_id in (1, 3):
            connection.data_received(frame(HEADERS, END_HEADERS, stream_id, request_head()))
            connection.data_received(data_frames(stream_id, part, end=False))
        said = memory.take()
        assert incoming.held_bytes == 60_005, "the second was refused, and let go"
        connection.connection_lost(None)
        await asyncio.sleep(0)
        return said

    said = asyncio.run(run())
    assert b"Requests that are not complete hold more" in said
    assert incoming.held_bytes == 0


def test_a_vanished_client_keeps_its_locks_for_a_minute_of_the_clock(project: Project) -> None:
    db = project.client()
    vanishing = project.client()
    transaction = vanishing.transaction()
    transaction._begin()
    vanishing.document("c/a").get(transaction=transaction)
    vanishing.close()
    with pytest.raises(exceptions.Aborted):
        db.document("c/a").set({}, retry=None)
    path = f"/harness/v1/projects/{project.id}/clock"
    try:
        assert project.server.http("POST", f"{path}:advance", json={"seconds": 61}).ok
        db.document("c/a").set({"n": 1}, retry=None)
    finally:
        project.server.http("DELETE", path)


# --- long answers ---------------------------------------------------------------------------------


def test_others_are_served_while_a_long_answer_is_made(tmp_path: Path) -> None:
    """Three thousand documents by query, by listener and as JSON; nobody waits for all of it."""
    # Where a page may hold all of a collection.
    with victim(tmp_path, "--profile", "emulator") as server:
        db = firestore_client(server.address, "demo-hostile")
        batch = db.batch()
        for number in range(3_000):
            batch.set(db.document(f"c/{number:05}"), {"n": number, "text": "x" * 100})
        batch.commit()
        first = threading.Event()
        works = {
            "query": lambda: sum(1 for _ in db.collection("c").stream()),
            "listener": lambda: (
                db.collection("c").on_snapshot(lambda *_: first.set()),
                first.wait(LIMIT_S),
            ),
            "JSON of a query": lambda: requests.post(
                f"{server.rest}:runQuery",
                json={"structuredQuery": {"from": [{"collectionId": "c"}]}},
                timeout=60,
            ),
            "JSON of a page": lambda: requests.get(f"{server.rest}/c", timeout=60),
        }
        other = firestore_client(server.address, "demo-hostile")
        with ThreadPoolExecutor(1) as pool:
            for name, work in works.items():
                running = pool.submit(work)
                served_times = 0
                while not running.done():
                    other.document("c/00001").get()
                    served_times += 1
                running.result()
                assert served_times > 5, f"{name}: others waited"
        page = requests.get(f"{server.rest}/c?pageSize=150", timeout=60).json()
        assert len(page["documents"]) == 150
        assert page["nextPageToken"]
        db.close()
        other.close()
