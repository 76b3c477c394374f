"""Our HTTP/2 against the h2 library as its client: in memory, whole and one byte at a time."""

from __future__ import annotations

import asyncio
import functools
import socket
from collections.abc import Callable
from typing import Any

import h2.config
import h2.connection
import h2.events
import h2.settings
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.server.http2 import PREFACE, Http2Connection, Http2Stream, frame
from harness.server.http2_headers import HeaderReader, Headers, write_headers

HEAD = b"\x88" + write_headers([("content-type", "text/plain")])
END = write_headers([("x-status", "0")])
REQUEST = [(":method", "POST"), (":path", "/x"), (":scheme", "http"), (":authority", "a")]


class MemoryTransport:
    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default

    def __init__(self) -> None:
        self.out = bytearray()
        self.is_closed = False

    def write(self, data: bytes) -> None:
        self.out += data

    def close(self) -> None:
        self.is_closed = True

    def is_closing(self) -> bool:
        return self.is_closed

    def take(self) -> bytes:
        data = bytes(self.out)
        self.out.clear()
        return data


class Recorder:
    """Keeps what a request sends; answers when told to."""

    def __init__(self, stream: Http2Stream, headers: Headers) -> None:
        self.stream = stream
        self.headers = headers
        self.body = b""
        self.is_complete = False
        self.is_lost = False

    def data(self, data: bytes) -> None:
        self.body += data

    def end(self) -> None:
        self.is_complete = True

    def lost(self) -> None:
        self.is_lost = True


class Pair:
    """A client of the h2 library and our server, joined without sockets."""

    def __init__(self, chunk: int | None = None, **settings: int) -> None:
        self.requests: list[Recorder] = []
        self.losses = 0
        self.chunk = chunk
        self.transport = MemoryTransport()
        self.server = Http2Connection(self._make, self._lost)
        self.client = h2.connection.H2Connection(
            h2.config.H2Configuration(client_side=True, header_encoding="utf-8")
        )
        if settings:
            self.client.local_settings.update(
                {getattr(h2.settings.SettingCodes, name): value for name, value in settings.items()}
            )
        self.server.connection_made(self.transport)  # type: ignore[arg-type]
        self.client.initiate_connection()
        self.exchange()

    def _make(self, stream: Http2Stream, headers: Headers) -> Recorder:
        self.requests.append(Recorder(stream, headers))
        return self.requests[-1]

    def _lost(self) -> None:
        self.losses += 1

    def exchange(self) -> list[Any]:
        """Carry bytes both ways until there are no more; returns what the client saw."""
        seen = []
        while True:
            to_server = self.client.data_to_send()
            step = self.chunk or max(len(to_server), 1)
            for start in range(0, len(to_server), step):
                self.server.data_received(to_server[start : start + step])
            to_client = self.transport.take()
            if not to_server and not to_client:
                return seen
            if to_client:
                seen += self.client.receive_data(to_client)

    def request(self, body: bytes = b"", *, end: bool = True, **more: str) -> tuple[int, Recorder]:
        stream_id = self.client.get_next_available_stream_id()
        fields = [*REQUEST, *((name.replace("_", "-"), value) for name, value in more.items())]
        self.client.send_headers(stream_id, fields, end_stream=end and not body)
        for start in range(0, len(body), 16_384):
            part = body[start : start + 16_384]
            while self.client.local_flow_control_window(stream_id) < len(part):
                self.exchange()
            last = start + 16_384 >= len(body)
            self.client.send_data(stream_id, part, end_stream=end and last)
        self.exchange()
        return stream_id, self.requests[-1]


def of_kind(events: list[Any], kind: type) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


@pytest.fixture(params=[None, 1, 7])
def pair(request: pytest.FixtureRequest) -> Pair:
    """Joined in pieces of all, one, and seven bytes."""
    return Pair(request.param)


def in_loop(function: Callable[..., None]) -> Callable[..., None]:
    """Run a plain test with a running event loop, which streams need to wake their writers."""

    @functools.wraps(function)
    def test(*arguments: Any, **named: Any) -> None:
        async def run() -> None:
            function(*arguments, **named)
            await asyncio.sleep(0)

        asyncio.run(run())

    return test


@in_loop
def test_a_request_arrives_whole(pair: Pair) -> None:
    _, request = pair.request(b"hello", x_note="žluť".encode().decode("latin-1"))
    assert request.headers[":path"] == "/x"
    assert request.body == b"hello"
    assert request.is_complete


