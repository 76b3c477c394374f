"""WebChannel: the Listen and Write streams of the web SDK in browsers, over plain HTTP.

A session stands for one two-way stream. The client posts its messages (the forward channel) and
holds one GET open, whose body never ends, for the server's (the back channel). Messages of the
server are numbered from 1 and kept until the client says, with AID, how far it has read; so a back
channel can break and be opened again without a loss.

Source: closure-library, labs/net/webchannel/webchannelbase.js and channelrequest.js;
    firebase-js-sdk, platform/browser/webchannel_connection.ts; observed: emulator 1.22.0.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import re
import secrets
from collections import deque
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qs

from google.protobuf import json_format

from harness.errors import StatusCode, StatusError
from harness.server.grpc import SERVICE, TwoWayRpc
from harness.server.http import HttpRequest, HttpResponse
from harness.server.rest import HTTP_STATUS, invalid_payload, parse_json_object
from harness.server.shell import RequestHeaders

logger = logging.getLogger(__name__)

_PATH = re.compile(re.escape(SERVICE) + r"(?P<method>\w+)/channel")
_VERSION = 8
# What the handshake promises besides: observed, emulator 1.22.0.
_SERVER_VERSION = 12
_KEEP_ALIVE_MS = 30_000
_KEEP_ALIVE_S = _KEEP_ALIVE_MS / 1000
_BACK_CHANNEL_S = 60.0
_IDLE_S = 300.0
_MAX_SESSIONS = 1_000
MAX_UNREAD_CHARS = 64_000_000
"""Text that waits for a client that does not read; more ends its session."""
MAX_UNTAKEN = 1_000
"""Messages of a client that wait to be served; one more ends its session."""
_MAX_FIELDS = 10_000
"""Of a form."""
_NO_OUTSTANDING_BYTES = 7  # observed; clients only tell 0 from the rest

_NOOP = '["noop"]'
_CLOSE = '["close"]'
_HEADERS = (
    ("cache-control", "private, max-age=0"),
    ("x-content-type-options", "nosniff"),
    (
        "access-control-expose-headers",
        "x-client-wire-protocol, x-http-session-id, x-http-initial-response",
    ),
)
_TEXT = "text/plain; charset=utf-8"


def frame(text: str) -> bytes:
    """Return one frame: its length in UTF-16 code units, a line feed, and the text."""
    units = len(text) + sum(char > "\uffff" for char in text)
    return f"{units}\n{text}".encode()


@dataclass(slots=True)
class _Session:
    """One stream, and what of it the client has not read."""

    id: str
    rpc: TwoWayRpc
    headers: RequestHeaders
    incoming: asyncio.Queue[Any] = field(default_factory=asyncio.Queue)
    unread: deque[tuple[int, str]] = field(default_factory=deque)
    unread_chars: int = 0
    last_id: int = 0
    last_forward: int = -1
    """The highest `ofs + index` of the client's messages that was taken in: a post that is
    repeated, since its answer was lost, is not taken twice."""
    back_channel: object | None = None
    news: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None
    expiry: asyncio.TimerHandle | None = None

    def send(self, text: str) -> None:
        """Queue one array for the client."""
        self.last_id += 1
        self.unread.append((self.last_id, text))
        self.unread_chars += len(text)
        self.news.set()

    def acknowledge(self, array_id: int) -> None:
        """Forget what the client has read."""
        while self.unread and self.unread[0][0] <= array_id:
            self.unread_chars -= len(self.unread.popleft()[1])

    async def requests(self) -> AsyncIterator[Any]:
        """Yield the client's messages until it ends the session."""
        while (item := await self.incoming.get()) is not None:
            if isinstance(item, StatusError):
                raise item
            yield item


