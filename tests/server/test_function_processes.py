"""Which function a connection comes from, with real processes and sockets."""

import asyncio
import os
import socket
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from harness.server import function_processes
from harness.server.function_processes import FunctionProcesses, Peer, peer_of

_CONNECT = """\
import socket, sys
connections = [socket.create_connection(("127.0.0.1", int(sys.argv[1])))]
print(connections[0].getsockname()[1], flush=True)
sys.stdin.read()
"""


@pytest.fixture
def listener():
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


@contextmanager
def connected(listener, **environment):
    """The port from which a process of its own has connected."""
    process = subprocess.Popen(
        [sys.executable, "-c", _CONNECT, str(listener.getsockname()[1])],
        env={**os.environ, **environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield int(process.stdout.readline())
    finally:
        process.communicate("", timeout=10)


@pytest.fixture(params=["the kernel's table", "psutil"])
def processes(request, monkeypatch):
    if request.param == "psutil":
        monkeypatch.setattr(function_processes, "_SOCKET_TABLES", ("/nowhere/tcp",))
    elif not Path(function_processes._SOCKET_TABLES[0]).exists():
        pytest.skip("this system has no such table")
    return FunctionProcesses(os.getpid())


def test_a_function_is_told_by_the_process_that_connected(listener, processes):
    with (
        connected(listener, K_SERVICE="one") as first,
        connected(listener, K_SERVICE="two") as last,
    ):
        assert processes.function_of(Peer(last)) == "two"
        assert processes.function_of(Peer(first)) == "one"


def test_what_is_no_function_has_no_name(listener, processes):
    with connected(listener) as port, connected(listener, K_SERVICE="another"):
        assert processes.function_of(Peer(port)) is None
    assert processes.function_of(Peer(None)) is None


def test_a_function_that_starts_later_is_found(listener, processes):
    with connected(listener) as port:
        assert processes.function_of(Peer(port)) is None
        with connected(listener, FUNCTION_TARGET="late") as late:
            assert processes.function_of(Peer(late)) == "late"
    with connected(listener, FUNCTION_TARGET="later") as port:
        assert processes.function_of(Peer(port)) == "later"


def test_processes_of_others_are_not_looked_at(listener, processes):
    with connected(listener, K_SERVICE="one") as port:
        alone = FunctionProcesses(root=2**22 + 1)
        assert alone.function_of(Peer(port)) is None


def test_a_connection_is_looked_up_once(listener, processes):
    with connected(listener, K_SERVICE="one") as port:
        peer = Peer(port)
        assert processes.function_of(peer) == "one"
    assert processes.function_of(peer) == "one"


def test_the_peer_of_a_transport_has_its_port(listener):
    async def ask():
        ports = []

        async def serve(reader, writer):
            ports.append(peer_of(writer.transport).port)
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        own = writer.get_extra_info("sockname")[1]
        while not ports:
            await asyncio.sleep(0.01)
        writer.close()
        server.close()
        return ports, own

    ports, own = asyncio.run(asyncio.wait_for(ask(), 10))
    assert ports == [own]
