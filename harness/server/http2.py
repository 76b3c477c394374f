"""HTTP/2 on a connection: frames, streams and flow control. What a request means is for the
handler.

Written for one purpose, gRPC on loopback, where it costs a third of what general servers do: each
answer is one write, and header blocks are constants. No priorities, no push.

What a client can make the server keep is bounded: by the windows it is given, by what it may leave
unread, and by how long it may be silent in the middle of something. Whoever goes beyond loses the
stream or the connection.

Source: RFC 9113.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from struct import Struct
from typing import Final, Protocol, cast

from harness.server.function_processes import Peer, peer_of
from harness.server.http2_headers import MAX_BLOCK_BYTES, HeaderError, HeaderReader, Headers

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

_DATA, _HEADERS, _PRIORITY, _RST_STREAM, _SETTINGS = 0, 1, 2, 3, 4
_PUSH_PROMISE, _PING, _GOAWAY, _WINDOW_UPDATE, _CONTINUATION = 5, 6, 7, 8, 9

_OF_A_STREAM: Final = frozenset({_DATA, _RST_STREAM})
_OF_THE_CONNECTION: Final = frozenset({_SETTINGS, _PING, _GOAWAY})

_END_STREAM, _ACK, _END_HEADERS, _PADDED, _HAS_PRIORITY = 0x1, 0x1, 0x4, 0x8, 0x20

_SETTING_HEADER_TABLE_SIZE, _SETTING_MAX_STREAMS = 1, 3
_SETTING_INITIAL_WINDOW_SIZE, _SETTING_MAX_FRAME_SIZE = 4, 5

NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, FLOW_CONTROL_ERROR = 0, 1, 2, 3
STREAM_CLOSED, FRAME_SIZE_ERROR, REFUSED_STREAM, CANCEL, COMPRESSION_ERROR = 5, 6, 7, 8, 9
ENHANCE_YOUR_CALM = 11

_MAX_WINDOW = 2**31 - 1
_DEFAULT_WINDOW = 65_535
_DEFAULT_FRAME_SIZE = 16_384
_OUR_STREAM_WINDOW = 4 * 1024 * 1024
_OUR_CONNECTION_WINDOW = 1 << 30
_OUR_MAX_STREAMS = 1000
_MAX_QUEUED_BYTES = 256 * 1024
"""What a stream may have waiting before its writer waits too."""
MAX_UNREAD_BYTES = 64 * 1024 * 1024
"""Answers that wait for one client; while more do, no more of its requests are taken."""
MAX_CONTROL_FRAMES = 10_000
"""Frames a second that ask for work and bring none: pings, settings, resets, empty ones."""
_AT_ONCE = 8
"""Requests of one connection that begin in one turn of the loop; then others have theirs."""
_RESET_COUNTS_AS = 4
"""A request that is taken back has cost more than a ping."""
MAX_CONTINUATIONS = 64
HANDSHAKE_ROUNDS = 10
SILENT_ROUNDS = 30
"""Seconds in which a connection must have begun; for which a request may stop in its middle."""

_FRAME_HEAD = Struct(">HBBBI")
_SETTING = Struct(">HI")
_WORD = Struct(">I")


def frame(kind: int, flags: int, stream_id: int, payload: bytes = b"") -> bytes:
    """Return one frame."""
    return frame_head(len(payload), kind, flags, stream_id) + payload


def frame_head(length: int, kind: int, flags: int, stream_id: int) -> bytes:
    """Return what precedes the payload of a frame."""
    return _FRAME_HEAD.pack(length >> 8, length & 0xFF, kind, flags, stream_id)


class StreamHandler(Protocol):
    """Who serves one request."""

    def data(self, data: bytes) -> None:
        """Take in a part of the body."""

    def end(self) -> None:
        """Hear that the body is complete."""

    def lost(self) -> None:
        """Hear that nobody waits for the answer any more."""

    def silent(self) -> None:
        """Hear that the body has stopped in its middle for a long time."""


MakeHandler = Callable[["Http2Stream", Headers], StreamHandler]


class ConnectionFailure(Exception):
    """The client broke the protocol: the connection ends with an error code."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code


