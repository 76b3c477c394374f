"""Clients that do not behave meet a clear error or a closed stream; those that do, notice nothing.

After each test the same server answers at once, has dropped the connections, and its log holds no
traceback.
"""

from __future__ import annotations

import json
import os
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
import requests

from harness.server import bounds, http, http2
from harness.server.grpc import MAX_MESSAGE_BYTES
from harness.server.http2 import PREFACE, frame
from harness.server.wire import pb
from tests.server.hostile import (
    ACK,
    CONTINUATION,
    DATA,
    DATABASE,
    END_HEADERS,
    END_STREAM,
    FIRESTORE,
    GOAWAY,
    HEADERS,
    HELLO,
    LIMIT_S,
    PADDED,
    PING,
    PRIORITY,
    PROJECT,
    PUSH_PROMISE,
    ROOT,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    Heard,
    Victim,
    converse,
    data_frames,
    eventually,
    get_document,
    grpc_call,
    hear,
    http_talk,
    message,
    request_head,
    victim,
)

FRAMES = int(os.environ.get("HARNESS_STRESS_FRAMES", "150"))
"""Damaged conversations; `make stress` has more."""


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Victim]:
    with victim(tmp_path_factory.mktemp("victim")) as server:
        assert requests.patch(f"{server.rest}/healthy/one", json={}, timeout=LIMIT_S).ok
        yield server


@pytest.fixture
def server(process: Victim) -> Iterator[Victim]:
    process.answers()
    before = process.connections()
    yield process
    process.answers()
    eventually(lambda: process.connections() <= before, "connections are left")
    assert "Traceback" not in process.log(), process.log()


# --- HTTP/2 ---------------------------------------------------------------------------------------

OPEN = frame(HEADERS, END_HEADERS, 1, request_head())
WORD = struct.Struct(">I")
BOMB = b"\x40\x01x" + b"\x7f\xe1\x1e" + b"y" * 4_000
"""A field of 4,000 bytes, which goes into the table."""


def setting(name: int, value: int) -> bytes:
    return frame(SETTINGS, 0, 0, struct.pack(">HI", name, value))


