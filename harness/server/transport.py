"""One TCP port for gRPC and HTTP/1.1, told apart by how HTTP/2 connections begin.

Once a second each connection is asked to look for what its client has left unfinished: one timer
for all, so that requests need none.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable
from typing import Protocol, cast

from harness.server.http2 import HANDSHAKE_ROUNDS, PREFACE


class Connection(Protocol):
    """What serves one connection."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take over an open connection."""

    def data_received(self, data: bytes) -> None:
        """Read what has come."""

    def round(self) -> None:
        """Look for what has been unfinished too long."""


MakeProtocol = Callable[[Callable[[], None]], Connection]
"""Makes the protocol of one connection, given what to call when the connection is lost."""

_BACKLOG = 4096

SILENT_ROUNDS = 75
"""Seconds in which a connection must say something: browsers open some ahead of need."""
CLOSING_ROUNDS = 30
"""Seconds for which the last words to a client may wait for it."""
SPARE_FILES = 64
"""Files that are no connections."""

_ENOUGH = 4
"""Bytes that tell: no HTTP/1.1 method begins with `PRI `."""


class PortServer:
    """A port that accepts connections, and the connections it has accepted.

    Args:
        make_http1: For connections of HTTP/1.1.
        make_http2: For connections that begin with the preface of HTTP/2.
        round_s: Seconds between looks at connections.
        max_connections: More than these are closed as they come.
    """

    def __init__(
        self,
        make_http1: MakeProtocol,
        make_http2: MakeProtocol,
        *,
        round_s: float = 1.0,
        max_connections: int | None = None,
    ) -> None:
        self.make_http1 = make_http1
        self.make_http2 = make_http2
        self.connections: set[asyncio.Transport] = set()
        self.max_connections = max_connections or most_connections()
        self._round_s = round_s
        self._closing: dict[asyncio.Transport, tuple[int, int]] = {}
        self._rounds: asyncio.Task[None] | None = None
        self._server: asyncio.Server | None = None

    async def start(self, host: str, port: int) -> int:
        """Listen, and return the port, which was chosen if 0 was asked for.

        Raises:
            OSError: The address cannot be had.
        """
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: _Sniffer(self), host, port, backlog=_BACKLOG
        )
        number: int = self._server.sockets[0].getsockname()[1]
        self._rounds = loop.create_task(self._go_round())
        return number

    async def take_over(self, connected: socket.socket) -> None:
        """Serve a connection that somebody else has accepted."""
        loop = asyncio.get_running_loop()
        await loop.connect_accepted_socket(lambda: _Sniffer(self), connected)

    async def _go_round(self) -> None:
        while True:
            await asyncio.sleep(self._round_s)
            for transport in tuple(self.connections):
                if transport.is_closing():
                    self._hurry(transport)
                else:
                    cast("Connection", transport.get_protocol()).round()

    def _hurry(self, transport: asyncio.Transport) -> None:
        """Drop a connection that is closed but for what its client does not read."""
        left = transport.get_write_buffer_size()
        before, rounds = self._closing.get(transport, (left, 0))
        rounds = rounds + 1 if left >= before else 0
        self._closing[transport] = (left, rounds)
        if rounds > CLOSING_ROUNDS:
            transport.abort()

    def forget(self, transport: asyncio.Transport) -> None:
        """Hear that a connection is no more."""
        self.connections.discard(transport)
        self._closing.pop(transport, None)

    def close(self) -> None:
        """Accept nothing more, and drop every connection."""
        if self._rounds is not None:
            self._rounds.cancel()
        if self._server is not None:
            self._server.close()
        for transport in tuple(self.connections):
            transport.abort()


class _Sniffer(asyncio.Protocol):
    """Reads until the kind of connection is known, then gives it away."""

    def __init__(self, server: PortServer) -> None:
        self._server = server
        self._received = b""
        self._silent_rounds = 0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are of no common class with asyncio's.
        self._transport = cast("asyncio.Transport", transport)
        self._server.connections.add(self._transport)
        if len(self._server.connections) > self._server.max_connections:
            self._transport.abort()
            return
        _notice_vanished_peers(self._transport)

    def connection_lost(self, error: Exception | None) -> None:
        self._lost()

    def _lost(self) -> None:
        if self._transport is not None:
            self._server.forget(self._transport)

    def round(self) -> None:
        self._silent_rounds += 1
        limit = HANDSHAKE_ROUNDS if self._received else SILENT_ROUNDS
        if self._silent_rounds > limit and self._transport is not None:
            self._transport.close()

    def data_received(self, data: bytes) -> None:
        assert self._transport is not None
        self._received += data
        start = self._received[: len(PREFACE)]
        if not PREFACE.startswith(start):
            self._give_away(self._server.make_http1(self._lost))
        elif len(start) >= _ENOUGH:
            self._give_away(self._server.make_http2(self._lost))

    def _give_away(self, protocol: Connection) -> None:
        assert self._transport is not None
        self._transport.set_protocol(cast("asyncio.Protocol", protocol))
        protocol.connection_made(self._transport)
        protocol.data_received(self._received)


def most_connections() -> int:
    """Return how many connections this process may have, after asking for as many as it can get."""
    try:
        import resource
    except ImportError:  # Windows
        return 2_000
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        # macOS says that there is no limit, and has one.
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            soft = hard
    if soft == resource.RLIM_INFINITY:
        return 100_000
    return max(soft - SPARE_FILES, 1)


def _notice_vanished_peers(transport: asyncio.Transport) -> None:
    """Have the system ask, from time to time, whether a client that is silent is still there."""
    opened = transport.get_extra_info("socket")
    if opened is not None:
        with contextlib.suppress(OSError):
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
