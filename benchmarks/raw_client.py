"""A gRPC client that costs next to nothing, so that what is measured is the server: messages are
ready as bytes, answers are only told to be complete and without error.

Each connection has one request on the way. As a program it is the load of one round, and a process
of its own: `python -m benchmarks.raw_client PORT SECONDS CLIENTS`, with the requests as JSON on
standard input, prints one JSON line.
"""

import base64
import json
import selectors
import socket
import struct
import sys
from dataclasses import dataclass
from statistics import median
from time import perf_counter

import hpack

LIMIT_S = 30
SERVICE = "/google.firestore.v1.Firestore/"

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _RST_STREAM, _SETTINGS, _PING, _GOAWAY, _WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
_END_STREAM, _ACK, _END_HEADERS = 0x1, 0x1, 0x4
_NO_TABLE = b"\x20"
"""Says that no header field will be referred to by its place in a table, as the server may ask."""

_LARGEST_WINDOW = 2**31 - 1
_DEFAULT_WINDOW = 65_535
_FRAME_SIZE = 16_384


@dataclass(frozen=True)
class Request:
    """A request of one message, ready to be sent again and again."""

    method: str
    message: bytes

    def frames(self, port):
        """Return its header block and its body."""
        fields = [
            (":method", "POST"),
            (":scheme", "http"),
            (":path", SERVICE + self.method),
            (":authority", f"127.0.0.1:{port}"),
            ("te", "trailers"),
            ("content-type", "application/grpc"),
            ("user-agent", "harness-bench"),
            ("authorization", "Bearer owner"),
        ]
        # Never indexed, so that a block means the same wherever it stands.
        block = hpack.Encoder().encode([(*field, True) for field in fields], huffman=False)
        return block, struct.pack(">BI", 0, len(self.message)) + self.message


_good_blocks = set()
"""Header blocks that tell of no error: of whatever connection, since none depends on a table."""


class RequestFailed(Exception):
    """The server answered with an error, or not as HTTP/2 has it."""


class Connection:
    """One connection with at most one request on the way."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=LIMIT_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._stream_id = -1
        self._received = bytearray()
        self._to_acknowledge = 0
        # No table on the server's side either (1), and windows that never close (4).
        settings = struct.pack(">HIHI", 1, 0, 4, _LARGEST_WINDOW)
        growth = struct.pack(">I", _LARGEST_WINDOW - _DEFAULT_WINDOW)
        self.socket.sendall(
            _PREFACE + _frame(_SETTINGS, 0, 0, settings) + _frame(_WINDOW_UPDATE, 0, 0, growth)
        )

    def settle(self):
        """Take what the server says of itself, which it does when a connection is opened."""
        self.receive()

    def call(self, frames):
        """Send a request and wait for the whole answer."""
        self.send(frames)
        while not self.receive():
            pass

    def send(self, frames):
        """Send a request, of less than the 64 KB that every server's window allows at once."""
        self._stream_id += 2
        block, body = frames
        if self._stream_id == 1:
            block = _NO_TABLE + block
        parts = [_frame(_HEADERS, _END_HEADERS, self._stream_id, block)]
        for start in range(0, len(body), _FRAME_SIZE):
            part = body[start : start + _FRAME_SIZE]
            is_last = start + _FRAME_SIZE >= len(body)
            parts.append(_frame(_DATA, _END_STREAM if is_last else 0, self._stream_id, part))
        self.socket.sendall(b"".join(parts))

    def receive(self):
        """Read what is there; whether the answer is complete.

        Raises:
            RequestFailed: It is an error.
        """
        data = self.socket.recv(1 << 18)
        if not data:
            raise RequestFailed("the server has closed the connection")
        received = self._received
        received += data
        position, is_complete = 0, False
        while len(received) - position >= 9:
            length = int.from_bytes(received[position : position + 3], "big")
            end = position + 9 + length
            if end > len(received):
                break
            kind, flags = received[position + 3], received[position + 4]
            self._handle(kind, flags, bytes(received[position + 9 : end]))
            is_complete |= kind in (_DATA, _HEADERS) and bool(flags & _END_STREAM)
            position = end
        del received[:position]
        return is_complete

    def close(self):
        self.socket.close()

    def _handle(self, kind, flags, payload):
        if kind == _DATA:
            self._to_acknowledge += len(payload)
            if self._to_acknowledge > 1 << 29:
                growth = struct.pack(">I", self._to_acknowledge)
                self.socket.sendall(_frame(_WINDOW_UPDATE, 0, 0, growth))
                self._to_acknowledge = 0
        elif kind == _HEADERS:
            if payload not in _good_blocks:
                self._check(payload)
        elif kind == _SETTINGS and not flags & _ACK:
            self.socket.sendall(_frame(_SETTINGS, _ACK, 0, b""))
        elif kind == _PING and not flags & _ACK:
            self.socket.sendall(_frame(_PING, _ACK, 0, payload))
        elif kind in (_RST_STREAM, _GOAWAY):
            raise RequestFailed(f"the server has given up: frame {kind}, {payload!r}")

    def _check(self, block):
        """Look into a header block that has not been seen before."""
        fields = dict(hpack.Decoder().decode(block))
        status = fields.get("grpc-status", "0")
        if status != "0" or fields.get(":status", "200") != "200":
            raise RequestFailed(f"status {status}: {fields.get('grpc-message', fields)}")
        _good_blocks.add(block)


def _frame(kind, flags, stream_id, payload):
    return (
        struct.pack(">I", len(payload))[1:]
        + bytes((kind, flags))
        + struct.pack(">I", stream_id)
        + payload
    )


def load(port, requests, seconds, clients):
    """Keep one request of each client on the way; return requests a second and their latency."""
    frames = [request.frames(port) for request in requests]
    connections = [Connection(port) for _ in range(clients)]
    for connection in connections:
        connection.call(frames[0])
    selector = selectors.DefaultSelector()
    sent_at, latencies = {}, []
    begun = perf_counter()
    for number, connection in enumerate(connections):
        selector.register(connection.socket, selectors.EVENT_READ, connection)
        connection.send(frames[number % len(frames)])
        sent_at[connection] = perf_counter()
    number = len(connections)
    end = begun + seconds
    while (now := perf_counter()) < end:
        ready = selector.select(LIMIT_S)
        if not ready:
            raise RequestFailed(f"no answer within {LIMIT_S} s")
        for key, _ in ready:
            connection = key.data
            if connection.receive():
                now = perf_counter()
                latencies.append(now - sent_at[connection])
                connection.send(frames[number % len(frames)])
                sent_at[connection] = now
                number += 1
    taken = perf_counter() - begun
    for connection in connections:
        connection.close()
    return {
        "per_second": len(latencies) / taken,
        "p50_ms": median(latencies) * 1000,
        "requests": len(latencies),
    }


def main():
    port, seconds, clients = int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])
    requests = [
        Request(each["method"], base64.b64decode(each["message"])) for each in json.load(sys.stdin)
    ]
    print(json.dumps(load(port, requests, seconds, clients)))


if __name__ == "__main__":
    main()