class WebChannels:
    """All sessions of a server.

    Args:
        two_way: The methods that can be called.
    """

    def __init__(self, two_way: Iterable[TwoWayRpc]) -> None:
        self._methods = {rpc.name: rpc for rpc in two_way}
        self._sessions: dict[str, _Session] = {}

    @staticmethod
    def is_for(path: str) -> bool:
        """Say whether a path is a WebChannel's."""
        return _PATH.fullmatch(path) is not None

    async def handle(self, request: HttpRequest) -> HttpResponse:
        """Answer one request of a channel.

        Raises:
            StatusError: Its method is not known, or its message is no request of that method.
        """
        match = _PATH.fullmatch(request.path)
        rpc = self._methods.get(match["method"]) if match else None
        if rpc is None:
            raise StatusError(StatusCode.UNIMPLEMENTED, "There is no such channel.")
        session_id = _parameter(request, "SID")
        if session_id is None:
            return self._opened(request, rpc)
        session = self._sessions.get(session_id)
        if session is None:
            # The client begins a new session.
            return _answer(400, b"Unknown SID\n")
        acknowledged = _number(request, "AID")
        if acknowledged is not None:
            session.acknowledge(acknowledged)
        if _parameter(request, "TYPE") == "terminate":
            self._end(session)
            return _answer(200)
        self._keep(session)
        if request.method == "GET":
            is_polling = _parameter(request, "CI") == "1"
            body = self._back_channel(session, is_polling)
            return replace(_answer(200), stream=body)
        self._take_in(session, request)
        is_open = int(session.back_channel is not None)
        status = json.dumps([is_open, session.last_id, _NO_OUTSTANDING_BYTES])
        return _answer(200, frame(status))

    async def stop(self) -> None:
        """End every session, and wait for that."""
        tasks = [session.task for session in self._sessions.values() if session.task]
        for session in tuple(self._sessions.values()):
            self._end(session)
        await asyncio.gather(*tasks, return_exceptions=True)

    # --- the forward channel ----------------------------------------------------------------------

    def _opened(self, request: HttpRequest, rpc: TwoWayRpc) -> HttpResponse:
        if request.method != "POST" or _number(request, "VER") != _VERSION:
            return _answer(400, b"A session begins with a POST of VER=8.\n")
        if len(self._sessions) >= _MAX_SESSIONS:
            raise StatusError(StatusCode.RESOURCE_EXHAUSTED, "Too many open channels.")
        session = _Session(secrets.token_urlsafe(16), rpc, _headers_of(request))
        self._sessions[session.id] = session
        session.task = asyncio.get_running_loop().create_task(self._converse(session))
        self._keep(session)
        self._take_in(session, request)
        hello = json.dumps(["c", session.id, "", _VERSION, _SERVER_VERSION, _KEEP_ALIVE_MS])
        return _answer(200, frame(f"[[0,{hello}]]"))

    def _take_in(self, session: _Session, request: HttpRequest) -> None:
        """Give the messages of a post to the stream."""
        form = _form(request)
        try:
            offset = int(form.get("ofs", "0"))
            count = int(form.get("count", "0"))
        except ValueError:
            offset = count = 0
        for index in range(count):
            text = form.get(f"req{index}___data__")
            if text is None:
                break
            if offset + index <= session.last_forward:
                continue
            session.last_forward = offset + index
            if session.incoming.qsize() >= MAX_UNTAKEN:
                raise StatusError(
                    StatusCode.RESOURCE_EXHAUSTED, "Too many messages wait in this channel."
                )
            session.incoming.put_nowait(_message(session.rpc, text))

    async def _converse(self, session: _Session) -> None:
        responses = session.rpc.call(session.requests(), session.headers)
        try:
            async for response in responses:
                session.send(f"[{_json(json_format.MessageToDict(response))}]")
                await asyncio.sleep(0)
                if session.unread_chars > MAX_UNREAD_CHARS:
                    session.acknowledge(session.last_id)
                    raise StatusError(
                        StatusCode.RESOURCE_EXHAUSTED, "The client does not read its channel."
                    )
        except StatusError as error:
            session.send(f"[{_json(_error_json(error))}]")
        except Exception:  # the RPC boundary: the client gets a status, the log the traceback
            logger.exception("%s failed", session.rpc.name)
            failure = StatusError(
                StatusCode.INTERNAL,
                f"{session.rpc.name} failed inside the embedded Firestore; see its log",
            )
            session.send(f"[{_json(_error_json(failure))}]")
        finally:
            with contextlib.suppress(RuntimeError):  # it is still running when this is cancelled
                await responses.aclose()  # type: ignore[attr-defined]
        session.send(_CLOSE)

    # --- the back channel -------------------------------------------------------------------------

    async def _back_channel(self, session: _Session, is_polling: bool) -> AsyncIterator[bytes]:
        """Yield frames until the time is over, the client opens another, or the session ends.

        Args:
            is_polling: End after the first frame: the client, or a proxy before it, cannot read a
                body that has not ended.
        """
        own = session.back_channel = object()
        session.news.set()  # whoever held it before ends
        loop = asyncio.get_running_loop()
        end = loop.time() + _BACK_CHANNEL_S
        sent = 0
        try:
            while session.back_channel is own:
                session.news.clear()
                arrays = [(number, text) for number, text in session.unread if number > sent]
                if arrays:
                    sent = arrays[-1][0]
                    yield frame("[" + ",".join(f"[{n},{text}]" for n, text in arrays) + "]")
                    if is_polling or session.id not in self._sessions:
                        return
                    continue
                remaining = end - loop.time()
                if remaining <= 0 or session.id not in self._sessions:
                    break
                try:
                    await asyncio.wait_for(session.news.wait(), min(remaining, _KEEP_ALIVE_S))
                except TimeoutError:
                    session.send(_NOOP)
        finally:
            if session.back_channel is own:
                session.back_channel = None
                self._keep(session)

    # --- sessions ---------------------------------------------------------------------------------

    def _keep(self, session: _Session) -> None:
        """Let a session live on; it ends when no more is heard of its client for a while."""
        if session.id not in self._sessions:
            return
        if session.expiry is not None:
            session.expiry.cancel()
        loop = asyncio.get_running_loop()
        session.expiry = loop.call_later(_IDLE_S, self._expire, session)

    def _expire(self, session: _Session) -> None:
        if session.back_channel is not None:
            self._keep(session)
        else:
            self._end(session)

    def _end(self, session: _Session) -> None:
        self._sessions.pop(session.id, None)
        session.incoming.put_nowait(None)
        session.news.set()
        if session.expiry is not None:
            session.expiry.cancel()
        if session.task is not None:
            session.task.cancel()