@in_loop
def test_an_answer_has_head_data_and_trailers(pair: Pair) -> None:
    stream_id, request = pair.request(b"x")
    request.stream.send(HEAD, b"answer", END)
    events = pair.exchange()
    (response,) = of_kind(events, h2.events.ResponseReceived)
    assert dict(response.headers) == {":status": "200", "content-type": "text/plain"}
    assert of_kind(events, h2.events.DataReceived)[0].data == b"answer"
    assert dict(of_kind(events, h2.events.TrailersReceived)[0].headers) == {"x-status": "0"}
    assert of_kind(events, h2.events.StreamEnded)[0].stream_id == stream_id


@in_loop
def test_several_requests_are_told_apart(pair: Pair) -> None:
    first, one = pair.request(b"1", end=False)
    second, two = pair.request(b"2")
    two.stream.send(HEAD, b"two", END)
    pair.client.send_data(first, b"3", end_stream=True)
    pair.exchange()
    assert (one.body, two.body) == (b"13", b"2")
    assert one.is_complete
    assert second > first


@in_loop
def test_padded_data_loses_its_padding(pair: Pair) -> None:
    stream_id, request = pair.request(end=False)
    pair.client.send_data(stream_id, b"abc", pad_length=9, end_stream=True)
    pair.exchange()
    assert request.body == b"abc"


@in_loop
def test_long_headers_come_in_continuations(pair: Pair) -> None:
    _, request = pair.request(x_long="a" * 40_000)
    assert request.headers["x-long"] == "a" * 40_000


@in_loop
def test_a_ping_is_answered_however_often() -> None:
    pair = Pair()
    for number in range(100):
        pair.client.ping(number.to_bytes(8, "big"))
        assert of_kind(pair.exchange(), h2.events.PingAckReceived)


@in_loop
def test_a_large_request_is_let_through_by_window_updates() -> None:
    pair = Pair()
    body = bytes(range(256)) * 50_000
    _, request = pair.request(body)
    assert request.body == body
    assert request.is_complete


@in_loop
def test_a_large_answer_waits_for_the_clients_windows() -> None:
    pair = Pair()
    stream_id, request = pair.request()
    answer = bytes(range(256)) * 1000
    request.stream.send(HEAD, answer, END)
    received = b""
    events = pair.exchange()
    assert not of_kind(events, h2.events.StreamEnded)
    while not of_kind(events, h2.events.StreamEnded):
        parts = of_kind(events, h2.events.DataReceived)
        assert parts, "nothing came although the window is open"
        for part in parts:
            received += part.data
            pair.client.acknowledge_received_data(part.flow_controlled_length, stream_id)
        events = pair.exchange()
    received += b"".join(part.data for part in of_kind(events, h2.events.DataReceived))
    assert received == answer


@in_loop
def test_a_smaller_window_of_the_client_holds_for_open_streams_too() -> None:
    pair = Pair()
    _, request = pair.request()
    pair.client.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 10})
    pair.exchange()
    request.stream.send(HEAD, b"x" * 25, END)
    assert sum(len(e.data) for e in of_kind(pair.exchange(), h2.events.DataReceived)) == 10
    pair.client.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 1000})
    events = pair.exchange()
    assert sum(len(e.data) for e in of_kind(events, h2.events.DataReceived)) == 15
    assert of_kind(events, h2.events.StreamEnded)


@in_loop
def test_what_a_client_cancels_is_told_to_its_handler(pair: Pair) -> None:
    stream_id, request = pair.request(b"x", end=False)
    pair.client.reset_stream(stream_id)
    pair.exchange()
    assert request.is_lost
    request.stream.send(HEAD, b"too late", END)
    assert pair.transport.take() == b""


@in_loop
def test_a_request_that_ends_twice_is_served_once_and_reset(pair: Pair) -> None:
    stream_id, request = pair.request(b"x")
    ends = 0

    def end() -> None:
        nonlocal ends
        ends += 1

    request.end = end  # type: ignore[method-assign]
    pair.server.data_received(frame(1, 0x5, stream_id, write_headers([("x-late", "1")])))
    assert ends == 0
    assert request.is_lost
    reset = pair.transport.take()
    assert reset == frame(3, 0, stream_id, (5).to_bytes(4, "big"))


@in_loop
def test_a_lost_connection_is_told_to_every_request() -> None:
    pair = Pair()
    _, one = pair.request(end=False)
    _, two = pair.request()
    pair.server.connection_lost(None)
    assert one.is_lost
    assert two.is_lost
    assert pair.losses == 1