ABUSES = {
    "an endless header block of empty frames": (
        frame(HEADERS, 0, 1, b"") + frame(CONTINUATION, 0, 1) * 100,
        http2.ENHANCE_YOUR_CALM,
    ),
    "a header block that is too large": (
        frame(HEADERS, 0, 1, b"") + frame(CONTINUATION, 0, 1, bytes(16_000)) * 5,
        http2.ENHANCE_YOUR_CALM,
    ),
    "another frame within a header block": (
        frame(HEADERS, 0, 1, b"") + frame(PING, 0, 0, bytes(8)),
        http2.PROTOCOL_ERROR,
    ),
    "a header bomb": (
        frame(HEADERS, END_HEADERS, 1, BOMB + b"\xbe" * 12_000),
        http2.COMPRESSION_ERROR,
    ),
    "an integer without an end": (
        frame(HEADERS, END_HEADERS, 1, b"\x7f" + b"\xff" * 20),
        http2.COMPRESSION_ERROR,
    ),
    "an index that is not there": (
        frame(HEADERS, END_HEADERS, 1, b"\xff\x7f"),
        http2.COMPRESSION_ERROR,
    ),
    "pings without end": (
        frame(PING, 0, 0, bytes(8)) * (2 * http2.MAX_CONTROL_FRAMES + 1),
        http2.ENHANCE_YOUR_CALM,
    ),
    "settings without end": (
        frame(SETTINGS, 0, 0) * (http2.MAX_CONTROL_FRAMES + 1),
        http2.ENHANCE_YOUR_CALM,
    ),
    "priorities without end": (
        frame(PRIORITY, 0, 1, bytes(5)) * (http2.MAX_CONTROL_FRAMES + 1),
        http2.ENHANCE_YOUR_CALM,
    ),
    "empty data without end": (
        OPEN + frame(DATA, 0, 1) * (http2.MAX_CONTROL_FRAMES + 1),
        http2.ENHANCE_YOUR_CALM,
    ),
    "requests that are taken back at once": (
        b"".join(
            frame(HEADERS, END_HEADERS, number, request_head())
            + frame(RST_STREAM, 0, number, WORD.pack(8))
            for number in range(1, 2 * http2.MAX_CONTROL_FRAMES + 4, 2)
        ),
        http2.ENHANCE_YOUR_CALM,
    ),
    "a connection's window that overflows": (
        frame(WINDOW_UPDATE, 0, 0, WORD.pack(0x7FFF_FFFF)),
        http2.FLOW_CONTROL_ERROR,
    ),
    "windows that overflow by a setting": (
        OPEN + frame(WINDOW_UPDATE, 0, 1, WORD.pack(0x7FFF_0000)) + setting(4, 0x7FFF_FFFF),
        http2.FLOW_CONTROL_ERROR,
    ),
    "data for a stream that never was": (
        frame(DATA, 0, 7, b"x"),
        http2.PROTOCOL_ERROR,
    ),
    "data for the connection": (frame(DATA, 0, 0, b"x"), http2.PROTOCOL_ERROR),
    "a reset of a stream that never was": (
        frame(RST_STREAM, 0, 9, WORD.pack(8)),
        http2.PROTOCOL_ERROR,
    ),
    "settings for a stream": (frame(SETTINGS, 0, 1), http2.PROTOCOL_ERROR),
    "settings of an odd size": (frame(SETTINGS, 0, 0, bytes(7)), http2.FRAME_SIZE_ERROR),
    "an acknowledgement that says something": (
        frame(SETTINGS, ACK, 0, bytes(6)),
        http2.FRAME_SIZE_ERROR,
    ),
    "a push": (frame(PUSH_PROMISE, END_HEADERS, 1, bytes(8)), http2.PROTOCOL_ERROR),
    "a stream of an even number": (
        frame(HEADERS, END_HEADERS, 2, request_head()),
        http2.PROTOCOL_ERROR,
    ),
    "a second head": (OPEN + OPEN, http2.PROTOCOL_ERROR),
    "more padding than there is": (
        OPEN + frame(DATA, PADDED, 1, b"\xffx"),
        http2.PROTOCOL_ERROR,
    ),
    "a frame of a megabyte": (b"\x10\x00\x00\x00\x00\x00\x00\x00\x01", http2.FRAME_SIZE_ERROR),
}


@pytest.mark.parametrize(("sent", "code"), ABUSES.values(), ids=list(ABUSES))
def test_a_connection_that_is_abused_ends_with_a_reason(
    server: Victim, sent: bytes, code: int
) -> None:
    heard = converse(server, HELLO + sent, lambda heard: heard.goodbye() is not None)
    if heard.goodbye() is None:  # what was still on its way made the goodbye get lost
        assert heard.is_closed
    else:
        assert heard.goodbye() == code


def test_data_after_the_end_of_a_request_loses_the_stream_alone(server: Victim) -> None:
    commit = pb.CommitRequest(database=DATABASE).SerializeToString()
    head = request_head(FIRESTORE + "Commit")
    listen = frame(HEADERS, END_HEADERS, 1, request_head(FIRESTORE + "Listen"))
    ended = frame(DATA, END_STREAM, 1) + frame(DATA, 0, 1, b"more")
    other = frame(HEADERS, END_HEADERS, 3, head) + data_frames(3, message(commit))
    heard = converse(
        server, HELLO + listen + ended + other, lambda heard: (0, "") in heard.statuses()
    )
    assert heard.resets() == [http2.STREAM_CLOSED] or (0, "") in heard.statuses()
    assert heard.goodbye() is None


def test_a_thousand_and_one_streams_are_too_many(server: Victim) -> None:
    head = request_head(FIRESTORE + "Listen")
    sent = b"".join(frame(HEADERS, END_HEADERS, 2 * n + 1, head) for n in range(1_001))
    heard = converse(server, HELLO + sent, lambda heard: bool(heard.resets()))
    assert heard.resets() == [http2.REFUSED_STREAM]


