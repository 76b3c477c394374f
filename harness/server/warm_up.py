"""Makes the first request as fast as the tenth: what is slow the first few times that it is done,
is done before the server accepts connections.

The requests go the whole way, from a client's socket through the loop and back, each time to a
database of its own, all of which are forgotten afterwards. The sockets are a pair that nobody else
can connect to. All together take some milliseconds.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from functools import partial
from struct import Struct
from typing import Any

import hpack

from harness.backend.databases import Backend
from harness.firestore.index_definitions import IndexDefinitions
from harness.server.dispatch import EventDispatcher
from harness.server.grpc import SERVICE, GrpcService
from harness.server.http2 import PREFACE, Http2Connection, Http2Stream, StreamHandler, frame
from harness.server.http2_headers import Headers
from harness.server.rpcs import FirestoreRpcs
from harness.server.shell import Shell
from harness.server.transport import Connection, PortServer
from harness.server.wire import pb

_ROUNDS = 8
"""CPython 3.11 makes a function faster when it has run this often."""

_LIMIT_S = 5.0
"""For an answer. The server starts without a warm-up rather than not at all."""

_PROJECT = "warm-up"
_HEADERS, _DATA, _SETTINGS = 1, 0, 4
_END_STREAM, _END_HEADERS = 0x1, 0x4
_PREFIX = Struct(">BI")


async def warm_up() -> None:
    """Serve a few requests that nobody has sent."""
    shell = _SilentShell(Backend(IndexDefinitions()))
    EventDispatcher(shell.triggers).watch(shell)
    service = GrpcService(FirestoreRpcs(shell), (), _no_http)
    server = PortServer(_no_http1, partial(Http2Connection, service.make_handler))
    ours, clients = socket.socketpair()
    try:
        clients.setblocking(False)
        async with asyncio.timeout(_LIMIT_S):
            await server.take_over(ours)
            await _send_requests(clients)
    except TimeoutError:
        pass
    finally:
        clients.close()
        server.close()
        await service.stop()


async def _send_requests(client: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(client, PREFACE + frame(_SETTINGS, 0, 0))
    stream_id = 1
    for number in range(_ROUNDS):
        requests = _messages(f"projects/{_PROJECT}/databases/round-{number}")
        for name, message in requests:
            block, body = _request(name, message)
            head = frame(_HEADERS, _END_HEADERS, stream_id, block)
            await loop.sock_sendall(client, head + frame(_DATA, _END_STREAM, stream_id, body))
            stream_id += 2
        answers = 0
        while answers < len(requests):
            answers += (await loop.sock_recv(client, 1 << 16)).count(b"grpc-status")


class _SilentShell(Shell):
    def _warn_once(self, key: str, text: str) -> None:
        """Say nothing: the databases are nobody's."""


def _no_http1(on_lost: Callable[[], None]) -> Connection:
    raise AssertionError("what is sent here is HTTP/2")


def _no_http(stream: Http2Stream, headers: Headers) -> StreamHandler:
    raise AssertionError("what is sent here is gRPC")


def _request(name: str, message: Any) -> tuple[bytes, bytes]:
    """Return a request as a header block and a body."""
    fields = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", SERVICE + name),
        (":authority", "localhost"),
        ("te", "trailers"),
        ("content-type", "application/grpc"),
        ("authorization", "Bearer owner"),
    ]
    encoder = hpack.Encoder()
    encoder.header_table_size = 0
    data: bytes = message.SerializeToString()
    return encoder.encode(fields), _PREFIX.pack(0, len(data)) + data


def _messages(database: str) -> list[tuple[str, Any]]:
    root = f"{database}/documents"
    commit = pb.CommitRequest(database=database)
    update = commit.writes.add().update
    update.name = f"{root}/c/1"
    update.fields["text"].string_value = "a"
    update.fields["number"].integer_value = 1
    update.fields["map"].map_value.fields["flag"].boolean_value = True
    get = pb.BatchGetDocumentsRequest(database=database, documents=[f"{root}/c/1"])
    query = pb.RunQueryRequest(parent=root)
    getattr(query.structured_query, "from").add(collection_id="c")
    where = query.structured_query.where.field_filter
    where.field.field_path, where.op = "number", 5
    where.value.integer_value = 1
    return [("Commit", commit), ("BatchGetDocuments", get), ("RunQuery", query)]
