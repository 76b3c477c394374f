"""HTTP/1.1 on a connection: requests in, responses out. What they mean is for the handler
(`routes.py`).

h11 does the protocol; a web framework would add a quarter of a second to the start and no route of
Firestore's fits a router that splits at slashes.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import cast
from urllib.parse import parse_qsl, unquote

import h11

from harness.server.function_processes import Peer, peer_of

logger = logging.getLogger(__name__)

MAX_BODY_BYTES = 16 * 1024 * 1024
"""Source: observed: Firestore emulator 1.22.0, one byte more is answered with 413 and no body."""

_KEEP_ALIVE_S = 75.0


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One request. `path` is still percent-encoded: a document id may hold an encoded slash."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    headers: dict[str, str]
    body: bytes
    peer: Peer = field(default_factory=Peer)

    def query_values(self, *names: str) -> list[str]:
        """Return every value of a query parameter, under any of its spellings, in order."""
        return [value for key, value in self.query if key in names]


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """One response; its length is set when it is sent.

    Args:
        stream: In place of a body: parts that are sent as they come, for as long as they come.
    """

    status: int
    body: bytes = b""
    content_type: str | None = None
    headers: tuple[tuple[str, str], ...] = field(default=())
    stream: AsyncIterator[bytes] | None = None


Handler = Callable[[HttpRequest], Awaitable[HttpResponse]]


def decode_path(path: str) -> list[str]:
    """Split a percent-encoded path into decoded segments: `/v1/a%2Fb` is `["v1", "a/b"]`."""
    return [unquote(segment) for segment in path.lstrip("/").split("/")]


class HttpProtocol(asyncio.Protocol):
    """Serves one connection, one request after another."""

    def __init__(self, handler: Handler, on_lost: Callable[[], None]) -> None:
        self._handler = handler
        self._on_lost = on_lost
        self._connection = h11.Connection(h11.SERVER)
        self._transport: asyncio.Transport | None = None
        self._request: h11.Request | None = None
        self._body = bytearray()
        self._too_large = False
        self._task: asyncio.Task[None] | None = None
        self._idle: asyncio.TimerHandle | None = None
        self._may_write = asyncio.Event()
        self._may_write.set()
        self._peer = Peer()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take over an open connection."""
        self._transport = cast("asyncio.Transport", transport)
        self._peer = peer_of(self._transport)

    def connection_lost(self, error: Exception | None) -> None:
        """Give up what is being answered."""
        self._on_lost()
        if self._task is not None:
            self._task.cancel()
        if self._idle is not None:
            self._idle.cancel()

    def data_received(self, data: bytes) -> None:
        """Read what has come, and answer each complete request."""
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None
        self._connection.receive_data(data)
        self._read_events()

    def eof_received(self) -> None:
        """Close the connection when nothing is left to answer."""
        if self._task is None and self._transport is not None:
            self._transport.close()

    def pause_writing(self) -> None:
        """Hold a stream: its reader is slow."""
        self._may_write.clear()

    def resume_writing(self) -> None:
        """Let a stream go on."""
        self._may_write.set()

    def _read_events(self) -> None:
        assert self._transport is not None
        while self._task is None:
            try:
                event = self._connection.next_event()
            except h11.RemoteProtocolError as error:
                self._refuse(error)
                return
            if event is h11.NEED_DATA:
                if self._connection.they_are_waiting_for_100_continue:
                    self._send(h11.InformationalResponse(status_code=100, headers=[]))
                return
            if event is h11.PAUSED or isinstance(event, h11.ConnectionClosed):
                return
            if isinstance(event, h11.Request):
                self._request = event
                self._body.clear()
                self._too_large = False
            elif isinstance(event, h11.Data):
                if len(self._body) + len(event.data) > MAX_BODY_BYTES:
                    self._too_large = True
                    self._body.clear()
                if not self._too_large:
                    self._body += event.data
            elif isinstance(event, h11.EndOfMessage):
                assert self._request is not None
                self._task = asyncio.get_running_loop().create_task(self._answer(self._request))

    def _refuse(self, error: h11.RemoteProtocolError) -> None:
        assert self._transport is not None
        if self._connection.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            self._send(
                h11.Response(
                    status_code=error.error_status_hint,
                    headers=[("content-length", "0"), ("connection", "close")],
                )
            )
            self._send(h11.EndOfMessage())
        self._transport.close()

    async def _answer(self, event: h11.Request) -> None:
        if self._too_large:
            response = HttpResponse(413)
        else:
            try:
                response = await self._handler(_request_from(event, bytes(self._body), self._peer))
            except Exception:  # the RPC boundary: the client gets a status, the log the traceback
                logger.exception("request failed: %s %s", event.method, event.target)
                response = HttpResponse(500)
        if self._transport is None or self._transport.is_closing():
            return
        headers = list(response.headers)
        if response.stream is None:
            headers.append(("content-length", str(len(response.body))))
        if response.content_type is not None:
            headers.append(("content-type", response.content_type))
        self._send(h11.Response(status_code=response.status, headers=headers))
        if response.body and event.method != b"HEAD":
            self._send(h11.Data(data=response.body))
        if response.stream is not None:
            try:
                await self._send_stream(response.stream)
            except Exception:  # the client sees a body that is cut off
                logger.exception("a stream failed: %s %s", event.method, event.target)
                self._transport.abort()
                return
        self._send(h11.EndOfMessage())
        self._task = None
        if self._connection.our_state is h11.MUST_CLOSE:
            self._transport.close()
            return
        self._connection.start_next_cycle()
        self._idle = asyncio.get_running_loop().call_later(_KEEP_ALIVE_S, self._transport.close)
        self._read_events()

    async def _send_stream(self, stream: AsyncIterator[bytes]) -> None:
        async with contextlib.aclosing(cast("AsyncGenerator[bytes, None]", stream)) as parts:
            async for part in parts:
                await self._may_write.wait()
                self._send(h11.Data(data=part))

    def _send(self, event: h11.Event) -> None:
        assert self._transport is not None
        data = self._connection.send(event)
        if data:
            self._transport.write(data)


def _request_from(event: h11.Request, body: bytes, peer: Peer) -> HttpRequest:
    target = event.target.decode("ascii", "replace")
    path, _, query = target.partition("?")
    return HttpRequest(
        method=event.method.decode("ascii"),
        path=path,
        query=tuple(parse_qsl(query, keep_blank_values=True)),
        headers={name.decode("ascii"): value.decode("latin-1") for name, value in event.headers},
        body=body,
        peer=peer,
    )
