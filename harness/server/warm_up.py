"""Makes the first request as fast as the tenth: what is slow the first few times that it is done,
is done before the server accepts connections.

The requests go the whole way, from the bytes that a client would send to those that it would get,
on a database of their own that is forgotten afterwards. All together take some milliseconds.
"""

from __future__ import annotations

import asyncio
from struct import Struct
from typing import Any

import hpack

from harness.backend.service import Backend
from harness.firestore.index_definitions import IndexDefinitions
from harness.server.grpc import SERVICE, GrpcService
from harness.server.http2 import PREFACE, Http2Connection, Http2Stream, StreamHandler, frame
from harness.server.http2_headers import Headers
from harness.server.rpcs import FirestoreRpcs
from harness.server.shell import Shell
from harness.server.wire import pb

_ROUNDS = 8
"""CPython 3.11 makes a function faster when it has run this often."""

_TURNS = 20
"""Of the loop, in which a request is answered at the latest."""

_DATABASE = "projects/warm-up/databases/(default)"
_DOCUMENTS = f"{_DATABASE}/documents"
_HEADERS, _DATA, _SETTINGS = 1, 0, 4
_END_STREAM, _END_HEADERS = 0x1, 0x4
_PREFIX = Struct(">BI")


async def warm_up() -> None:
    """Serve a few requests that nobody has sent."""
    shell = _SilentShell(Backend(IndexDefinitions()))
    service = GrpcService(FirestoreRpcs(shell), (), _no_http)
    transport = _Nowhere()
    connection = Http2Connection(service.make_handler, lambda: None)
    connection.connection_made(transport)
    connection.data_received(PREFACE + frame(_SETTINGS, 0, 0))
    requests = [_request(name, message) for name, message in _messages()]
    stream_id = 1
    for _ in range(_ROUNDS):
        for block, body in requests:
            before = transport.writes
            connection.data_received(
                frame(_HEADERS, _END_HEADERS, stream_id, block)
                + frame(_DATA, _END_STREAM, stream_id, body)
            )
            stream_id += 2
            for _ in range(_TURNS):
                if transport.writes > before:
                    break
                await asyncio.sleep(0)
    await service.stop()


class _SilentShell(Shell):
    def _warn_once(self, key: str, text: str) -> None:
        """Say nothing: the database is nobody's."""


class _Nowhere(asyncio.Transport):
    """A connection whose client does not listen."""

    def __init__(self) -> None:
        super().__init__()
        self.writes = 0

    def write(self, data: Any) -> None:
        """Count an answer."""
        self.writes += 1

    def get_write_buffer_size(self) -> int:
        """Return 0: everything has left."""
        return 0

    def close(self) -> None:
        """Do nothing: nothing is open."""


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


def _messages() -> list[tuple[str, Any]]:
    commit = pb.CommitRequest(database=_DATABASE)
    update = commit.writes.add().update
    update.name = f"{_DOCUMENTS}/c/1"
    update.fields["text"].string_value = "a"
    update.fields["number"].integer_value = 1
    update.fields["map"].map_value.fields["flag"].boolean_value = True
    get = pb.BatchGetDocumentsRequest(database=_DATABASE, documents=[f"{_DOCUMENTS}/c/1"])
    query = pb.RunQueryRequest(parent=_DOCUMENTS)
    getattr(query.structured_query, "from").add(collection_id="c")
    where = query.structured_query.where.field_filter
    where.field.field_path, where.op = "number", 5
    where.value.integer_value = 1
    return [("Commit", commit), ("BatchGetDocuments", get), ("RunQuery", query)]