def test_an_answer_before_the_end_of_the_request_stops_the_request() -> None:
    async def run() -> list[Any]:
        pair = Pair()
        _, request = pair.request(b"x", end=False)
        request.stream.send(HEAD, b"enough", END)
        await asyncio.sleep(0)
        return pair.exchange()

    events = asyncio.run(run())
    assert of_kind(events, h2.events.StreamEnded)
    assert of_kind(events, h2.events.StreamReset)[0].error_code == 0


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n", 1),
        (PREFACE + frame(0, 0, 1, b"data"), 1),
        (PREFACE + frame(1, 4, 2, HEAD), 1),
        (PREFACE + frame(9, 4, 1, HEAD), 1),
        (PREFACE + frame(1, 0, 1, b"") + frame(6, 0, 0, bytes(8)), 1),
        (PREFACE + frame(1, 0xC, 1, b"\xff"), 1),
        (PREFACE + frame(1, 4, 1, b"\x40"), 9),
        (PREFACE + frame(4, 0, 0, b"xxx"), 6),
        (PREFACE + frame(5, 4, 1, bytes(8)), 1),
        (PREFACE + frame(6, 0, 0, b"short"), 6),
        (PREFACE + frame(8, 0, 0, bytes(4)), 3),
        (PREFACE + frame(8, 0, 0, b"\x7f\xff\xff\xff"), 3),
        (PREFACE + frame(0, 0, 1, bytes(16_385)), 6),
        (PREFACE + frame(1, 0, 1, b"") + frame(9, 0, 1, bytes(16_000)) * 5, 11),
    ],
)
def test_a_client_that_breaks_the_protocol_is_told_and_dropped(sent: bytes, code: int) -> None:
    transport = MemoryTransport()
    connection = Http2Connection(Recorder, lambda: None)
    connection.connection_made(transport)  # type: ignore[arg-type]
    transport.take()
    connection.data_received(sent)
    assert transport.is_closed
    answer = transport.take()
    goodbye = answer[answer.index(b"\x07\0\0\0\0\0") :]
    assert int.from_bytes(goodbye[10:14], "big") == code


def test_what_is_left_to_say_when_a_client_is_gone_is_dropped() -> None:
    """A real uvloop: unlike those of asyncio, its transports raise when written to after that."""
    uvloop = pytest.importorskip("uvloop")
    faults: list[dict[str, Any]] = []

    async def talk() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, fault: faults.append(fault))
        lost = asyncio.Event()
        connections: list[Http2Connection] = []

        def connect() -> Http2Connection:
            connections.append(Http2Connection(Recorder, lost.set))
            return connections[-1]

        listener = await loop.create_server(connect, "127.0.0.1", 0)
        with socket.create_connection(listener.sockets[0].getsockname()) as client:
            client.sendall(PREFACE + frame(4, 0, 0) + frame(1, 4, 1, HEAD))
            assert await loop.run_in_executor(None, client.recv, 1)
        await asyncio.wait_for(lost.wait(), timeout=10)
        await asyncio.sleep(0)  # uvloop closes its handle after it has said so
        connections[0].write_later(frame(3, 0, 1, bytes(4)))
        loop.call_soon(connections[0].data_received, frame(6, 0, 0, bytes(8)))  # a ping
        loop.call_soon(connections[0].data_received, frame(6, 0, 0, b"short"))  # a fault to tell
        await asyncio.sleep(0.01)
        listener.close()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(talk())
    assert not faults


names = st.text("abcdefghijklmnopqrstuvwxyz-", min_size=1, max_size=12) | st.sampled_from(
    [":path", ":status", "content-type", "user-agent", "www-authenticate"]  # those with a number
)
texts = st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=300)


@given(st.lists(st.lists(st.tuples(names, texts), max_size=6), max_size=4), st.booleans())
def test_headers_are_read_as_they_were_written(
    blocks: list[list[tuple[str, str]]], is_stateless: bool
) -> None:
    reader = HeaderReader()
    if is_stateless:
        reader.read(b"\x20")  # the client's encoder gives up its table
    for fields in blocks:
        assert reader.read(write_headers(fields)) == dict(fields)


@given(st.lists(st.lists(st.tuples(names, texts), max_size=6), max_size=4))
def test_headers_of_another_encoder_are_read_with_and_without_its_table(
    blocks: list[list[tuple[str, str]]],
) -> None:
    import hpack

    for table_size, is_huffman in ((4096, True), (0, True), (0, False)):
        encoder, reader = hpack.Encoder(), HeaderReader()
        encoder.header_table_size = table_size
        for fields in blocks:
            raw = [(k.encode(), v.encode("latin-1")) for k, v in fields]
            encoded = encoder.encode(raw, huffman=is_huffman)
            found = {name: value for name, value in reader.read(encoded).items() if name}
            assert found == dict(fields)
