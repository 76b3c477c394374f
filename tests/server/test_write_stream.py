from __future__ import annotations

import queue
from collections.abc import Iterator
from typing import Any

import grpc
import pytest

from harness.server.wire import pb
from tests.server.running import Project


class Stream:
    def __init__(self, project: Project, channel: grpc.Channel, token: str = "owner") -> None:
        self.database = f"projects/{project.id}/databases/(default)"
        self._requests: queue.Queue[Any] = queue.Queue()
        call = channel.stream_stream(
            "/google.firestore.v1.Firestore/Write",
            lambda message: message.SerializeToString(),
            pb.WriteResponse.FromString,
        )
        metadata = [("authorization", f"Bearer {token}")]
        self.call = call(iter(self._requests.get, None), metadata=metadata, timeout=10)

    def send(self, **fields: Any) -> None:
        self._requests.put(pb.WriteRequest(**fields))

    def write(self, path: str, **more: Any) -> None:
        write = pb.Write(**more)
        write.update.name = f"{self.database}/documents/{path}"
        write.update.fields["n"].integer_value = 1
        self.send(writes=[write], stream_token=b"whatever")

    def failure(self) -> tuple[str, str]:
        with pytest.raises(grpc.RpcError) as error:
            next(self.call)
        return error.value.code().name, error.value.details()  # type: ignore[attr-defined]

    def end(self) -> None:
        self._requests.put(None)


@pytest.fixture
def stream(project: Project) -> Iterator[Stream]:
    with grpc.insecure_channel(project.server.host) as channel:
        made = Stream(project, channel)
        yield made
        made.end()
        made.call.cancel()


def test_writes_are_answered_in_order_with_counting_tokens(stream: Stream, db: Any) -> None:
    stream.send(database=stream.database)
    hello = next(stream.call)
    assert hello.stream_id
    assert hello.stream_token == b"0"
    stream.write("c/1")
    stream.write("c/2")
    first, second = next(stream.call), next(stream.call)
    assert (first.stream_token, second.stream_token) == (b"1", b"2")
    assert len(first.write_results) == 1
    assert first.commit_time.ToNanoseconds() < second.commit_time.ToNanoseconds()
    assert db.document("c/2").get().get("n") == 1


def test_writes_in_turn_get_server_timestamps_in_turn(stream: Stream) -> None:
    stream.send(database=stream.database)
    next(stream.call)
    # All of them are there before the first is answered: within a millisecond or two.
    transform = {"field_path": "at", "set_to_server_value": "REQUEST_TIME"}
    for number in range(20):
        stream.write(f"c/{number}", update_transforms=[transform])
    times = [next(stream.call).write_results[0].transform_results[0] for _ in range(20)]
    micros = [time.timestamp_value.ToMicroseconds() for time in times]
    assert micros == sorted(set(micros))
    assert all(each % 1_000 == 0 for each in micros)


def test_a_request_without_writes_is_the_goodbye(stream: Stream) -> None:
    stream.send(database=stream.database)
    next(stream.call)
    stream.send()
    assert next(stream.call).stream_token == b"1"
    assert list(stream.call) == []


def test_a_failed_write_ends_the_stream(stream: Stream) -> None:
    stream.send(database=stream.database)
    next(stream.call)
    stream.write("c/none", current_document=pb.Precondition(exists=True))
    code, text = stream.failure()
    assert code == "NOT_FOUND"
    assert text.startswith("No document to update: ")


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({}, "'database' must be set on an initial write request."),
        ({"stream_id": "x"}, "Resuming streams is not supported, do not set stream ID."),
        ({"writes": [pb.Write()]}, "'writes' must not be set on an initial write request."),
        (
            {"stream_token": b"x"},
            "Resuming streams is not supported, 'stream_token' must not be set on an initial write "
            "request.",
        ),
    ],
)
def test_a_wrong_handshake_is_refused(stream: Stream, fields: dict[str, Any], text: str) -> None:
    stream.send(**fields)
    assert stream.failure() == ("INVALID_ARGUMENT", text)


def test_the_verify_of_web_transactions_is_understood(stream: Stream, db: Any) -> None:
    db.document("c/1").set({"n": 1})
    stream.send(database=stream.database)
    next(stream.call)
    verify = pb.Write(verify=f"{stream.database}/documents/c/1")
    verify.current_document.exists = True
    stream.send(writes=[verify])
    assert len(next(stream.call).write_results) == 1
    verify.current_document.exists = False
    stream.send(writes=[verify])
    assert stream.failure()[0] in ("FAILED_PRECONDITION", "ALREADY_EXISTS")