class Http2Stream:
    """One request, and the way back to its client."""

    __slots__ = (
        "_connection",
        "_trailers",
        "_waiter",
        "handler",
        "id",
        "is_held",
        "is_over",
        "queued",
        "receives",
        "silent_rounds",
        "to_acknowledge",
        "window",
    )

    def __init__(self, connection: Http2Connection, stream_id: int, window: int) -> None:
        self._connection = connection
        self.id = stream_id
        self.window = window
        self.handler: StreamHandler | None = None
        self.receives = True
        self.is_over = False
        self.is_held = False
        self.silent_rounds = 0
        self.to_acknowledge = 0
        self.queued = bytearray()
        self._trailers: bytes | None = None
        self._waiter: asyncio.Future[None] | None = None

    @property
    def peer(self) -> Peer:
        """The other end of the connection."""
        return self._connection.peer

    def send(self, head: bytes | None, data: bytes, trailers: bytes | None) -> None:
        """Write a header block, data, and the block that ends the stream, as far as each is given.

        What flow control does not let through now follows when it does.
        """
        if self.is_over:
            return
        out: list[bytes] = []
        if head is not None:
            out += (frame_head(len(head), _HEADERS, _END_HEADERS, self.id), head)
        self._trailers = trailers
        connection = self._connection
        if self.queued:
            self._queue(data)
        elif data:
            size = len(data)
            if size <= connection.max_frame_size and size <= min(self.window, connection.window):
                self.window -= size
                connection.window -= size
                out += (frame_head(size, _DATA, 0, self.id), data)
            else:
                self._queue(data)
                connection.write(b"".join(out))
                out = []
                connection.flush(self)
        if trailers is not None and not self.queued and not self.is_over:
            flags = _END_HEADERS | _END_STREAM
            out += (frame_head(len(trailers), _HEADERS, flags, self.id), trailers)
            self._finish()
        if out:
            connection.write(b"".join(out))

    def _queue(self, data: bytes) -> None:
        self.queued += data
        self._connection.queued_bytes += len(data)

    def release(self) -> None:
        """Let the client send on, after `is_held` had it wait."""
        self.is_held = False
        if not self.is_over:
            self._connection.open_window(self)

    def end_with_headers(self, block: bytes) -> None:
        """Answer with a single header block and nothing else."""
        if not self.is_over:
            self._connection.write(frame(_HEADERS, _END_HEADERS | _END_STREAM, self.id, block))
            self._finish()

    def reset(self, code: int) -> None:
        """Give up the stream."""
        if not self.is_over:
            self._connection.write(frame(_RST_STREAM, 0, self.id, _WORD.pack(code)))
            self.receives = False
            self._finish()

    def abandon(self, code: int) -> None:
        """Give up the stream for what its client did wrong, and tell the handler."""
        handler = self.handler
        self.reset(code)
        if handler is not None:
            handler.lost()

    async def drain(self) -> None:
        """Wait until the client has taken most of what was sent."""
        connection = self._connection
        while not self.is_over and (
            len(self.queued) > _MAX_QUEUED_BYTES
            or connection.is_paused
            or (self.queued and connection.queued_bytes > MAX_UNREAD_BYTES)
        ):
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter

    def take(self, limit: int) -> bytes:
        """Take up to `limit` bytes out of the queue, as far as the stream's window allows."""
        size = min(limit, self.window, len(self.queued))
        if size <= 0:
            return b""
        data = bytes(self.queued[:size])
        del self.queued[:size]
        self._connection.queued_bytes -= size
        self.window -= size
        return data

    def sent(self) -> bytes:
        """Return the frame that ends the stream if the queue is empty and the end has been said."""
        self.wake()
        if self.queued or self._trailers is None:
            return b""
        last = frame(_HEADERS, _END_HEADERS | _END_STREAM, self.id, self._trailers)
        self._finish()
        return last

    def wake(self) -> None:
        """Let a writer that waits look again."""
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def close(self) -> None:
        """Forget the stream: the client is gone or has cancelled."""
        if self.is_over:
            return
        self.is_over = True
        self.receives = False
        self._drop_queue()
        self.wake()
        handler, self.handler = self.handler, None
        if handler is not None:
            handler.lost()

    def _drop_queue(self) -> None:
        self._connection.queued_bytes -= len(self.queued)
        self.queued.clear()

    def _finish(self) -> None:
        self._drop_queue()
        if self.receives:
            # The answer is complete before the request: the rest of the request is not wanted.
            self._connection.write_later(frame(_RST_STREAM, 0, self.id, _WORD.pack(NO_ERROR)))
        self.is_over = True
        self.wake()
        # Each holds the other: let go, so that the garbage collector need not find them.
        self.handler = None
        self._connection.forget(self)


