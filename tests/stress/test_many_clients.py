"""Idle connections and listeners by the thousand: the server serves others meanwhile, tells every
listener of every write, and lets go of all of it.

`make stress` does it with 10,000 connections and 1,000 listeners.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from harness.server.http2 import frame
from harness.server.transport import most_connections
from harness.server.wire import pb
from tests.server.hostile import (
    DATA,
    DATABASE,
    END_HEADERS,
    FIRESTORE,
    HEADERS,
    HELLO,
    LIMIT_S,
    ROOT,
    WINDOW_UPDATE,
    Victim,
    data_frames,
    eventually,
    message,
    request_head,
    victim,
)

CONNECTIONS = int(os.environ.get("HARNESS_STRESS_CONNECTIONS", "500"))
LISTENERS = int(os.environ.get("HARNESS_STRESS_LISTENERS", "100"))
WRITES = 5
MIB = 1024 * 1024


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Victim]:
    with victim(tmp_path) as running:
        running.answers()
        yield running


def write(server: Victim, number: int) -> None:
    body = {"fields": {"n": {"integerValue": str(number)}}}
    assert requests.patch(f"{server.rest}/watched/one", json=body, timeout=LIMIT_S).ok


def listen(target_id: int) -> bytes:
    request = pb.ListenRequest(database=DATABASE)
    request.add_target.target_id = target_id
    request.add_target.documents.documents.append(f"{ROOT}/watched/one")
    return message(request.SerializeToString())


def test_idle_connections_cost_little_and_are_let_go(server: Victim) -> None:
    """A fifth says nothing, a fifth a part of a preface, a fifth all of a handshake, ..."""
    wanted = min(CONNECTIONS, most_connections() - 100)
    said = [b"", b"PRI", HELLO, b"GET / HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"]
    memory, files = server.memory_bytes(), server.process.num_fds()
    opened: list[socket.socket] = []
    try:
        for number in range(wanted):
            opened.append(server.connect())
            opened[-1].sendall(said[number % len(said)])
        server.answers()
        used = server.memory_bytes() - memory
        print(f"{wanted} connections: {used / MIB:.0f} MiB, {used // wanted} bytes each")  # noqa: T201
        assert used < 32 * MIB + 40_000 * wanted
    finally:
        for each in opened:
            each.close()
    eventually(lambda: server.process.num_fds() <= files, "connections are left")
    server.answers()


@pytest.mark.parametrize("streams", [1, LISTENERS], ids=["a connection each", "one connection"])
def test_every_listener_is_told_of_every_write(server: Victim, streams: int) -> None:
    """Args: streams: Listeners of one connection."""
    memory, files = server.memory_bytes(), server.process.num_fds()
    head = request_head(FIRESTORE + "Listen")
    hello = HELLO + frame(WINDOW_UPDATE, 0, 0, b"\x70\x00\x00\x00")
    hello += b"".join(
        frame(HEADERS, END_HEADERS, 2 * number + 1, head)
        + data_frames(2 * number + 1, listen(2), end=False)
        for number in range(streams)
    )
    write(server, 0)
    with contextlib.ExitStack() as stack, selectors.DefaultSelector() as selector:
        readers = []
        for _ in range(LISTENERS // streams):
            connection = stack.enter_context(server.connect())
            connection.sendall(hello)
            readers.append(Reader(connection))
            selector.register(connection, selectors.EVENT_READ, readers[-1])
        hear_all(selector, readers, streams)
        started = time.monotonic()
        for number in range(1, WRITES + 1):
            write(server, number)
            hear_all(selector, readers, streams)
        each_s = (time.monotonic() - started) / WRITES
        server.answers()
        print(f"{LISTENERS} listeners, {streams} a connection: told in {each_s * 1000:.0f} ms")  # noqa: T201
    eventually(lambda: server.process.num_fds() <= files, "connections are left")
    server.answers()
    assert server.memory_bytes() - memory < 32 * MIB + 60_000 * LISTENERS


class Reader:
    """Counts the documents that one connection is told of."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.received = b""
        self.changes = 0

    def read(self) -> None:
        self.received += self.connection.recv(1 << 20)
        while len(self.received) >= 9:
            end = 9 + int.from_bytes(self.received[:3], "big")
            if len(self.received) < end:
                return
            if self.received[3] == DATA:
                told = pb.ListenResponse.FromString(self.received[14:end])
                self.changes += told.HasField("document_change")
            self.received = self.received[end:]


def hear_all(selector: selectors.BaseSelector, readers: list[Reader], changes: int) -> None:
    """Read until every connection has been told once more by each of its streams."""
    wanted = readers[0].changes + changes
    end = time.monotonic() + 60
    waiting = sum(reader.changes < wanted for reader in readers)
    while waiting:
        assert time.monotonic() < end, f"{waiting} connections have not been told"
        for key, _ in selector.select(1):
            key.data.read()
        waiting = sum(reader.changes < wanted for reader in readers)