def _answer(status: int, body: bytes = b"") -> HttpResponse:
    return HttpResponse(status, body, _TEXT, _HEADERS)


def _message(rpc: TwoWayRpc, text: str) -> Any:
    """Return a message of the client, or the error that ends its stream."""
    try:
        return json_format.ParseDict(
            parse_json_object(text.encode()), rpc.request(), ignore_unknown_fields=True
        )
    except StatusError as error:
        return error
    except (json_format.ParseError, ValueError, TypeError, AttributeError):
        return StatusError(StatusCode.INVALID_ARGUMENT, "The message cannot be parsed.")


def _error_json(error: StatusError) -> dict[str, Any]:
    return {
        "error": {
            "code": HTTP_STATUS[error.code],
            "message": error.message,
            "status": error.code.name,
        }
    }


def _json(content: Any) -> str:
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"))


def _form(request: HttpRequest) -> dict[str, str]:
    try:
        fields = parse_qs(
            request.body.decode("utf-8", "replace"),
            keep_blank_values=True,
            max_num_fields=_MAX_FIELDS,
        )
    except ValueError as error:
        raise invalid_payload() from error
    return {name: values[-1] for name, values in fields.items()}


def _headers_of(request: HttpRequest) -> RequestHeaders:
    """Return the headers that a browser cannot send: they are lines of a field of the form."""
    headers = dict(request.headers)
    for line in _form(request).get("headers", "").splitlines():
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    database = headers.get("google-cloud-resource-prefix") or _parameter(request, "database")
    return RequestHeaders(
        headers.get("authorization"),
        headers.get("x-harness-caller"),
        database,
        source=headers.get("x-harness-source"),
    )


def _parameter(request: HttpRequest, name: str) -> str | None:
    values = request.query_values(name)
    return values[-1] if values else None


def _number(request: HttpRequest, name: str) -> int | None:
    text = _parameter(request, name)
    try:
        return int(text) if text is not None else None
    except ValueError:
        return None