def test_a_stream_that_ignores_its_window_is_reset(server: Victim) -> None:
    # A Write stream whose writes wait for a lock takes in no more than a window.
    head = request_head(FIRESTORE + "Write")
    body = message(b"", size=9_000_000) + bytes(9_000_000)
    with server.connect() as connection:
        connection.sendall(HELLO + frame(HEADERS, END_HEADERS, 1, head))
        connection.sendall(data_frames(1, body, end=False))
        heard = hear(connection, lambda heard: bool(heard.statuses() or heard.resets()))
    assert heard.statuses() or heard.resets()


def damaged(random: Random) -> bytes:
    """Return a conversation as a client might have it, and then not quite."""
    listen = pb.ListenRequest(database=DATABASE)
    listen.add_target.target_id = 2
    listen.add_target.documents.documents.append(f"{ROOT}/healthy/one")
    frames = [
        frame(SETTINGS, 0, 0),
        frame(HEADERS, END_HEADERS, 1, request_head(FIRESTORE + "GetDocument")),
        data_frames(1, get_document(f"{ROOT}/healthy/one")),
        frame(WINDOW_UPDATE, 0, 0, WORD.pack(1_000)),
        frame(HEADERS, END_HEADERS, 3, request_head(FIRESTORE + "Listen")),
        data_frames(3, message(listen.SerializeToString()), end=False),
        frame(PING, 0, 0, bytes(8)),
        frame(HEADERS, END_HEADERS | END_STREAM, 5, request_head("/v1/x", content_type="")),
        frame(HEADERS, 0, 7, request_head(FIRESTORE + "RunQuery")[:20]),
        frame(CONTINUATION, END_HEADERS, 7, request_head(FIRESTORE + "RunQuery")[20:]),
        data_frames(7, message(b"\x0a\x01x")),
        frame(RST_STREAM, 0, 3, WORD.pack(8)),
        frame(GOAWAY, 0, 0, bytes(8)),
    ]
    for _ in range(random.randint(1, 4)):
        where = random.randrange(len(frames))
        kind = random.randrange(5)
        if kind == 0:
            del frames[where]
        elif kind == 1:
            frames.insert(where, random.choice(frames))
        elif kind == 2:
            frames[where] = frames[where][: random.randint(0, len(frames[where]))]
        elif kind == 3:
            random.shuffle(frames)
        elif frames[where]:
            changed = bytearray(frames[where])
            for _ in range(random.randint(1, 3)):
                changed[random.randrange(len(changed))] = random.randrange(256)
            frames[where] = bytes(changed)
    return PREFACE + b"".join(frames)


def test_damaged_conversations_do_no_harm(server: Victim) -> None:
    memory = server.memory_bytes()
    for number in range(FRAMES):
        sent = damaged(Random(number))
        with server.connect() as connection:
            try:
                connection.sendall(sent)
                connection.settimeout(0.02)
                connection.recv(65_536)
            except (ConnectionError, TimeoutError):
                pass
        if number % 50 == 0:
            server.answers()
    assert server.memory_bytes() - memory < 64 * 1024 * 1024


# --- gRPC -----------------------------------------------------------------------------------------

OK, CANCELLED, UNKNOWN, INVALID_ARGUMENT, DEADLINE_EXCEEDED = range(5)
NOT_FOUND, UNIMPLEMENTED, INTERNAL = 5, 12, 13
GOOD = get_document(f"{ROOT}/healthy/one")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        pytest.param(GOOD, OK, id="a good one"),
        pytest.param(b"", INTERNAL, id="no message"),
        pytest.param(GOOD + GOOD, INTERNAL, id="two messages"),
        pytest.param(GOOD + b"x", INTERNAL, id="trailing garbage"),
        pytest.param(GOOD[:-1], INTERNAL, id="a message that is cut off"),
        pytest.param(GOOD[:3], INTERNAL, id="a prefix that is cut off"),
        pytest.param(message(GOOD[5:], size=1), INTERNAL, id="a length too small"),
        pytest.param(message(b"", size=0xFFFF_FFFF), INVALID_ARGUMENT, id="a length of 4 GiB"),
        pytest.param(
            message(b"", size=10_485_761), INVALID_ARGUMENT, id="a byte more than is allowed"
        ),
        pytest.param(message(b"\xff" * 50), INTERNAL, id="no protobuf"),
        pytest.param(message(b"\x0a\x02\xc3\x28"), INTERNAL, id="a string that is not UTF-8"),
        pytest.param(
            message(GOOD[5:], compressed=1), UNIMPLEMENTED, id="compressed, says the flag"
        ),
    ],
)
def test_a_request_that_is_malformed_gets_a_status(
    server: Victim, body: bytes, status: int
) -> None:
    assert grpc_call(server, "GetDocument", body)[0] == status


