"""The Emulator UI's request view: a WebSocket that tells of each decision of the rules, first those
of the past, then each as it is taken.

wsproto does the protocol: bytes in, events out, as h11 does for HTTP, from the same makers and on
the same event loop; a WebSocket server would bring a loop, tasks and queues of its own.

Source: firebase-tools-ui, FirestoreRequestsProvider: `ws://HOST:PORT/requests`, the first message
    an array, each later one an object.
"""

from __future__ import annotations

import asyncio
import json
from typing import cast

from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    CloseConnection,
    Event,
    Ping,
    RejectConnection,
    Request,
    TextMessage,
)
from wsproto.utilities import LocalProtocolError, RemoteProtocolError

from harness.backend.monitor import Evaluation, EvaluationMonitor

PATH = "/requests"

MAX_VIEWERS = 50
MAX_HISTORY_CHARS = 8_000_000
"""Text of the first message; it begins with the latest decisions that fit."""
MAX_UNSENT_BYTES = 32_000_000
"""What waits for a viewer that does not read; one that has more is sent away."""
MAX_PENDING = 1_000
"""Decisions taken in one turn of the loop that viewers are told of; of more, of the latest."""
_HANDSHAKE_S = 10.0


class RequestMonitor:
    """The port, and who looks."""

    def __init__(self, monitor: EvaluationMonitor) -> None:
        self.monitor = monitor
        self.viewers: set[Viewer] = set()
        self.connections: set[Viewer] = set()
        self._pending: list[Evaluation] = []
        self._server: asyncio.Server | None = None
        self._unsubscribe = monitor.subscribe(self._decided)

    async def start(self, host: str, port: int) -> int:
        """Listen, and return the port, which was chosen if 0 was asked for.

        Raises:
            OSError: The address cannot be had.
        """
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Viewer(self), host, port)
        number: int = self._server.sockets[0].getsockname()[1]
        return number

    def close(self) -> None:
        """Accept nobody more, and send everybody away."""
        self._unsubscribe()
        if self._server is not None:
            self._server.close()
        for viewer in tuple(self.connections):
            viewer.drop()

    def first_message(self) -> str:
        """Return the past decisions, oldest first, as far as there is room for them."""
        texts: list[str] = []
        room = MAX_HISTORY_CHARS
        for evaluation in reversed(self.monitor.history()):
            text = _text(evaluation)
            room -= len(text) + 1
            if room < 0:
                break
            texts.append(text)
        return f"[{','.join(reversed(texts))}]"

    def _decided(self, evaluation: Evaluation) -> None:
        """Hear of a decision. The request that asked for it is answered before viewers are told."""
        if not self.viewers:
            return
        if not self._pending:
            asyncio.get_running_loop().call_soon(self.tell)
        self._pending.append(evaluation)

    def tell(self) -> None:
        """Tell viewers of what was decided since the last time."""
        pending, self._pending = self._pending[-MAX_PENDING:], []
        for evaluation in pending:
            text = _text(evaluation)
            for viewer in tuple(self.viewers):
                viewer.send(text)


class Viewer(asyncio.Protocol):
    """One connection."""

    def __init__(self, port: RequestMonitor) -> None:
        self._port = port
        self._connection = WSConnection(ConnectionType.SERVER)
        self._transport: asyncio.Transport | None = None
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take over an open connection; it must become a WebSocket soon."""
        self._transport = cast("asyncio.Transport", transport)
        self._port.connections.add(self)
        self._deadline = asyncio.get_running_loop().call_later(_HANDSHAKE_S, self.drop)

    def connection_lost(self, error: Exception | None) -> None:
        """Forget a viewer who has gone."""
        self._port.viewers.discard(self)
        self._port.connections.discard(self)
        if self._deadline is not None:
            self._deadline.cancel()

    def data_received(self, data: bytes) -> None:
        """Read what has come; of what a viewer says, only a ping and a goodbye are answered."""
        if self in self._port.viewers and self._is_behind():
            self.drop()
            return
        try:
            self._connection.receive_data(data)
            for event in self._connection.events():
                self._handle(event)
        except RemoteProtocolError as error:
            if error.event_hint is not None and self in self._port.viewers:
                self._write(error.event_hint)
            self._close()
        except LocalProtocolError:  # it went on after its goodbye
            self._close()

    def send(self, text: str) -> None:
        """Tell a viewer something, unless too much waits for him already."""
        if self._is_behind():
            self._port.viewers.discard(self)
            self.drop()
            return
        self._write(TextMessage(text))

    def _is_behind(self) -> bool:
        assert self._transport is not None
        return self._transport.get_write_buffer_size() > MAX_UNSENT_BYTES

    def drop(self) -> None:
        """End the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    def _handle(self, event: Event) -> None:
        if isinstance(event, Request):
            self._open(event)
        elif isinstance(event, Ping):
            self._write(event.response())
        elif isinstance(event, CloseConnection):
            self._port.viewers.discard(self)
            self._write(event.response())
            self._close()

    def _open(self, request: Request) -> None:
        if request.target.partition("?")[0] != PATH:
            self._refuse(404)
        elif len(self._port.viewers) >= MAX_VIEWERS:
            self._refuse(503)
        else:
            if self._deadline is not None:
                self._deadline.cancel()
            self._write(AcceptConnection())
            self._port.tell()  # the others; this one is to hear of each decision once
            self._write(TextMessage(self._port.first_message()))
            self._port.viewers.add(self)

    def _refuse(self, status: int) -> None:
        self._write(RejectConnection(status_code=status, headers=[(b"content-length", b"0")]))
        self._close()

    def _write(self, event: Event) -> None:
        assert self._transport is not None
        if not self._transport.is_closing():
            self._transport.write(self._connection.send(event))

    def _close(self) -> None:
        self._port.viewers.discard(self)
        if self._transport is not None:
            self._transport.close()


def _text(evaluation: Evaluation) -> str:
    return json.dumps(evaluation.to_json(), ensure_ascii=False, separators=(",", ":"))
