"""HTTP/2 requests that are no gRPC: the same routes as HTTP/1.1 has."""

from __future__ import annotations

import asyncio
from urllib.parse import parse_qsl

from harness.server.bounds import Incoming
from harness.server.http import (
    MAX_BODY_BYTES,
    MAX_DISCARDED_BYTES,
    Handler,
    HttpRequest,
    HttpResponse,
)
from harness.server.http2 import Http2Stream
from harness.server.http2_headers import Headers, write_headers


class Http2Request:
    """One request, collected until it is complete and then answered."""

    def __init__(
        self, handler: Handler, incoming: Incoming, stream: Http2Stream, headers: Headers
    ) -> None:
        self._handler = handler
        self._incoming = incoming
        self._stream = stream
        self._headers = headers
        self._body = bytearray()
        self._body_bytes = 0
        self._refusal: int | None = None
        self._task: asyncio.Task[None] | None = None

    def data(self, data: bytes) -> None:
        """Take in a part of the body."""
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
        if self._body_bytes > MAX_DISCARDED_BYTES:
            self._send(HttpResponse(413))

    def end(self) -> None:
        """Answer."""
        self._task = asyncio.get_running_loop().create_task(self._answer())

    def lost(self) -> None:
        """Give up."""
        self._drop_body()
        if self._task is not None:
            self._task.cancel()

    def silent(self) -> None:
        """Send away a client that has stopped in the middle of its request."""
        self._drop_body()
        self._send(HttpResponse(408))

    def _drop_body(self) -> bytes:
        body = bytes(self._body)
        self._incoming.held_bytes -= len(body)
        self._body.clear()
        return body

    async def _answer(self) -> None:
        if self._refusal is not None:
            self._send(HttpResponse(self._refusal))
            return
        path, _, query = self._headers.get(":path", "/").partition("?")
        request = HttpRequest(
            method=self._headers.get(":method", "GET"),
            path=path,
            query=tuple(parse_qsl(query, keep_blank_values=True)),
            headers=self._headers,
            body=self._drop_body(),
            peer=self._stream.peer,
        )
        response = await self._handler(request)
        if response.stream is None:
            self._send(response)
        else:
            # Browsers speak HTTP/2 with TLS only, which an emulator has not.
            self._send(HttpResponse(505))

    def _send(self, response: HttpResponse) -> None:
        fields = [(":status", str(response.status)), *response.headers]
        fields.append(("content-length", str(len(response.body))))
        if response.content_type is not None:
            fields.append(("content-type", response.content_type))
        head = write_headers(fields)
        if response.body and self._headers.get(":method") != "HEAD":
            self._stream.send(head, response.body, b"")
        else:
            self._stream.end_with_headers(head)