class Http2Connection(asyncio.Protocol):
    """Serves one connection that begins with the preface."""

    def __init__(self, make_handler: MakeHandler, on_lost: Callable[[], None]) -> None:
        self._make_handler = make_handler
        self._on_lost = on_lost
        self._transport: asyncio.Transport | None = None
        self._received = b""
        self._has_preface = False
        self._reader = HeaderReader()
        self._streams: dict[int, Http2Stream] = {}
        self._last_stream_id = 0
        self._open_block: tuple[int, int, bytearray] | None = None
        self._continuations = 0
        self._control_frames = 0
        self._has_settings = False
        self._has_failed = False
        self._unbegun_rounds = 0
        self._to_acknowledge = 0
        self._initial_window = _DEFAULT_WINDOW
        self._complete: deque[Http2Stream] = deque()
        self._begun = 0
        self._is_gathering = False
        self._out: list[bytes] = []
        self.max_frame_size = _DEFAULT_FRAME_SIZE
        self.window = _DEFAULT_WINDOW
        self.is_paused = False
        self.queued_bytes = 0
        self.peer = Peer()

    # --- the transport's side ---------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take over an open connection and say what we allow."""
        self._transport = cast("asyncio.Transport", transport)
        self.peer = peer_of(self._transport)
        settings = (
            (_SETTING_HEADER_TABLE_SIZE, 0),
            (_SETTING_MAX_STREAMS, _OUR_MAX_STREAMS),
            (_SETTING_INITIAL_WINDOW_SIZE, _OUR_STREAM_WINDOW),
        )
        payload = b"".join(_SETTING.pack(name, value) for name, value in settings)
        growth = _WORD.pack(_OUR_CONNECTION_WINDOW - _DEFAULT_WINDOW)
        self.write(frame(_SETTINGS, 0, 0, payload) + frame(_WINDOW_UPDATE, 0, 0, growth))

    def connection_lost(self, error: Exception | None) -> None:
        """Let every request know that nobody waits for it."""
        self._on_lost()
        streams, self._streams = list(self._streams.values()), {}
        for stream in streams:
            stream.close()

    def pause_writing(self) -> None:
        """Have writers wait: the client reads too slowly."""
        self.is_paused = True

    def resume_writing(self) -> None:
        """Let writers go on."""
        self.is_paused = False
        if self._transport is not None:
            self._transport.resume_reading()
        for stream in tuple(self._streams.values()):
            stream.wake()

    def round(self) -> None:
        """Look, once a second, for what has been unfinished too long."""
        self._control_frames = 0
        if self._has_failed:
            return
        if not self._has_settings or self._open_block is not None:
            self._unbegun_rounds += 1
            if self._unbegun_rounds > HANDSHAKE_ROUNDS:
                self._fail(ConnectionFailure(ENHANCE_YOUR_CALM, "nothing has come for too long"))
                return
        for stream in tuple(self._streams.values()):
            if stream.receives and stream.handler is not None:
                stream.silent_rounds += 1
                if stream.silent_rounds > SILENT_ROUNDS:
                    stream.silent_rounds = 0
                    stream.handler.silent()

    def data_received(self, data: bytes) -> None:
        """Handle every complete frame; what they are answered with at once leaves in one write.

        So do the answers of requests whose last byte is among them, of the first few at least.
        """
        if self._has_failed:
            return
        if self.is_paused and self._transport is not None and self._unread > MAX_UNREAD_BYTES:
            self._transport.pause_reading()  # until the client has read what it has asked for
        if self._received:
            data = self._received + data
        self._begun = 0
        self._is_gathering = True
        try:
            self._read_frames(data)
        except ConnectionFailure as failure:
            self._fail(failure)
        except HeaderError as error:
            self._fail(ConnectionFailure(COMPRESSION_ERROR, str(error)))
        finally:
            self._write_gathered()

    def _write_gathered(self) -> None:
        self._is_gathering = False
        if self._out:
            out, self._out = b"".join(self._out), []
            self._send(out)

    def write(self, data: bytes) -> None:
        """Send bytes; while frames are being read, they wait for the end of that."""
        if self._is_gathering:
            self._out.append(data)
        else:
            self._send(data)

    def _send(self, data: bytes) -> None:
        """Hand bytes over, unless the connection is gone: uvloop raises then, asyncio would not."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def open_window(self, stream: Http2Stream) -> None:
        """Let a stream's client send as much as has been taken in."""
        if stream.to_acknowledge > _OUR_STREAM_WINDOW // 2 and not stream.is_held:
            growth = _WORD.pack(stream.to_acknowledge)
            self.write(frame(_WINDOW_UPDATE, 0, stream.id, growth))
            stream.to_acknowledge = 0

    @property
    def _unread(self) -> int:
        assert self._transport is not None
        return self._transport.get_write_buffer_size() + self.queued_bytes

    def write_later(self, data: bytes) -> None:
        """Send bytes after those that are being put together now."""
        if self._transport is not None:
            asyncio.get_running_loop().call_soon(self.write, data)

    def forget(self, stream: Http2Stream) -> None:
        """Drop a stream that has been answered."""
        self._streams.pop(stream.id, None)

    def flush(self, stream: Http2Stream) -> None:
        """Send what a stream has queued, as far as both windows allow."""
        out = []
        while stream.queued:
            data = stream.take(min(self.max_frame_size, self.window))
            if not data:
                break
            self.window -= len(data)
            out.append(frame(_DATA, 0, stream.id, data))
        if out:
            last = stream.sent()
            self.write(b"".join(out) + last)

    # --- frames -----------------------------------------------------------------------------------

    def _read_frames(self, received: bytes) -> None:
        position, end = 0, len(received)
        if not self._has_preface:
            if end < len(PREFACE):
                self._received = received
                return
            if not received.startswith(PREFACE):
                raise ConnectionFailure(PROTOCOL_ERROR, "no HTTP/2 preface")
            self._has_preface = True
            position = len(PREFACE)
        while end - position >= _FRAME_HEAD.size:
            high, low, kind, flags, stream_id = _FRAME_HEAD.unpack_from(received, position)
            length = high << 8 | low
            if length > _DEFAULT_FRAME_SIZE:
                raise ConnectionFailure(FRAME_SIZE_ERROR, "a frame is larger than allowed")
            start = position + _FRAME_HEAD.size
            if end - start < length:
                break
            position = start + length
            self._handle(kind, flags, stream_id & _MAX_WINDOW, received[start:position])
        self._received = received[position:]

    def _handle(self, kind: int, flags: int, stream_id: int, payload: bytes) -> None:
        if self._open_block is not None and kind != _CONTINUATION:
            raise ConnectionFailure(PROTOCOL_ERROR, "a header block is not continued")
        if kind in _OF_A_STREAM and not 0 < stream_id <= self._last_stream_id:
            raise ConnectionFailure(PROTOCOL_ERROR, "a frame for a stream that is not open")
        if kind in _OF_THE_CONNECTION and stream_id:
            raise ConnectionFailure(PROTOCOL_ERROR, "a stream's frame that is the connection's")
        if kind == _DATA:
            self._data(flags, stream_id, payload)
        elif kind == _HEADERS:
            self._headers(flags, stream_id, payload)
        elif kind == _WINDOW_UPDATE:
            self._window_update(stream_id, payload)
        elif kind == _PING:
            self._count_control_frame()
            if len(payload) != 8:
                raise ConnectionFailure(FRAME_SIZE_ERROR, "a ping has 8 bytes")
            if not flags & _ACK:
                self.write(frame(_PING, _ACK, 0, payload))
        elif kind == _SETTINGS:
            self._count_control_frame()
            self._settings(flags, payload)
        elif kind == _RST_STREAM:
            self._count_control_frame(_RESET_COUNTS_AS)
            if len(payload) != _WORD.size:
                raise ConnectionFailure(FRAME_SIZE_ERROR, "a reset has 4 bytes")
            stream = self._streams.pop(stream_id, None)
            if stream is not None:
                stream.close()
        elif kind == _CONTINUATION:
            self._continuation(flags, stream_id, payload)
        elif kind == _PUSH_PROMISE:
            raise ConnectionFailure(PROTOCOL_ERROR, "clients cannot push")
        else:
            # Priorities, the client's goodbye and frames from the future need no answer.
            self._count_control_frame()

    def _count_control_frame(self, times: int = 1) -> None:
        self._control_frames += times
        if self._control_frames > MAX_CONTROL_FRAMES:
            raise ConnectionFailure(ENHANCE_YOUR_CALM, "too many frames that ask for nothing")

    def _headers(self, flags: int, stream_id: int, payload: bytes) -> None:
        if stream_id % 2 == 0:
            raise ConnectionFailure(PROTOCOL_ERROR, "a client's streams have odd numbers")
        block = _unpadded(flags, payload)
        if flags & _HAS_PRIORITY:
            if len(block) < 5:
                raise ConnectionFailure(FRAME_SIZE_ERROR, "a priority has 5 bytes")
            block = block[5:]
        if flags & _END_HEADERS:
            self._block_complete(flags, stream_id, block)
        else:
            self._open_block = (stream_id, flags, bytearray(block))
            self._continuations = self._unbegun_rounds = 0

    def _continuation(self, flags: int, stream_id: int, payload: bytes) -> None:
        if self._open_block is None or self._open_block[0] != stream_id:
            raise ConnectionFailure(PROTOCOL_ERROR, "nothing is to be continued")
        _, first_flags, block = self._open_block
        block += payload
        self._continuations += 1
        if len(block) > MAX_BLOCK_BYTES or self._continuations > MAX_CONTINUATIONS:
            raise ConnectionFailure(ENHANCE_YOUR_CALM, "a header block is too large")
        if flags & _END_HEADERS:
            self._open_block = None
            self._block_complete(first_flags, stream_id, bytes(block))

    def _block_complete(self, flags: int, stream_id: int, block: bytes) -> None:
        headers = self._reader.read(block)
        stream = self._streams.get(stream_id)
        if stream is None:
            if stream_id <= self._last_stream_id:
                self._count_control_frame()
                return  # trailers of a request that has been answered already
            self._last_stream_id = stream_id
            stream = Http2Stream(self, stream_id, self._initial_window)
            if len(self._streams) >= _OUR_MAX_STREAMS or self.queued_bytes > MAX_UNREAD_BYTES:
                stream.reset(REFUSED_STREAM)
                return
            self._streams[stream_id] = stream
            handler = self._make_handler(stream, headers)
            if not stream.is_over:
                stream.handler = handler
        elif not stream.receives:
            stream.abandon(STREAM_CLOSED)
            return
        elif not flags & _END_STREAM:
            raise ConnectionFailure(PROTOCOL_ERROR, "trailers must end their request")
        if flags & _END_STREAM:
            self._ended(stream)

    def _data(self, flags: int, stream_id: int, payload: bytes) -> None:
        size = len(payload)
        if not size and not flags & _END_STREAM:
            self._count_control_frame()
        self._to_acknowledge += size
        if self._to_acknowledge > _OUR_CONNECTION_WINDOW // 2:
            self.write(frame(_WINDOW_UPDATE, 0, 0, _WORD.pack(self._to_acknowledge)))
            self._to_acknowledge = 0
        stream = self._streams.get(stream_id)
        if stream is None:
            return
        if not stream.receives:
            stream.abandon(STREAM_CLOSED)
            return
        data = _unpadded(flags, payload)
        if data and stream.handler is not None:
            stream.handler.data(data)
        if flags & _END_STREAM:
            self._ended(stream)
        elif not stream.is_over:
            stream.silent_rounds = 0
            stream.to_acknowledge += size
            if stream.to_acknowledge > _OUR_STREAM_WINDOW:
                stream.abandon(FLOW_CONTROL_ERROR)
                return
            self.open_window(stream)

    def _ended(self, stream: Http2Stream) -> None:
        stream.receives = False
        if stream.handler is None:
            return
        if self._begun < _AT_ONCE and not self._complete:
            self._begun += 1
            stream.handler.end()
            return
        # Nobody overtakes those who wait already.
        self._complete.append(stream)
        if len(self._complete) == 1:
            asyncio.get_running_loop().call_soon(self._begin_more)

    def _begin_more(self) -> None:
        """Let requests begin that were too many for the turn before."""
        complete = self._complete
        self._begun = 0
        self._is_gathering = True
        try:
            while complete and self._begun < _AT_ONCE:
                handler = complete.popleft().handler
                if handler is not None:  # its client still waits
                    self._begun += 1
                    handler.end()
        finally:
            if complete:
                asyncio.get_running_loop().call_soon(self._begin_more)
            self._write_gathered()

    def _settings(self, flags: int, payload: bytes) -> None:
        self._has_settings = True
        if len(payload) % _SETTING.size or (flags & _ACK and payload):
            raise ConnectionFailure(FRAME_SIZE_ERROR, "settings of a wrong size")
        if flags & _ACK:
            return
        for name, value in _SETTING.iter_unpack(payload):
            if name == _SETTING_INITIAL_WINDOW_SIZE:
                if value > _MAX_WINDOW:
                    raise ConnectionFailure(FLOW_CONTROL_ERROR, "a window is too large")
                growth = value - self._initial_window
                self._initial_window = value
                for stream in self._streams.values():
                    stream.window += growth
                    if stream.window > _MAX_WINDOW:
                        raise ConnectionFailure(FLOW_CONTROL_ERROR, "a window is too large")
            elif name == _SETTING_MAX_FRAME_SIZE:
                if not _DEFAULT_FRAME_SIZE <= value < 1 << 24:
                    raise ConnectionFailure(PROTOCOL_ERROR, "a frame size out of range")
                self.max_frame_size = value
        self.write(frame(_SETTINGS, _ACK, 0))
        self._flush_all()

    def _window_update(self, stream_id: int, payload: bytes) -> None:
        if len(payload) != _WORD.size:
            raise ConnectionFailure(FRAME_SIZE_ERROR, "a window update has 4 bytes")
        growth = _WORD.unpack(payload)[0] & _MAX_WINDOW
        if stream_id == 0:
            self.window += growth
            if not growth or self.window > _MAX_WINDOW:
                raise ConnectionFailure(FLOW_CONTROL_ERROR, "a window update out of range")
            self._flush_all()
            return
        stream = self._streams.get(stream_id)
        if stream is not None:
            stream.window += growth
            if not growth or stream.window > _MAX_WINDOW:
                stream.abandon(FLOW_CONTROL_ERROR)
                return
            self.flush(stream)

    def _flush_all(self) -> None:
        for stream in tuple(self._streams.values()):
            if stream.queued:
                self.flush(stream)

    def _fail(self, failure: ConnectionFailure) -> None:
        if self._transport is None or self._has_failed:
            return
        self._has_failed = True
        payload = (
            _WORD.pack(self._last_stream_id) + _WORD.pack(failure.code) + str(failure).encode()
        )
        self._send(b"".join(self._out) + frame(_GOAWAY, 0, 0, payload))
        self._out = []
        self._transport.close()


def _unpadded(flags: int, payload: bytes) -> bytes:
    if not flags & _PADDED:
        return payload
    if not payload or payload[0] >= len(payload):
        raise ConnectionFailure(PROTOCOL_ERROR, "more padding than payload")
    return payload[1 : len(payload) - payload[0]]