def test_the_second_of_two_messages_is_not_waited_for(server: Victim) -> None:
    """A request of one message that goes on is refused before its end, however long that is."""
    sent = HELLO + OPEN + data_frames(1, GOOD + b"x" * 100_000, end=False)
    heard = converse(server, sent, lambda heard: bool(heard.statuses()))
    assert heard.statuses() == [(INTERNAL, "The request must be one message.")]


@pytest.mark.parametrize(
    ("data", "encoding", "status"),
    [
        pytest.param(b"not gzip", "gzip", INTERNAL, id="not compressed"),
        pytest.param("cut", "gzip", INTERNAL, id="cut off"),
        pytest.param("bomb", "gzip", INVALID_ARGUMENT, id="a bomb"),
        pytest.param(b"x", "br", UNIMPLEMENTED, id="an unknown encoding"),
    ],
)
def test_compressed_messages_are_read_with_a_bound(
    server: Victim, data: bytes | str, encoding: str, status: int
) -> None:
    import gzip

    if data == "cut":
        data = gzip.compress(GOOD[5:])[:-4]
    elif data == "bomb":
        data = gzip.compress(bytes(50 * 1024 * 1024))
    assert isinstance(data, bytes)
    body = message(data, compressed=1)
    assert grpc_call(server, "GetDocument", body, grpc_encoding=encoding)[0] == status


@pytest.mark.parametrize("method", ["", "Get", "GetDocument/x", "x" * 5_000, "%00", "\xff"])
def test_an_unknown_method_is_unimplemented(server: Victim, method: str) -> None:
    assert grpc_call(server, method, GOOD)[0] == UNIMPLEMENTED


def test_the_name_of_early_clients_works(server: Victim) -> None:
    service = "/google.firestore.v1beta1.Firestore/"
    assert grpc_call(server, "GetDocument", GOOD, service=service) == (OK, "")


def deep_value(depth: int) -> bytes:
    """Return a `Value` in a map in a `Value`, so many deep."""
    data = b"\x08\x01"
    for _ in range(depth):
        entry = b"\x0a\x01k\x12" + varint(len(data)) + data
        fields = b"\x0a" + varint(len(entry)) + entry
        data = b"\x32" + varint(len(fields)) + fields
    return data


def varint(number: int) -> bytes:
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes((*out, number))


@pytest.mark.parametrize("depth", [25, 10_000])
def test_values_in_values_have_an_end(server: Victim, depth: int) -> None:
    name = f"{ROOT}/deep/one".encode()
    value = deep_value(depth)
    field = b"\x0a\x01f\x12" + varint(len(value)) + value
    document = b"\x0a" + varint(len(name)) + name + b"\x12" + varint(len(field)) + field
    write = b"\x0a" + varint(len(document)) + document
    database = DATABASE.encode()
    data = b"\x0a" + varint(len(database)) + database + b"\x12" + varint(len(write)) + write
    status, text = grpc_call(server, "Commit", message(data))
    assert status == (INVALID_ARGUMENT if depth == 25 else INTERNAL), text


def query_of(parts: int, kind: str) -> Any:
    request = pb.RunQueryRequest(parent=ROOT)
    query = request.structured_query
    getattr(query, "from").add(collection_id="c")
    for number in range(parts):
        if kind == "orders":
            query.order_by.add(direction=1).field.field_path = f"f{number}"
            continue
        filters = query.where.composite_filter
        filters.op = 1
        if kind == "ands of ors":
            filters = filters.filters.add().composite_filter
            filters.op = 2
        for _ in range(2):
            one = filters.filters.add().field_filter
            one.field.field_path, one.op, one.value.integer_value = "f", 5, number
    return request


