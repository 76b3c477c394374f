"""Requests are served in the turn of the loop in which they come; those that wait, wait alone, and
nobody has the server for himself.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any

import pytest

from harness.backend.databases import Backend
from harness.firestore.index_definitions import IndexDefinitions
from harness.server.at_once import run_at_once
from harness.server.grpc import GrpcCall, GrpcService
from harness.server.http2 import _AT_ONCE, Http2Connection, Http2Stream, frame
from harness.server.rpcs import FirestoreRpcs
from harness.server.shell import Shell
from harness.server.wire import pb
from tests.server.hostile import (
    DATA,
    DATABASE,
    END_HEADERS,
    END_STREAM,
    FIRESTORE,
    HEADERS,
    HELLO,
    ROOT,
    RST_STREAM,
    Heard,
    Victim,
    data_frames,
    frames_in,
    hear,
    message,
    request_head,
    victim,
)

CANCEL = (8).to_bytes(4, "big")
INVALID_ARGUMENT, DEADLINE_EXCEEDED, NOT_FOUND, ABORTED, UNIMPLEMENTED = 3, 4, 5, 10, 12

# --- coroutines -----------------------------------------------------------------------------------

current: ContextVar[str] = ContextVar("current", default="nobody's")


class Journal(list[str]):
    """What has happened, in order."""

    async def live(self, wait: Callable[[], Any]) -> None:
        current.set("mine")
        self.append("begun")
        try:
            await wait()
        except asyncio.CancelledError:
            self.append("cancelled")
            await asyncio.sleep(0.001)  # as who has to clean up
            raise
        finally:
            self.append(current.get())


def in_a_loop(function: Callable[[Journal], Any]) -> Journal:
    journal = Journal()
    asyncio.run(function(journal))
    return journal


async def nothing() -> None:
    pass


def test_what_waits_for_nothing_is_done_at_once_and_needs_no_task() -> None:
    async def run(journal: Journal) -> None:
        assert run_at_once(journal.live(nothing)) is None
        assert len(asyncio.all_tasks()) == 1

    assert in_a_loop(run) == ["begun", "mine"]


def test_what_is_raised_before_it_waits_comes_out() -> None:
    async def fail() -> None:
        raise ValueError("no")

    async def run(journal: Journal) -> None:
        with pytest.raises(ValueError, match="no"):
            run_at_once(fail())

    in_a_loop(run)


@pytest.mark.parametrize("is_over", [True, False], ids=["over already", "to come"])
def test_what_waits_goes_on_in_its_own_context_when_that_is_over(is_over: bool) -> None:
    async def run(journal: Journal) -> None:
        event = asyncio.Event()
        future = asyncio.get_running_loop().create_future()
        task = run_at_once(journal.live(lambda: asyncio.wait((future,))))
        assert task is not None
        assert (current.get(), journal) == ("nobody's", ["begun"])
        if is_over:
            future.set_result(None)
        else:
            asyncio.get_running_loop().call_later(0.01, future.set_result, None)
            asyncio.get_running_loop().call_later(0.02, event.set)
            await event.wait()
        await task

    assert in_a_loop(run) == ["begun", "mine"]


def test_who_only_lets_others_go_first_goes_on() -> None:
    async def run(journal: Journal) -> None:
        task = run_at_once(journal.live(lambda: asyncio.sleep(0)))
        assert task is not None
        await task

    assert in_a_loop(run) == ["begun", "mine"]


@pytest.mark.parametrize("turns", [0, 1, 2])
def test_what_waits_can_be_cancelled_at_any_time(turns: int) -> None:
    async def run(journal: Journal) -> None:
        task = run_at_once(journal.live(lambda: asyncio.sleep(600)))
        assert task is not None
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    assert in_a_loop(run) == ["begun", "cancelled", "mine"]


# --- connections ----------------------------------------------------------------------------------


class Nowhere(asyncio.Transport):
    """A connection that keeps what is sent, by writes."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[bytes] = []

    def write(self, data: Any) -> None:
        self.sent.append(bytes(data))

    def is_closing(self) -> bool:
        return False

    def get_write_buffer_size(self) -> int:
        return 0

    def statuses(self) -> list[int]:
        return [
            status
            for status, _ in Heard(frames_in(b"".join(self.sent)), is_closed=False).statuses()
        ]


