"""HTTP/1.1 on a connection: requests in, responses out. What they mean is for the handler
(`routes.py`).

h11 does the protocol; a web framework would add a quarter of a second to the start and no route of
Firestore's fits a router that splits at slashes.

A client gets one answer at a time: what it sends ahead, or does not read, waits on its side. One
that is silent in the middle of a request is sent away.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import cast
from urllib.parse import parse_qsl, unquote

import h11

from harness.server.bounds import Incoming
from harness.server.function_processes import Peer, peer_of

logger = logging.getLogger(__name__)

MAX_BODY_BYTES = 16 * 1024 * 1024
"""Source: observed: Firestore emulator 1.22.0, one byte more is answered with 413 and no body."""

MAX_DISCARDED_BYTES = 4 * MAX_BODY_BYTES
"""Of a body that is too large, what is read before the answer; so that the client gets to read
that, most send all before they read."""

KEEP_ALIVE_ROUNDS = 75
SILENT_ROUNDS = 30
"""Seconds for which a connection may be idle between requests; for which the head of a request may
take, or its body may stop."""

_MAX_SENT_AHEAD_BYTES = 64 * 1024


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


_ORIGIN = re.compile(r"https?://[^/?]*", re.IGNORECASE)

Handler = Callable[[HttpRequest], Awaitable[HttpResponse]]


def decode_path(path: str) -> list[str]:
    """Split a percent-encoded path into decoded segments: `/v1/a%2Fb` is `["v1", "a/b"]`."""
    return [unquote(segment) for segment in path.lstrip("/").split("/")]


class HttpProtocol(asyncio.Protocol):
    """Serves one connection, one request after another."""

    def __init__(self, handler: Handler, incoming: Incoming, on_lost: Callable[[], None]) -> None:
        self._handler = handler
        self._incoming = incoming
        self._on_lost = on_lost
        self._connection = h11.Connection(h11.SERVER)
        self._transport: asyncio.Transport | None = None
        self._request: h11.Request | None = None
        self._body = bytearray()
        self._body_bytes = 0
        self._refusal: int | None = None
        self._task: asyncio.Task[None] | None = None
        self._silent_rounds = 0
        self._is_between = False
        self._sent_ahead_bytes = 0
        self._is_streaming = False
        self._is_last = False
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
        self._drop_body()
        if self._task is not None:
            self._task.cancel()

    def data_received(self, data: bytes) -> None:
        """Read what has come, and answer each complete request."""
        self._connection.receive_data(data)
        if self._task is None:
            self._is_between = False
            self._read_events()
            return
        self._sent_ahead_bytes += len(data)
        if self._sent_ahead_bytes > _MAX_SENT_AHEAD_BYTES and self._transport is not None:
            self._transport.pause_reading()

    def round(self) -> None:
        """Look, once a second, for a client that has been silent too long."""
        if self._task is not None or self._transport is None or self._transport.is_closing():
            return
        self._silent_rounds += 1
        if self._is_between:
            if self._silent_rounds > KEEP_ALIVE_ROUNDS:
                self._transport.close()
        elif self._silent_rounds > SILENT_ROUNDS:
            self._refuse(408)

    def eof_received(self) -> bool:
        """Answer still what was asked by a client that says no more; of a stream, it is no longer
        the reader: a browser that gives one up closes its connection.

        Returns whether the connection stays open.
        """
        self._is_last = True
        return self._task is not None and not self._is_streaming

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
                self._refuse(error.error_status_hint)
                return
            if event is h11.NEED_DATA:
                if self._connection.they_are_waiting_for_100_continue:
                    if _declared_bytes(self._request) > MAX_BODY_BYTES:
                        self._refuse(413)
                        return
                    self._send(h11.InformationalResponse(status_code=100, headers=[]))
                return
            if event is h11.PAUSED or isinstance(event, h11.ConnectionClosed):
                return
            if isinstance(event, h11.Request):
                self._request = event
                self._silent_rounds = self._body_bytes = 0
                self._refusal = None
            elif isinstance(event, h11.Data):
                self._take_in(event.data)
                if self._body_bytes > MAX_DISCARDED_BYTES:
                    self._refuse(413)
                    return
            elif isinstance(event, h11.EndOfMessage):
                assert self._request is not None
                self._task = asyncio.get_running_loop().create_task(self._answer(self._request))

    def _take_in(self, data: bytes) -> None:
        """Keep a part of a body, as far as there is room for it."""
        self._silent_rounds = 0
        self._body_bytes += len(data)
        if self._body_bytes > MAX_BODY_BYTES:
            self._refusal = 413
        elif self._incoming.is_full:
            self._refusal = 503
        if self._refusal is not None:
            self._drop_body()
        else:
            self._body += data
            self._incoming.held_bytes += len(data)

    def _drop_body(self) -> bytes:
        body = bytes(self._body)
        self._incoming.held_bytes -= len(body)
        self._body.clear()
        return body

    def _refuse(self, status: int) -> None:
        """Send a client away."""
        assert self._transport is not None
        self._drop_body()
        if self._connection.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            self._send(
                h11.Response(
                    status_code=status,
                    headers=[("content-length", "0"), ("connection", "close")],
                )
            )
            self._send(h11.EndOfMessage())
        self._transport.close()

    async def _answer(self, event: h11.Request) -> None:
        try:
            await self._answer_now(event)
        except Exception:  # the client sees an answer that is cut off
            logger.exception("an answer failed: %s %s", event.method, event.target)
            if self._transport is not None:
                self._transport.abort()

    async def _answer_now(self, event: h11.Request) -> None:
        if self._refusal is not None:
            response = HttpResponse(self._refusal)
        else:
            request = _request_from(event, self._drop_body(), self._peer)
            try:
                response = await self._handler(request)
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
            self._is_streaming = True
            await self._send_stream(response.stream)
            self._is_streaming = False
        self._send(h11.EndOfMessage())
        if not self._may_write.is_set():
            await self._may_write.wait()
        self._task = None
        if self._is_last or self._connection.our_state is h11.MUST_CLOSE:
            self._transport.close()
            return
        self._connection.start_next_cycle()
        self._silent_rounds = 0
        self._is_between = self._sent_ahead_bytes == 0
        self._sent_ahead_bytes = 0
        self._transport.resume_reading()
        self._read_events()

    async def _send_stream(self, stream: AsyncIterator[bytes]) -> None:
        async with contextlib.aclosing(cast("AsyncGenerator[bytes, None]", stream)) as parts:
            async for part in parts:
                await self._may_write.wait()
                self._send(h11.Data(data=part))

    def _send(self, event: h11.Event) -> None:
        assert self._transport is not None
        data = self._connection.send(event)
        if data and not self._transport.is_closing():
            self._transport.write(data)


def _declared_bytes(request: h11.Request | None) -> int:
    """Return how long a body is said to be; 0 if it is not said."""
    headers = () if request is None else request.headers
    return next((int(value) for name, value in headers if name == b"content-length"), 0)


def _request_from(event: h11.Request, body: bytes, peer: Peer) -> HttpRequest:
    target = event.target.decode("ascii", "replace")
    # A client that takes this server for a proxy names the server too.
    path, _, query = _ORIGIN.sub("", target, count=1).partition("?")
    return HttpRequest(
        method=event.method.decode("ascii"),
        path=path,
        query=tuple(parse_qsl(query, keep_blank_values=True)),
        headers={name.decode("ascii"): value.decode("latin-1") for name, value in event.headers},
        body=body,
        peer=peer,
    )