@pytest.mark.parametrize("kind", ["filters", "ands of ors", "orders"])
@pytest.mark.parametrize(
    ("parts", "words"), [(1_000, ("more than 100", "disjunctions")), (100_000, ("10000 filters",))]
)
def test_a_query_of_many_parts_is_refused(
    server: Victim, parts: int, kind: str, words: tuple[str, ...]
) -> None:
    body = message(query_of(parts, kind).SerializeToString())
    status, text = grpc_call(server, "RunQuery", body)
    assert status == INVALID_ARGUMENT
    assert any(each in text for each in words), text


METHODS = [
    "GetDocument",
    "ListDocuments",
    "CreateDocument",
    "UpdateDocument",
    "DeleteDocument",
    "BatchGetDocuments",
    "BeginTransaction",
    "Commit",
    "Rollback",
    "RunQuery",
    "RunAggregationQuery",
    "PartitionQuery",
    "ListCollectionIds",
    "BatchWrite",
    "Listen",
    "Write",
]


@pytest.mark.parametrize("method", METHODS)
def test_random_bytes_are_no_request(server: Victim, method: str) -> None:
    random = Random(method)
    for _ in range(max(FRAMES // 15, 5)):
        body = message(random.randbytes(random.randrange(60)))
        assert grpc_call(server, method, body)[0] in range(17)


@pytest.mark.parametrize("method", METHODS)
def test_random_requests_are_answered(server: Victim, method: str) -> None:
    """Well formed, of any content: names, numbers and structures that make no sense."""
    random = Random(method)
    for _ in range(max(FRAMES // 5, 10)):
        request = getattr(pb, f"{method}Request")()
        scramble(request, random, 4)
        body = message(request.SerializeToString())
        status, text = grpc_call(server, method, body)
        assert "failed inside" not in text, request
        assert status in range(17)


STRINGS = [
    "",
    DATABASE,
    PROJECT,
    ROOT,
    f"{ROOT}/c/a",
    f"{ROOT}/c",
    "c",
    "__x__",
    "a.b",
    "`",
    "a..b",
    "x" * 2_000,
    "\u0000",
    "\U0001f600/",
    "." * 800,
    "`" * 999,
    "n",
    "__name__",
]
NUMBERS = [0, 1, -1, 2, 30, 2**31 - 1, -(2**31)]


def scramble(request: Any, random: Random, depth: int) -> None:
    """Fill a message with whatever its fields can hold."""
    for field in request.DESCRIPTOR.fields:
        if random.random() < 0.4:
            continue
        is_map = field.message_type is not None and field.message_type.GetOptions().map_entry
        if is_map:
            value = field.message_type.fields_by_name["value"]
            name = random.choice(STRINGS)
            if value.message_type is not None and depth:
                scramble(getattr(request, field.name)[name], random, depth - 1)
            elif value.message_type is None:
                getattr(request, field.name)[name] = "x"
        elif field.is_repeated:
            for _ in range(random.randrange(3)):
                items = getattr(request, field.name)
                if field.message_type is None:
                    items.append(scalar(field, random))
                elif depth:
                    scramble(items.add(), random, depth - 1)
        elif field.message_type is not None:
            if depth:
                getattr(request, field.name).SetInParent()
                scramble(getattr(request, field.name), random, depth - 1)
        else:
            setattr(request, field.name, scalar(field, random))


def scalar(field: Any, random: Random) -> Any:
    kind = field.cpp_type
    if kind == field.CPPTYPE_STRING:
        text = random.choice(STRINGS)
        return text.encode() if field.type == field.TYPE_BYTES else text
    if kind in (field.CPPTYPE_DOUBLE, field.CPPTYPE_FLOAT):
        return random.choice([0.0, float("nan"), float("inf"), -1e308])
    if kind == field.CPPTYPE_BOOL:
        return random.random() < 0.5
    if kind == field.CPPTYPE_ENUM:
        return random.choice([0, 1, 2, 3, 5, 99])
    return random.choice(NUMBERS)


def heard_status(heard: Heard) -> bool:
    return bool(heard.statuses())


def test_a_deadline_ends_a_call_that_waits(server: Victim) -> None:
    # A Listen that asks for nothing waits for ever.
    head = request_head(FIRESTORE + "Listen", grpc_timeout="200m")
    started = time.monotonic()
    heard = converse(server, HELLO + frame(HEADERS, END_HEADERS, 1, head), heard_status)
    assert heard.statuses() == [(DEADLINE_EXCEEDED, "Deadline exceeded")]
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("text", ["", "1", "S", "-1S", "123456789S", "1 S", "1X"])
def test_a_deadline_that_is_none_is_refused(server: Victim, text: str) -> None:
    status, words = grpc_call(server, "GetDocument", GOOD, grpc_timeout=text)
    assert (status, words) == (INTERNAL, f"Not a timeout: {text}")


# --- HTTP/1.1 -------------------------------------------------------------------------------------

GET = b"GET / HTTP/1.1\r\nHost: x\r\n"


@pytest.mark.parametrize(
    ("sent", "first"),
    [
        pytest.param(GET + b"\r\n", b"HTTP/1.1 200", id="a good one"),
        pytest.param(b"nonsense\r\n\r\n", b"HTTP/1.1 400", id="no request"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00", b"HTTP/1.1 400", id="TLS"),
        pytest.param(GET + b"X: " + b"y" * 100_000, b"HTTP/1.1 431", id="an endless header"),
        pytest.param(GET + b"X: y\r\n" * 20_000, b"HTTP/1.1 431", id="endless headers"),
        pytest.param(
            GET + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
            b"HTTP/1.1 400",
            id="two lengths",
        ),
        pytest.param(GET + b"Content-Length: -1\r\n\r\n", b"HTTP/1.1 400", id="a negative length"),
        pytest.param(
            GET + b"Transfer-Encoding: chunked, gzip\r\n\r\n", b"HTTP/1.1 501", id="gzip on top"
        ),
        pytest.param(
            GET + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", b"HTTP/1.1 400", id="a bad chunk"
        ),
        pytest.param(b"GET / HTTP/1.1\r\n\r\n", b"HTTP/1.1 400", id="no host"),
        pytest.param(
            b"GET http://x/ HTTP/1.1\r\nHost: x\r\n\r\n", b"HTTP/1.1 200", id="as if of a proxy"
        ),
        pytest.param(b"CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n", b"HTTP/1.1 404", id="a tunnel"),
        pytest.param(
            GET + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\r\n",
            b"HTTP/1.1 200",
            id="an upgrade",
        ),
        pytest.param(
            b"GET /v1/projects/%zz/%ff%fe/%00 HTTP/1.1\r\nHost: x\r\n\r\n",
            b"HTTP/1.1 404",
            id="bad percents",
        ),
        pytest.param(
            f"GET /v1/{ROOT}/c/%ff%fe HTTP/1.1\r\nHost: x\r\n\r\n".encode(),
            b"HTTP/1.1 404",
            id="bad percents in an id",
        ),
        pytest.param(
            GET + b"Expect: 100-continue\r\nContent-Length: 99999999\r\n\r\n",
            b"HTTP/1.1 413",
            id="the promise of too much",
        ),
        pytest.param(
            GET + b"Expect: 100-continue\r\nContent-Length: 1\r\n\r\n",
            b"HTTP/1.1 100",
            id="asking first",
        ),
    ],
)
def test_http_that_is_odd_gets_a_status(server: Victim, sent: bytes, first: bytes) -> None:
    assert http_talk(server, sent).startswith(first)


def test_who_says_no_more_still_gets_the_answer(server: Victim) -> None:
    project = "demo-half-closed"
    faults = f"http://{server.address}/harness/v1/projects/{project}/faults"
    assert requests.post(faults, json={"delayMs": 300}, timeout=LIMIT_S).ok
    path = ROOT.replace(PROJECT, project)
    sent = f"GET /v1/{path}/c/d HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer owner\r\n\r\n"
    assert http_talk(server, sent.encode(), half_close=True).startswith(b"HTTP/1.1 404")


def test_who_gives_a_back_channel_up_is_not_written_to(server: Victim) -> None:
    database = "projects/demo-back-channels/databases/(default)"
    target = {"documents": {"documents": [f"{database}/documents/c/d"]}, "targetId": 2}
    message = json.dumps({"database": database, "addTarget": target})
    url = f"http://{server.address}/google.firestore.v1.Firestore/Listen/channel"
    form = {"headers": "Authorization:Bearer owner\r\n", "count": "1", "ofs": "0"}
    form |= {"req0___data__": message}
    opened = requests.post(url, form, params={"VER": "8", "RID": "1"}, timeout=LIMIT_S)
    session = json.loads(opened.text.partition("\n")[2])[0][1][1]
    line = f"GET {url}?VER=8&RID=rpc&SID={session}&AID=0&CI=0&TYPE=xmlhttp HTTP/1.1\r\n"
    for _ in range(20):
        with server.connect() as browser:
            browser.sendall(f"{line}Host: x\r\n\r\n".encode())
            assert browser.recv(65_536).startswith(b"HTTP/1.1 200")
    end = {"VER": "8", "SID": session, "TYPE": "terminate"}
    assert requests.post(url, params=end, timeout=LIMIT_S).ok


def test_a_length_and_chunks_are_no_way_to_smuggle(server: Victim) -> None:
    inner = b"DELETE /emulator/v1/projects/p/databases/d/documents HTTP/1.1\r\nHost: x\r\n\r\n"
    sent = (
        GET
        + f"Content-Length: {len(inner) + 5}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
        + b"0\r\n\r\n"
        + inner
    )
    # One message ends where its chunks do; whoever trusts the length must not see two answers.
    assert http_talk(server, sent).count(b"HTTP/1.1 200") <= 2


def test_requests_that_are_sent_ahead_are_answered_in_order(server: Victim) -> None:
    sent = b"".join(
        f"GET /v1/{ROOT}/ahead/{number} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
        for number in range(300)
    )
    received = http_talk(server, sent)
    positions = [received.index(f"ahead\\/{number}\\".encode()) for number in range(300)]
    assert positions == sorted(positions)
    assert received.count(b"HTTP/1.1 404") == 300


@pytest.mark.parametrize("is_chunked", [True, False], ids=["chunked", "with a length"])
def test_a_body_that_is_too_large_is_refused_and_not_kept(server: Victim, is_chunked: bool) -> None:
    memory = server.memory_bytes()
    size = http.MAX_BODY_BYTES + 1
    head = f"POST /v1/{ROOT}:commit HTTP/1.1\r\nHost: x\r\n".encode()
    if is_chunked:
        sent = head + f"Transfer-Encoding: chunked\r\n\r\n{size:x}\r\n".encode() + bytes(size)
        sent += b"\r\n0\r\n\r\n"
    else:
        sent = head + f"Content-Length: {size}\r\n\r\n".encode() + bytes(size)
    assert http_talk(server, sent).startswith(b"HTTP/1.1 413")
    assert server.memory_bytes() - memory < 64 * 1024 * 1024


def test_a_body_without_an_end_ends(server: Victim) -> None:
    head = f"POST /v1/{ROOT}:commit HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunk = b"100000\r\n" + bytes(0x100000) + b"\r\n"
    body = chunk * (2 * http.MAX_DISCARDED_BYTES // len(chunk))
    with server.connect() as connection, pytest.raises(ConnectionError):
        connection.sendall(head.encode() + body)


DEEP = 100_000


@pytest.mark.parametrize(
    "body",
    [
        pytest.param("[" * DEEP + "]" * DEEP, id="deep arrays"),
        pytest.param('{"a":' * DEEP + "1" + "}" * DEEP, id="deep objects"),
        pytest.param('{"writes": ' + "9" * 10_000 + "}", id="a huge number"),
        pytest.param('{"writes": NaN}', id="NaN"),
        pytest.param("[]", id="no object"),
        pytest.param('"text"', id="a text"),
        pytest.param("{", id="half an object"),
        pytest.param('{"writes": [{"update": {"name": "\\ud800"}}]}', id="half a surrogate pair"),
        pytest.param(b'{"writes": "\xff"}', id="no UTF-8"),
        pytest.param(
            '{"writes": [{"update": {"fields": {"f": {"doubleValue": "x"}}}}]}', id="a word"
        ),
        pytest.param(
            '{"writes": [{"update": {"fields": {"f": '
            + '{"mapValue": {"fields": {"f": ' * 300
            + "{}"
            + "}}}" * 300
            + "}}}]}",
            id="deep values",
        ),
    ],
)
def test_json_that_is_odd_is_an_invalid_argument(server: Victim, body: str | bytes) -> None:
    answer = requests.post(f"{server.rest}:commit", data=body, timeout=LIMIT_S)
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]["status"] == "INVALID_ARGUMENT"


def test_the_last_of_equal_keys_counts(server: Victim) -> None:
    body = '{"writes": 1, "writes": []}'
    assert requests.post(f"{server.rest}:commit", data=body, timeout=LIMIT_S).ok


@pytest.mark.parametrize(
    "content",
    [
        {"rules": {"files": [{"name": "f", "content": "service " * 50_000}]}},
        {"rules": {"files": [{"name": "f", "content": "(" * 50_000}]}},
        {"rules": None},
        [],
    ],
    ids=["long", "deep", "none", "a list"],
)
def test_rules_that_are_odd_are_an_invalid_argument(server: Victim, content: Any) -> None:
    url = f"http://{server.address}/emulator/v1/projects/demo-odd:securityRules"
    answer = requests.put(url, data=json.dumps(content), timeout=LIMIT_S)
    assert answer.status_code == 400, answer.text


# --- WebChannel -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "form"),
    [
        ("VER=8", "a=1&" * 200_000),
        ("VER=8", "count=99999999999&ofs=0&req0___data__={}"),
        ("VER=8", "count=1&ofs=x&req0___data__={"),
        ("VER=8", "count=1&ofs=0&req0___data__=" + "%5B" * 50_000),
        ("VER=9", ""),
        ("VER=8&SID=none&AID=x", ""),
        ("", "\xff"),
    ],
)
def test_a_channel_that_is_odd_does_no_harm(server: Victim, query: str, form: str) -> None:
    url = f"http://{server.address}{FIRESTORE}Listen/channel?{query}"
    answer = requests.post(url, data=form.encode("latin-1"), timeout=LIMIT_S)
    assert answer.status_code < 500, answer.text


# --- what docs/robustness.md says -----------------------------------------------------------------


def test_the_page_names_the_limits_that_hold() -> None:
    page = (Path(__file__).parents[2] / "docs/robustness.md").read_text(encoding="utf-8")
    from harness.backend import databases, metering
    from harness.firestore import indexes
    from harness.server import listen, request_monitor, transport, wire
    from harness.server import web_channel_sessions as sessions

    for number in (
        http2.MAX_CONTROL_FRAMES,
        http2._OUR_MAX_STREAMS,
        http2.MAX_CONTINUATIONS,
        wire.MAX_QUERY_PARTS,
        listen.MAX_QUEUED,
        listen.MAX_TARGETS,
        sessions.MAX_UNTAKEN,
        sessions.MAX_HELD_CHARS,
        sessions.MAX_ALL_HELD_CHARS,
        request_monitor.MAX_UNSENT_BYTES,
        databases.MAX_DATABASES,
        metering.LOG_SIZE,
        metering.MAX_RECORDS_KEPT,
        metering.MAX_CALLERS,
        indexes.MAX_INDEXES,
    ):
        assert f"{number:,}" in page
    for mebibytes in (
        http2.MAX_UNREAD_BYTES,
        http.MAX_BODY_BYTES,
        http.MAX_DISCARDED_BYTES,
        bounds.MAX_INCOMPLETE_BYTES,
        MAX_MESSAGE_BYTES,
    ):
        assert f"{mebibytes >> 20:,} MiB" in page
    for seconds in (
        http2.HANDSHAKE_ROUNDS,
        http2.SILENT_ROUNDS,
        http.KEEP_ALIVE_ROUNDS,
        http.SILENT_ROUNDS,
        transport.SILENT_ROUNDS,
        transport.CLOSING_ROUNDS,
    ):
        assert f"{seconds} s" in page