class Loopback:
    """A server without sockets, and the connections to it."""

    def __init__(self) -> None:
        self.backend = Backend(IndexDefinitions())
        self.service = GrpcService(FirestoreRpcs(Shell(self.backend)), (), lambda *_: None)  # type: ignore[arg-type,return-value]

    def connect(self) -> tuple[Http2Connection, Nowhere]:
        transport = Nowhere()
        connection = Http2Connection(self.service.make_handler, lambda: None)
        connection.connection_made(transport)
        connection.data_received(HELLO)
        return connection, transport

    def texts(self) -> list[str]:
        """What has been written to the one document, the newest last."""
        (service,) = self.backend.databases.values()
        return [
            str(change.after.fields["text"])
            for record in service.log.since(0)
            for change in record.changes
            if change.after is not None
        ]


def commit(stream_id: int, text: str, **headers: str) -> bytes:
    """Return a request that writes a text into the one document, as frames."""
    request = pb.CommitRequest(database=DATABASE)
    update = request.writes.add().update
    update.name = f"{ROOT}/c/1"
    update.fields["text"].string_value = text
    return call(stream_id, "Commit", request, **headers)


def call(stream_id: int, method: str, request: Any, **headers: str) -> bytes:
    head = request_head(FIRESTORE + method, **headers)
    body = message(request.SerializeToString())
    return frame(HEADERS, END_HEADERS, stream_id, head) + data_frames(stream_id, body)


def many(count: int, first: int = 0) -> bytes:
    numbers = range(first, first + count)
    return b"".join(commit(2 * number + 1, str(number)) for number in numbers)


def test_an_answer_leaves_in_the_turn_of_its_request_and_in_one_write() -> None:
    async def run() -> list[bytes]:
        connection, transport = Loopback().connect()
        transport.sent.clear()
        connection.data_received(commit(1, "a") + commit(3, "b"))
        assert transport.statuses() == [0, 0]
        return transport.sent

    assert len(asyncio.run(run())) == 1


def test_who_sends_much_at_once_lets_others_have_their_turn() -> None:
    async def run() -> None:
        server = Loopback()
        greedy, many_answers = server.connect()
        modest, one_answer = server.connect()
        greedy.data_received(many(100))
        assert len(many_answers.statuses()) == _AT_ONCE
        modest.data_received(commit(1, "modest"))
        assert one_answer.statuses() == [0]
        turns = 0
        while len(many_answers.statuses()) < 100:
            turns += 1
            assert turns < 100
            await asyncio.sleep(0)
        assert turns >= 100 // _AT_ONCE
        assert many_answers.statuses() == [0] * 100

    asyncio.run(run())


def test_nobody_overtakes_who_came_before_him_on_the_same_connection() -> None:
    async def run() -> list[str]:
        server = Loopback()
        connection, transport = server.connect()
        connection.data_received(many(20))
        connection.data_received(many(3, first=20))
        for _ in range(10):
            await asyncio.sleep(0)
            connection.data_received(b"")
        assert len(transport.statuses()) == 23
        return server.texts()

    assert asyncio.run(run()) == [str(number) for number in range(23)]


def test_who_is_cancelled_before_his_turn_is_not_served() -> None:
    async def run() -> list[str]:
        server = Loopback()
        connection, _ = server.connect()
        cancelled = frame(RST_STREAM, 0, 2 * 15 + 1, CANCEL)
        connection.data_received(many(20) + cancelled)
        for _ in range(10):
            await asyncio.sleep(0)
        return server.texts()

    assert asyncio.run(run()) == [str(number) for number in range(20) if number != 15]


def test_a_connection_that_is_lost_takes_its_requests_with_it() -> None:
    async def run() -> list[str]:
        server = Loopback()
        connection, _ = server.connect()
        connection.data_received(many(20))
        connection.connection_lost(None)
        for _ in range(10):
            await asyncio.sleep(0)
        return server.texts()

    assert asyncio.run(run()) == [str(number) for number in range(_AT_ONCE)]


def test_a_request_leaves_nothing_that_only_the_garbage_collector_finds() -> None:
    async def run() -> list[Any]:
        server = Loopback()
        connection, transport = server.connect()
        gc.disable()
        try:
            for number in range(0, 40, 2):
                late = commit(2 * number + 1, "late", grpc_timeout="30S")
                missing = pb.GetDocumentRequest(name=f"{ROOT}/c/none")
                connection.data_received(late + call(2 * number + 3, "GetDocument", missing))
            wrong = call(101, "GetDocument", pb.GetDocumentRequest(name="nowhere"))
            connection.data_received(wrong + call(103, "Unheard", pb.Empty()))
            refused = [INVALID_ARGUMENT, UNIMPLEMENTED]
            assert sorted(transport.statuses()) == sorted([0, NOT_FOUND] * 20 + refused)
            # Of this server alone: others in this process make garbage of their own.
            return [
                each
                for each in gc.get_objects()
                if (isinstance(each, Http2Stream) and each._connection is connection)
                or (isinstance(each, GrpcCall) and each._service is server.service)
            ]
        finally:
            gc.enable()

    assert asyncio.run(run()) == []


