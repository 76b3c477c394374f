"""gRPC over HTTP/2 streams: messages, statuses and cancellation, for the methods of `rpcs.py` and
for two-way streams.

A deadline ends a call here too: a client that is gone, or asleep, may not keep it.

Source: grpc/grpc, doc/PROTOCOL-HTTP2.md.
"""

from __future__ import annotations

import asyncio
import logging
import re
import zlib
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass
from struct import Struct
from typing import Any, Final

from harness.errors import StatusCode, StatusError
from harness.server.at_once import run_at_once
from harness.server.bounds import Incoming, payload_too_large, too_much_incoming
from harness.server.fault_injection import AnswerCut
from harness.server.function_processes import FunctionProcesses
from harness.server.http2 import Http2Stream, StreamHandler
from harness.server.http2_headers import Headers, write_headers
from harness.server.rpcs import FirestoreRpcs, Rpc
from harness.server.shell import RequestHeaders, count_sent, request_headers, unimplemented

logger = logging.getLogger(__name__)

SERVICE: Final = "/google.firestore.v1.Firestore/"
_SERVICES: Final = (SERVICE, "/google.firestore.v1beta1.Firestore/")
"""The second is what early clients call it; its messages are the same."""

MAX_MESSAGE_BYTES: Final = 100 * 1024 * 1024
"""Source: observed: Firestore emulator 1.22.0."""

MAX_WAITING_BYTES: Final = 1024 * 1024
"""Requests of a two-way stream that wait to be served; its client waits with more."""

_SLICE_BYTES = 256 * 1024
"""Of a long answer, what is made in one turn of the loop."""

_TIMEOUT = re.compile(r"(\d{1,8})([HMSmun])")
_UNITS_S = {"H": 3600.0, "M": 60.0, "S": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9}

_PREFIX = Struct(">BI")
_STATUS_200 = b"\x88"
_HEAD = _STATUS_200 + write_headers(
    [("content-type", "application/grpc"), ("grpc-accept-encoding", "identity,deflate,gzip")]
)
_OK = write_headers([("grpc-status", "0")])
_UNPRINTED = frozenset(range(0x20)) | {0x25} | frozenset(range(0x7F, 0x100))
_TRIED_AGAIN = frozenset(
    {
        StatusCode.UNAVAILABLE,
        StatusCode.RESOURCE_EXHAUSTED,
        StatusCode.INTERNAL,
        StatusCode.DEADLINE_EXCEEDED,
    }
)
"""What clients try reads again for. Source: firestore_grpc_service_config.json, googleapis."""
_GZIP_WINDOW = 31
_DEFLATE_WINDOW = 15

TwoWay = Callable[[AsyncIterator[Any], RequestHeaders], AsyncIterator[Any]]


@dataclass(frozen=True, slots=True)
class TwoWayRpc:
    """A method whose two sides both stay open."""

    name: str
    request: Any
    call: TwoWay


Method = Rpc | TwoWayRpc


