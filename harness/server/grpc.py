"""gRPC over HTTP/2 streams: messages, statuses and cancellation, for the methods of `rpcs.py` and
for two-way streams.

A deadline is the client's to keep: it resets the stream, and the call is cancelled.

Source: grpc/grpc, doc/PROTOCOL-HTTP2.md.
"""

from __future__ import annotations

import asyncio
import logging
import zlib
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass
from struct import Struct
from typing import Any, Final

from harness.errors import StatusCode, StatusError
from harness.server.fault_injection import AnswerCut
from harness.server.function_processes import FunctionProcesses
from harness.server.http2 import Http2Stream, StreamHandler
from harness.server.http2_headers import Headers, write_headers
from harness.server.rpcs import FirestoreRpcs, Rpc
from harness.server.shell import RequestHeaders, count_sent, unimplemented

logger = logging.getLogger(__name__)

SERVICE: Final = "/google.firestore.v1.Firestore/"

MAX_MESSAGE_BYTES: Final = 100 * 1024 * 1024
"""Source: observed: Firestore emulator 1.22.0."""

_PREFIX = Struct(">BI")
_STATUS_200 = b"\x88"
_HEAD = _STATUS_200 + write_headers(
    [("content-type", "application/grpc"), ("grpc-accept-encoding", "identity,deflate,gzip")]
)
_OK = write_headers([("grpc-status", "0")])
_UNPRINTED = frozenset(range(0x20)) | {0x25} | frozenset(range(0x7F, 0x100))
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
    """

    def __init__(
        self,
        rpcs: FirestoreRpcs,
        two_way: Iterable[TwoWayRpc],
        answer_http: Callable[[Http2Stream, Headers], StreamHandler],
        functions: FunctionProcesses | None = None,
    ) -> None:
        self._methods: dict[str, Method] = {
            SERVICE + name: rpc for name, rpc in rpcs.table().items()
        }
        self._methods |= {SERVICE + rpc.name: rpc for rpc in two_way}
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
        return call

    def request_headers(self, stream: Http2Stream, headers: Headers) -> RequestHeaders:
        """Return what is known of who sends a request."""
        functions = self._functions
        return RequestHeaders(
            headers.get("authorization"),
            headers.get("x-harness-caller"),
            headers.get("google-cloud-resource-prefix"),
            functions.function_of(stream.peer) if functions is not None else None,
            headers.get("x-harness-source"),
        )

    def start(self, coroutine: Any) -> asyncio.Task[None]:
        """Run a call in the background; the loop itself keeps only weak references."""
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(coroutine)
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

    __slots__ = ("_buffer", "_headers", "_messages", "_service", "_stream", "_task", "method")

    def __init__(self, service: GrpcService, stream: Http2Stream, headers: Headers) -> None:
        self._service = service
        self._stream = stream
        self._headers = headers
        self._buffer = bytearray()
        self._messages: asyncio.Queue[Any] | None = None
        self._task: asyncio.Task[None] | None = None
        self.method: Rpc | None = None

    # --- from the stream --------------------------------------------------------------------------

    def data(self, data: bytes) -> None:
        """Take in a part of the request."""
        self._buffer += data
        if len(self._buffer) < _PREFIX.size:
            return
        size = _PREFIX.unpack_from(self._buffer)[1]
        if size > MAX_MESSAGE_BYTES:
            self.fail(
                StatusError(
                    StatusCode.RESOURCE_EXHAUSTED,
                    f"gRPC message exceeds maximum size {MAX_MESSAGE_BYTES}: {size}",
                )
            )
            self.lost()
        elif self._messages is not None:
            try:
                while (message := self._next_message()) is not None:
                    self._messages.put_nowait(message)
            except StatusError as error:
                self._messages.put_nowait(error)

    def end(self) -> None:
        """Hear that the request is complete."""
        if self._messages is not None:
            self._messages.put_nowait(None)
        elif self.method is not None:
            self._task = self._service.start(self._answer(self.method))

    def lost(self) -> None:
        """Cancel the call."""
        if self._task is not None:
            self._task.cancel()

    # --- calls ------------------------------------------------------------------------------------

    def open_two_way(self, method: TwoWayRpc) -> None:
        """Serve a method whose requests come while its responses go."""
        self._messages = asyncio.Queue()
        self._task = self._service.start(self._converse(method, self._messages))

    async def _answer(self, method: Rpc) -> None:
        try:
            data = self._next_message()
            if data is None or self._buffer:
                raise StatusError(StatusCode.INTERNAL, "The request must be one message.")
            result = await method.call(_parsed(method.request, data), self._request_headers())
            body = b"".join(map(_framed, result)) if method.is_stream else _framed(result)
            count_sent(len(body))
            self._stream.send(_HEAD, body, _OK)
        except AnswerCut as cut:
            self._stream.send(_HEAD, b"".join(map(_framed, cut.responses)), None)
            self.fail(cut, has_head=True)
        except StatusError as error:
            self.fail(error)
        except Exception:  # the RPC boundary: the client gets a status, the log the traceback
            logger.exception("%s failed", method.name)
            self.fail(_internal(method.name))

    async def _converse(self, method: TwoWayRpc, messages: asyncio.Queue[Any]) -> None:
        head: bytes | None = _HEAD
        stream = self._stream

        async def requests() -> AsyncIterator[Any]:
            while (item := await messages.get()) is not None:
                if isinstance(item, StatusError):
                    raise item
                yield _parsed(method.request, item)

        try:
            responses = method.call(requests(), self._request_headers())
            try:
                async for response in responses:
                    body = _framed(response)
                    count_sent(len(body))
                    stream.send(head, body, None)
                    head = None
                    await stream.drain()
            finally:
                await responses.aclose()  # type: ignore[attr-defined]
            stream.send(head, b"", _OK)
        except StatusError as error:
            self.fail(error, has_head=head is None)
        except Exception:  # the RPC boundary
            logger.exception("%s failed", method.name)
            self.fail(_internal(method.name), has_head=head is None)

    def _request_headers(self) -> RequestHeaders:
        return self._service.request_headers(self._stream, self._headers)

    def fail(self, error: StatusError, *, has_head: bool = False) -> None:
        """End the call with a status.

        The head is a block of its own, though one block would do: where a stream's answer has no
        head, the Node library takes the server for dead and asks thrice, for seven seconds.

        Source: npm retry-request, `noResponseRetries`, as google-gax calls it for streams.
        """
        trailers = write_headers(
            [
                ("grpc-status", str(error.code.value)),
                ("grpc-message", _percent_encoded(error.message)),
            ]
        )
        self._stream.send(None if has_head else _HEAD, b"", trailers)

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
        return _decompressed(data, self._headers.get("grpc-encoding", "")) if compressed else data


def _decompressed(data: bytes, encoding: str) -> bytes:
    windows = {"gzip": _GZIP_WINDOW, "deflate": _DEFLATE_WINDOW}
    if encoding not in windows:
        raise unimplemented(f"The message encoding {encoding!r}")
    try:
        reader = zlib.decompressobj(windows[encoding])
        found = reader.decompress(data, MAX_MESSAGE_BYTES)
    except zlib.error as error:
        raise StatusError(StatusCode.INTERNAL, "A message cannot be decompressed.") from error
    if reader.unconsumed_tail:
        raise StatusError(
            StatusCode.RESOURCE_EXHAUSTED, f"gRPC message exceeds maximum size {MAX_MESSAGE_BYTES}"
        )
    return found


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