# --- who waits, over sockets ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Victim]:
    with victim(tmp_path_factory.mktemp("server")) as found:
        yield found


class Talk:
    """One connection on which several requests are on the way."""

    def __init__(self, server: Victim) -> None:
        self._socket = server.connect()
        self._socket.sendall(HELLO)
        self._stream_id = -1
        self._frames: list[tuple[int, int, int, bytes]] = []

    def send(self, method: str, request: Any, **headers: str) -> int:
        self._stream_id += 2
        self._socket.sendall(call(self._stream_id, method, request, **headers))
        return self._stream_id

    def commit(self, text: str, **headers: str) -> int:
        self._stream_id += 2
        self._socket.sendall(commit(self._stream_id, text, **headers))
        return self._stream_id

    def cancel(self, stream_id: int) -> None:
        self._socket.sendall(frame(RST_STREAM, 0, stream_id, CANCEL))

    def answer(self) -> tuple[int, int, bytes]:
        """Return the stream, the status and the message of the next answer."""
        while not (ended := [each[2] for each in self._frames if each[1] & END_STREAM]):
            heard = hear(self._socket, lambda heard: bool(heard.frames))
            self._frames += [each for each in heard.frames if each[2]]  # 0 is the connection
        stream_id = ended[0]
        own = [each for each in self._frames if each[2] == stream_id]
        self._frames = [each for each in self._frames if each[2] != stream_id]
        data = b"".join(payload for kind, _, _, payload in own if kind == DATA)
        return stream_id, Heard(own, is_closed=False).statuses()[0][0], data[5:]

    def begin_and_read(self) -> bytes:
        """Open a transaction that has read the one document."""
        self.send("BeginTransaction", pb.BeginTransactionRequest(database=DATABASE))
        transaction: bytes = pb.BeginTransactionResponse.FromString(self.answer()[2]).transaction
        read = pb.BatchGetDocumentsRequest(
            database=DATABASE, documents=[f"{ROOT}/c/1"], transaction=transaction
        )
        self.send("BatchGetDocuments", read)
        assert self.answer()[1] == 0
        return transaction

    def roll_back(self, transaction: bytes) -> None:
        self.send("Rollback", pb.RollbackRequest(database=DATABASE, transaction=transaction))
        assert self.answer()[1] == 0

    def text(self) -> str:
        self.send("GetDocument", pb.GetDocumentRequest(name=f"{ROOT}/c/1"))
        found: str = pb.Document.FromString(self.answer()[2]).fields["text"].string_value
        return found

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def talk(server: Victim) -> Iterator[Talk]:
    found = Talk(server)
    found.commit("at first")
    assert found.answer()[1] == 0
    yield found
    found.close()


def test_a_commit_that_waits_for_a_lock_holds_nobody_up_and_is_answered_in_the_end(
    talk: Talk,
) -> None:
    transaction = talk.begin_and_read()
    waiting = talk.commit("waited")
    assert talk.text() == "at first"
    talk.send("Rollback", pb.RollbackRequest(database=DATABASE, transaction=transaction))
    answers = [talk.answer()[:2], talk.answer()[:2]]
    assert (waiting, 0) in answers
    assert talk.text() == "waited"


def test_a_commit_that_waits_and_is_cancelled_is_not_done(talk: Talk) -> None:
    transaction = talk.begin_and_read()
    waiting = talk.commit("cancelled")
    assert talk.text() == "at first"
    talk.cancel(waiting)
    talk.roll_back(transaction)
    assert talk.text() == "at first"
    talk.commit("the next")
    assert talk.answer()[1] == 0


def test_a_deadline_ends_a_commit_that_waits(talk: Talk) -> None:
    transaction = talk.begin_and_read()
    began = time.monotonic()
    waiting = talk.commit("late", grpc_timeout="200m")
    assert talk.answer()[:2] == (waiting, DEADLINE_EXCEEDED)
    assert time.monotonic() - began < 2
    talk.roll_back(transaction)
    assert talk.text() == "at first"


def test_a_commit_that_waits_for_too_long_is_aborted(talk: Talk) -> None:
    transaction = talk.begin_and_read()
    waiting = talk.commit("in vain")
    assert talk.answer()[:2] == (waiting, ABORTED)
    talk.roll_back(transaction)
    assert talk.text() == "at first"