class GrpcService:
    """Finds the method of each request.

    Args:
        two_way: The methods that are streams in both directions.
        answer_http: Serves a request of HTTP/2 that is no gRPC.
        functions: Tells which function a connection comes from; None: there are no functions.
        incoming: What requests that are not complete hold.
        max_request_bytes: Of one message; None: `MAX_MESSAGE_BYTES`.
        others: Methods of other services, by their paths; None: there are none.
    """

    def __init__(
        self,
        rpcs: FirestoreRpcs,
        two_way: Iterable[TwoWayRpc],
        answer_http: Callable[[Http2Stream, Headers], StreamHandler],
        functions: FunctionProcesses | None = None,
        incoming: Incoming | None = None,
        max_request_bytes: int | None = None,
        others: Mapping[str, Rpc] | None = None,
    ) -> None:
        methods: dict[str, Method] = {**rpcs.table(), **{rpc.name: rpc for rpc in two_way}}
        self._methods = {
            service + name: rpc for service in _SERVICES for name, rpc in methods.items()
        } | dict(others or {})
        self.incoming = incoming or Incoming()
        self.max_request_bytes = max_request_bytes or MAX_MESSAGE_BYTES
        self._is_refused_as_emulator = max_request_bytes is None
        self._answer_http = answer_http
        self._functions = functions
        self._tasks: set[asyncio.Task[None]] = set()

    def make_handler(self, stream: Http2Stream, headers: Headers) -> StreamHandler:
        """Return who serves a request."""
        if not headers.get("content-type", "").startswith("application/grpc"):
            return self._answer_http(stream, headers)
        call = GrpcCall(self, stream, headers)
        path = headers.get(":path", "")
        method = self._methods.get(path)
        if method is None:
            call.fail(unimplemented(f"Method {path.lstrip('/')}"))
        elif isinstance(method, Rpc):
            call.method = method
        else:
            call.open_two_way(method)
        timeout = headers.get("grpc-timeout")
        if timeout is not None and method is not None:
            call.keep_deadline(timeout)
        return call

    def request_headers(self, stream: Http2Stream, headers: Headers) -> RequestHeaders:
        """Return what is known of who sends a request."""
        functions, source = self._functions, headers.get("x-harness-source")
        return request_headers(
            headers.get("authorization"),
            headers.get("x-harness-caller"),
            headers.get("google-cloud-resource-prefix"),
            # What says a line of a check comes from that check.
            functions.function_of(stream.peer) if functions is not None and not source else None,
            source,
        )

    def too_large(self, size: int) -> StatusError:
        """Make the error of a message of too many bytes."""
        if not self._is_refused_as_emulator:
            return payload_too_large(self.max_request_bytes)
        return StatusError(
            StatusCode.RESOURCE_EXHAUSTED,
            f"gRPC message exceeds maximum size {MAX_MESSAGE_BYTES}: {size}",
        )

    def start(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run a call in the background."""
        return self._kept(asyncio.get_running_loop().create_task(coroutine))

    def run(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None] | None:
        """Run a call at once; what of it has to wait, in the background."""
        task = run_at_once(coroutine)
        return None if task is None else self._kept(task)

    def _kept(self, task: asyncio.Task[None]) -> asyncio.Task[None]:
        # The loop itself keeps only weak references.
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def stop(self) -> None:
        """Cancel every call, and wait for that."""
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class GrpcCall:
    """One call."""

    __slots__ = (
        "_buffer",
        "_deadline",
        "_has_head",
        "_headers",
        "_messages",
        "_service",
        "_stream",
        "_task",
        "_waiting_bytes",
        "method",
    )

    def __init__(self, service: GrpcService, stream: Http2Stream, headers: Headers) -> None:
        self._service = service
        self._stream = stream
        self._headers = headers
        self._buffer = bytearray()
        self._messages: asyncio.Queue[Any] | None = None
        self._waiting_bytes = 0
        self._task: asyncio.Task[None] | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._has_head = False
        self.method: Rpc | None = None

    # --- from the stream --------------------------------------------------------------------------

    def data(self, data: bytes) -> None:
        """Take in a part of the request."""
        buffer = self._buffer
        buffer += data
        self._service.incoming.held_bytes += len(data)
        try:
            self._check_size()
            if self._messages is not None:
                while (message := self._next_message()) is not None:
                    self._waiting_bytes += len(message)
                    self._messages.put_nowait(message)
                self._stream.is_held = self._waiting_bytes > MAX_WAITING_BYTES
        except StatusError as error:
            self._refuse(error)

    def end(self) -> None:
        """Hear that the request is complete."""
        if self._messages is not None:
            self._messages.put_nowait(None)
        elif self.method is not None:
            self._task = self._service.run(self._answer(self.method))

    def lost(self) -> None:
        """Cancel the call."""
        self._forget()
        if self._task is not None:
            self._task.cancel()

    def silent(self) -> None:
        """Give up a request that has stopped in its middle; a two-way stream may be silent."""
        if self._messages is None or self._buffer:
            self._refuse(
                StatusError(StatusCode.DEADLINE_EXCEEDED, "The request has not come to its end.")
            )

    def _check_size(self) -> None:
        """Refuse a request that is too large, or that goes on after its only message.

        Raises:
            StatusError: It is.
        """
        buffer, service = self._buffer, self._service
        if len(buffer) < _PREFIX.size:
            return
        size = _PREFIX.unpack_from(buffer)[1]
        if size > service.max_request_bytes:
            raise service.too_large(size)
        if self._messages is None and len(buffer) > _PREFIX.size + size:
            raise _not_one_message()
        if service.incoming.is_full:
            raise too_much_incoming()

    def _refuse(self, error: StatusError) -> None:
        """End the call from outside its task."""
        self.fail(error)
        self.lost()

    def _forget(self) -> None:
        """Let go of what was kept for the call."""
        self._service.incoming.held_bytes -= len(self._buffer)
        self._buffer.clear()
        if self._deadline is not None:
            self._deadline.cancel()

    # --- calls ------------------------------------------------------------------------------------

    def open_two_way(self, method: TwoWayRpc) -> None:
        """Serve a method whose requests come while its responses go."""
        self._messages = asyncio.Queue()
        self._task = self._service.start(self._converse(method, self._messages))

    def keep_deadline(self, text: str) -> None:
        """End the call when its client stops waiting for it."""
        match = _TIMEOUT.fullmatch(text)
        if match is None:
            self._refuse(StatusError(StatusCode.INTERNAL, f"Not a timeout: {text}"))
            return
        seconds = int(match[1]) * _UNITS_S[match[2]]
        self._deadline = asyncio.get_running_loop().call_later(seconds, self._expire)

    def _expire(self) -> None:
        self._refuse(StatusError(StatusCode.DEADLINE_EXCEEDED, "Deadline exceeded"))

    async def _answer(self, method: Rpc) -> None:
        try:
            data = self._next_message()
            if data is None or self._buffer:
                raise _not_one_message()
            result = await method.call(_parsed(method.request, data), self._request_headers())
            if method.is_stream:
                await self._send_all(result)
            else:
                self._send(_framed(result), _OK)
        except AnswerCut as cut:
            self._send(b"".join(map(_framed, cut.responses)), None)
            self.fail(cut)
        except StatusError as error:
            self.fail(error)
        except Exception:  # the RPC boundary: the client gets a status, the log the traceback
            logger.exception("%s failed", method.name)
            self.fail(_internal(method.name))
        finally:
            self._forget()

    async def _send_all(self, responses: Iterable[Any]) -> None:
        """Send an answer of several messages: a short one at once, a long one as its client reads,
        and so that others have their turn meanwhile.
        """
        body = bytearray()
        for response in responses:
            body += _framed(response)
            if len(body) >= _SLICE_BYTES:
                self._send(bytes(body), None)
                body.clear()
                await self._stream.drain()
                await asyncio.sleep(0)
        self._send(bytes(body), _OK)

    def _send(self, body: bytes, trailers: bytes | None) -> None:
        count_sent(len(body))
        self._stream.send(None if self._has_head else _HEAD, body, trailers)
        self._has_head = True

    async def _converse(self, method: TwoWayRpc, messages: asyncio.Queue[Any]) -> None:
        stream = self._stream

        async def requests() -> AsyncIterator[Any]:
            while (item := await messages.get()) is not None:
                self._waiting_bytes -= len(item)
                if stream.is_held and self._waiting_bytes <= MAX_WAITING_BYTES:
                    stream.release()
                yield _parsed(method.request, item)

        try:
            responses = method.call(requests(), self._request_headers())
            try:
                async for response in responses:
                    self._send(_framed(response), None)
                    await stream.drain()
            finally:
                await responses.aclose()  # type: ignore[attr-defined]
            self._send(b"", _OK)
        except StatusError as error:
            self.fail(error)
        except Exception:  # the RPC boundary
            logger.exception("%s failed", method.name)
            self.fail(_internal(method.name))
        finally:
            self._forget()

    def _request_headers(self) -> RequestHeaders:
        return self._service.request_headers(self._stream, self._headers)

    def fail(self, error: StatusError) -> None:
        """End the call with a status.

        The head is a block of its own: where a stream's answer has no head, the Node library takes
        the server for dead and asks thrice, for seven seconds. A status that clients try again is
        one block with it, since a call whose head has come is not tried again.

        Source: npm retry-request, `noResponseRetries`, as google-gax calls it for streams; gRFC A6,
            "gRPC Retry Design", when retries are valid.
        """
        trailers = write_headers(
            [
                ("grpc-status", str(error.code.value)),
                ("grpc-message", _percent_encoded(error.message)),
            ]
        )
        if not self._has_head and error.code in _TRIED_AGAIN:
            self._stream.end_with_headers(_HEAD + trailers)
        else:
            self._stream.send(None if self._has_head else _HEAD, b"", trailers)
        self._has_head = True

    def _next_message(self) -> bytes | None:
        """Take the next complete message out of the buffer, decompressed.

        Raises:
            StatusError: It is compressed in a way that this server does not know.
        """
        buffer = self._buffer
        if len(buffer) < _PREFIX.size:
            return None
        compressed, size = _PREFIX.unpack_from(buffer)
        end = _PREFIX.size + size
        if len(buffer) < end:
            return None
        data = bytes(buffer[_PREFIX.size : end])
        del buffer[:end]
        self._service.incoming.held_bytes -= end
        if not compressed:
            return data
        most = self._service.max_request_bytes
        found = _decompressed(data, self._headers.get("grpc-encoding", ""), most)
        if found is None:
            raise self._service.too_large(most + 1)
        return found


def _decompressed(data: bytes, encoding: str, most: int) -> bytes | None:
    """Return a message as it was before it was compressed; None: it is larger than `most`.

    Raises:
        StatusError: It is compressed in a way that this server does not know, or not well.
    """
    windows = {"gzip": _GZIP_WINDOW, "deflate": _DEFLATE_WINDOW}
    if encoding not in windows:
        raise unimplemented(f"The message encoding {encoding!r}")
    try:
        reader = zlib.decompressobj(windows[encoding])
        found = reader.decompress(data, most + 1)
    except zlib.error as error:
        raise StatusError(StatusCode.INTERNAL, "A message cannot be decompressed.") from error
    if len(found) > most:
        return None
    if not reader.eof or reader.unused_data:
        raise StatusError(StatusCode.INTERNAL, "A message cannot be decompressed.")
    return found


def _not_one_message() -> StatusError:
    return StatusError(StatusCode.INTERNAL, "The request must be one message.")


def _parsed(request: Any, data: bytes) -> Any:
    try:
        return request.FromString(data)
    except Exception as error:  # protobuf's own class is made at run time
        raise StatusError(StatusCode.INTERNAL, "The request cannot be parsed.") from error


def _framed(message: Any) -> bytes:
    data: bytes = message.SerializeToString()
    return _PREFIX.pack(0, len(data)) + data


def _percent_encoded(text: str) -> str:
    """Encode a status message as the protocol has it: printable ASCII stays, but for `%`."""
    return "".join(
        f"%{byte:02X}" if byte in _UNPRINTED else chr(byte)
        for byte in text.encode("utf-8", "replace")
    )


def _internal(name: str) -> StatusError:
    return StatusError(
        StatusCode.INTERNAL, f"{name} failed inside the embedded Firestore; see its log"
    )
