"""Clients that do not behave: bytes on sockets, and what a server makes of them."""

from __future__ import annotations

import contextlib
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import requests

from harness.server.http2 import PREFACE, frame
from harness.server.http2_headers import HeaderReader, write_headers
from harness.server.wire import pb

LIMIT_S = 20.0
FIRESTORE = "/google.firestore.v1.Firestore/"
PROJECT = "demo-hostile"
DATABASE = f"projects/{PROJECT}/databases/(default)"
ROOT = f"{DATABASE}/documents"

SERVER = ("-m", "harness.server", "--host", "127.0.0.1", "--port", "0")

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY = range(8)
WINDOW_UPDATE, CONTINUATION = 8, 9
END_STREAM, ACK, END_HEADERS, PADDED = 0x1, 0x1, 0x4, 0x8
HELLO = PREFACE + frame(SETTINGS, 0, 0)


@dataclass(frozen=True)
class Victim:
    """A server in a process of its own."""

    address: str
    process: psutil.Process
    log_file: Path

    @property
    def rest(self) -> str:
        return f"http://{self.address}/v1/{ROOT}"

    def connect(self) -> socket.socket:
        host, _, port = self.address.rpartition(":")
        return socket.create_connection((host, int(port)), timeout=LIMIT_S)

    def log(self) -> str:
        return self.log_file.read_text(encoding="utf-8", errors="replace")

    def memory_bytes(self) -> int:
        found: int = self.process.memory_info().rss
        return found

    def connections(self) -> int:
        return len(self.process.net_connections("tcp"))

    def answers(self, within_s: float = 10.0) -> None:
        """Serve a client that behaves, and soon; in a project that no other knows."""
        started = time.monotonic()
        root = ROOT.replace(PROJECT, "demo-healthy")
        body = {"fields": {"n": {"integerValue": "1"}}}
        url = f"http://{self.address}/v1/{root}/healthy/one"
        assert requests.patch(url, json=body, timeout=LIMIT_S).ok
        status, _ = grpc_call(self, "GetDocument", get_document(f"{root}/healthy/one"))
        assert status == 0
        assert time.monotonic() - started < within_s, "it answers, but late"


@contextmanager
def victim(folder: Path, *arguments: str) -> Iterator[Victim]:
    """Run a server for the length of the block; its log must hold no traceback then."""
    log_file = folder / "server.log"
    with log_file.open("w") as log:
        process = subprocess.Popen(
            [sys.executable, *SERVER, *arguments],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    try:
        assert process.stdout is not None
        first = process.stdout.readline().strip()
        address = first.removeprefix("API endpoint: http://")
        assert address != first, log_file.read_text()
        found = Victim(address, psutil.Process(process.pid), log_file)
        yield found
        assert "Traceback" not in found.log(), found.log()
    finally:
        process.kill()
        process.communicate(timeout=LIMIT_S)


def eventually(condition: Callable[[], bool], words: str, limit_s: float = LIMIT_S) -> None:
    """Wait until something is so."""
    end = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < end, words
        time.sleep(0.02)


def request_head(path: str = FIRESTORE + "GetDocument", **more: str) -> bytes:
    """Return the header block of a gRPC request."""
    fields = {
        ":method": "POST",
        ":path": path,
        ":scheme": "http",
        "content-type": "application/grpc",
        "authorization": "Bearer owner",
    }
    given = {name.replace("_", "-"): value for name, value in more.items()}
    return write_headers([*(fields | given).items()])


def message(data: bytes, *, compressed: int = 0, size: int | None = None) -> bytes:
    """Return a message as gRPC frames it."""
    return struct.pack(">BI", compressed, len(data) if size is None else size) + data


def get_document(name: str) -> bytes:
    data: bytes = pb.GetDocumentRequest(name=name).SerializeToString()
    return message(data)


def data_frames(stream_id: int, data: bytes, *, end: bool = True) -> bytes:
    """Return a body as frames of the size that every server takes."""
    parts = [data[start : start + 16_384] for start in range(0, len(data), 16_384)] or [b""]
    last = len(parts) - 1
    return b"".join(
        frame(DATA, END_STREAM if end and number == last else 0, stream_id, part)
        for number, part in enumerate(parts)
    )


@dataclass
class Heard:
    """What a server has said on one connection: its frames, and whether it then closed."""

    frames: list[tuple[int, int, int, bytes]]
    is_closed: bool

    def goodbye(self) -> int | None:
        """Return the error code of a GOAWAY."""
        codes = [payload[4:8] for kind, _, _, payload in self.frames if kind == GOAWAY]
        return int.from_bytes(codes[0], "big") if codes else None

    def resets(self) -> list[int]:
        """Return the error codes of streams that were given up."""
        return [
            int.from_bytes(payload, "big")
            for kind, _, _, payload in self.frames
            if kind == RST_STREAM
        ]

    def statuses(self) -> list[tuple[int, str]]:
        """Return the gRPC status of each call that has ended, with its message."""
        reader, found = HeaderReader(), []
        for kind, _, _, payload in self.frames:
            if kind == HEADERS:
                fields = reader.read(payload)
                if "grpc-status" in fields:
                    found.append((int(fields["grpc-status"]), fields.get("grpc-message", "")))
        return found


def hear(connection: socket.socket, until: Callable[[Heard], bool]) -> Heard:
    """Read frames until there are enough, or the server closes."""
    heard, received = Heard([], is_closed=False), b""
    end = time.monotonic() + LIMIT_S
    while not until(heard):
        assert time.monotonic() < end, f"nothing more came after {heard.frames}"
        try:
            part = connection.recv(1 << 18)
        except ConnectionError:
            part = b""
        if not part:
            heard.is_closed = True
            return heard
        received += part
        frames = frames_in(received)
        heard.frames += frames
        received = received[sum(9 + len(payload) for *_, payload in frames) :]
    return heard


def frames_in(data: bytes) -> list[tuple[int, int, int, bytes]]:
    """Return the complete frames that bytes begin with: kind, flags, stream and payload."""
    frames, start = [], 0
    while len(data) - start >= 9:
        end = start + 9 + int.from_bytes(data[start : start + 3], "big")
        if end > len(data):
            break
        stream_id = int.from_bytes(data[start + 5 : start + 9], "big")
        frames.append((data[start + 3], data[start + 4], stream_id, data[start + 9 : end]))
        start = end
    return frames


def converse(server: Victim, sent: bytes, until: Callable[[Heard], bool]) -> Heard:
    """Open a connection, send, and hear the answer."""
    with server.connect() as connection:
        with contextlib.suppress(ConnectionError):
            connection.sendall(sent)
        return hear(connection, until)


def grpc_call(
    server: Victim, method: str, body: bytes, *, service: str = FIRESTORE, **headers: str
) -> tuple[int, str]:
    """Make one call with any body; return its status and message."""
    sent = HELLO + frame(HEADERS, END_HEADERS, 1, request_head(service + method, **headers))
    heard = converse(server, sent + data_frames(1, body), lambda heard: bool(heard.statuses()))
    assert heard.statuses(), f"no status: {heard}"
    return heard.statuses()[0]


def http_talk(server: Victim, sent: bytes, *, half_close: bool = False) -> bytes:
    """Send bytes on a connection and return all that comes until it is closed, or is silent."""
    received = b""
    with server.connect() as connection:
        with contextlib.suppress(ConnectionError):
            connection.sendall(sent)
        if half_close:
            connection.shutdown(socket.SHUT_WR)
        connection.settimeout(1.0)
        with contextlib.suppress(ConnectionError, TimeoutError):
            while part := connection.recv(65_536):
                received += part
    return received
