"""One TCP port for gRPC and HTTP/1.1, told apart by how HTTP/2 connections begin."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

from harness.server.http2 import PREFACE

MakeProtocol = Callable[[Callable[[], None]], asyncio.Protocol]
"""Makes the protocol of one connection, given what to call when the connection is lost."""

_BACKLOG = 1024

_ENOUGH = 4
"""Bytes that tell: no HTTP/1.1 method begins with `PRI `."""


class PortServer:
    """A port that accepts connections, and the connections it has accepted.

    Args:
        make_http1: For connections of HTTP/1.1.
        make_http2: For connections that begin with the preface of HTTP/2.
    """

    def __init__(self, make_http1: MakeProtocol, make_http2: MakeProtocol) -> None:
        self.make_http1 = make_http1
        self.make_http2 = make_http2
        self.connections: set[asyncio.Transport] = set()
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
        return number

    def close(self) -> None:
        """Accept nothing more, and drop every connection."""
        if self._server is not None:
            self._server.close()
        for transport in tuple(self.connections):
            transport.abort()


class _Sniffer(asyncio.Protocol):
    """Reads until the kind of connection is known, then gives it away."""

    def __init__(self, server: PortServer) -> None:
        self._server = server
        self._received = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are of no common class with asyncio's.
        self._transport = cast("asyncio.Transport", transport)
        self._server.connections.add(self._transport)

    def connection_lost(self, error: Exception | None) -> None:
        self._lost()

    def _lost(self) -> None:
        if self._transport is not None:
            self._server.connections.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        assert self._transport is not None
        self._received += data
        start = self._received[: len(PREFACE)]
        if not PREFACE.startswith(start):
            self._give_away(self._server.make_http1(self._lost))
        elif len(start) >= _ENOUGH:
            self._give_away(self._server.make_http2(self._lost))

    def _give_away(self, protocol: asyncio.Protocol) -> None:
        assert self._transport is not None
        self._transport.set_protocol(protocol)
        protocol.connection_made(self._transport)
        protocol.data_received(self._received)
