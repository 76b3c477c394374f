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
from collections.abc import AsyncIterator, Hashable, Iterable
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs

from google.protobuf import json_format

from harness.errors import StatusCode, StatusError
from harness.server.connection_turns import ConnectionTurns
from harness.server.grpc import SERVICE, TwoWayRpc
from harness.server.http import HttpRequest, HttpResponse
from harness.server.proto_json import parse_message
from harness.server.rest import HTTP_STATUS, invalid_payload, parse_json_object
from harness.server.shell import RequestHeaders
from harness.server.web_channel_sessions import (
    MAX_ALL_HELD_CHARS,
    MAX_HELD_CHARS,
    MAX_UNTAKEN,
    BackChannel,
    HeldText,
    Session,
)

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


class WebChannels:
    """All sessions of a server.

    Args:
        two_way: The methods that can be called.
    """

    def __init__(self, two_way: Iterable[TwoWayRpc]) -> None:
        self._methods = {rpc.name: rpc for rpc in two_way}
        self._sessions: dict[str, Session] = {}
        self._held = HeldText()
        self._turns = ConnectionTurns()

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
        self._turns.asked(session.client)
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
        session = Session(
            secrets.token_urlsafe(16), rpc, _headers_of(request), _client_of(request), self._held
        )
        self._sessions[session.id] = session
        self._turns.join(session.client)
        self._turns.asked(session.client)
        session.task = asyncio.get_running_loop().create_task(self._converse(session))
        self._keep(session)
        self._take_in(session, request)
        hello = json.dumps(["c", session.id, "", _VERSION, _SERVER_VERSION, _KEEP_ALIVE_MS])
        return _answer(200, frame(f"[[0,{hello}]]"))

    def _take_in(self, session: Session, request: HttpRequest) -> None:
        """Give the messages of a post to the stream."""
        form = _form(request)
        try:
            offset = int(form.get("ofs", "0"))
            count = int(form.get("count", "0"))
        except ValueError:
            offset = count = 0
        for index in range(count):
            text = form.get(f"req{index}___data__")
            if text is None or session.is_over:
                break
            if offset + index <= session.last_forward:
                continue
            session.last_forward = offset + index
            session.take_in(_message(session.rpc, text), len(text))
            self._bound(session)

    async def _converse(self, session: Session) -> None:
        responses = session.rpc.call(session.requests(), session.headers)
        try:
            async for response in responses:
                session.send(f"[{_json(json_format.MessageToDict(response))}]")
                self._bound(session)
                await asyncio.sleep(0)  # where this ends if that was too much
        except StatusError as error:
            _give_up(session, error)
        except Exception:  # the RPC boundary: the client gets a status, the log the traceback
            logger.exception("%s failed", session.rpc.name)
            failure = StatusError(
                StatusCode.INTERNAL,
                f"{session.rpc.name} failed inside the embedded Firestore; see its log",
            )
            _give_up(session, failure)
        else:
            session.serve_no_more()
            session.send(_CLOSE)
        finally:
            with contextlib.suppress(RuntimeError):  # it is still running when this is cancelled
                await responses.aclose()  # type: ignore[attr-defined]

    def _bound(self, session: Session) -> None:
        """End a session that holds too much, or the one that holds most if all hold too much."""
        if session.held_chars > MAX_HELD_CHARS:
            self._exhaust(session, "The client does not read its channel.")
        elif session.untaken_count > MAX_UNTAKEN:
            self._exhaust(session, "Too many messages wait in this channel.")
        elif self._held.chars > MAX_ALL_HELD_CHARS:
            largest = max(self._sessions.values(), key=lambda each: each.held_chars)
            self._exhaust(largest, "The clients of this server do not read their channels.")

    def _exhaust(self, session: Session, problem: str) -> None:
        session.acknowledge(session.last_id)  # so that there is room again
        _give_up(session, StatusError(StatusCode.RESOURCE_EXHAUSTED, problem))
        if session.task is not None:
            session.task.cancel()

    # --- the back channel -------------------------------------------------------------------------

    async def _back_channel(self, session: Session, is_polling: bool) -> AsyncIterator[bytes]:
        """Yield frames until the time is over, the client opens another, or the session ends.

        Args:
            is_polling: End after the first frame: the client, or a proxy before it, cannot read a
                body that has not ended.
        """
        loop = asyncio.get_running_loop()
        own = session.back_channel = BackChannel(loop.time() + _BACK_CHANNEL_S)
        session.news.set()  # whoever held it before ends

        def give_up() -> None:
            own.end = loop.time()
            session.news.set()

        self._turns.hold(session.client, own, give_up)
        sent = 0
        try:
            while session.back_channel is own:
                session.news.clear()
                remaining = own.end - loop.time()
                if remaining <= 0 and not sent and not session.unread:
                    session.send(_NOOP)  # an answer without a byte is an error to the client
                arrays = [(number, text) for number, text in session.unread if number > sent]
                if arrays:
                    sent = arrays[-1][0]
                    yield frame("[" + ",".join(f"[{n},{text}]" for n, text in arrays) + "]")
                    if is_polling:
                        return
                if session.id not in self._sessions or remaining <= 0:
                    return
                if arrays:
                    continue
                try:
                    await asyncio.wait_for(session.news.wait(), min(remaining, _KEEP_ALIVE_S))
                except TimeoutError:
                    session.send(_NOOP)
        finally:
            self._turns.let_go(session.client, own)
            if session.back_channel is own:
                session.back_channel = None
                self._keep(session)

    # --- sessions ---------------------------------------------------------------------------------

    def _keep(self, session: Session) -> None:
        """Let a session live on; it ends when no more is heard of its client for a while."""
        if session.id not in self._sessions:
            return
        if session.expiry is not None:
            session.expiry.cancel()
        loop = asyncio.get_running_loop()
        session.expiry = loop.call_later(_IDLE_S, self._expire, session)

    def _expire(self, session: Session) -> None:
        if session.back_channel is not None:
            self._keep(session)
        else:
            self._end(session)

    def _end(self, session: Session) -> None:
        if self._sessions.pop(session.id, None) is None:
            return
        self._turns.leave(session.client)
        session.serve_no_more()
        session.detach()
        session.news.set()
        if session.expiry is not None:
            session.expiry.cancel()
        if session.task is not None:
            session.task.cancel()


def _give_up(session: Session, error: StatusError) -> None:
    """Tell the client why its stream ends; nothing more of it is served."""
    session.serve_no_more()
    session.send(f"[{_json(_error_json(error))}]")
    session.send(_CLOSE)


def _answer(status: int, body: bytes = b"") -> HttpResponse:
    return HttpResponse(status, body, _TEXT, _HEADERS)


def _message(rpc: TwoWayRpc, text: str) -> Any:
    """Return a message of the client, or the error that ends its stream."""
    try:
        message = rpc.request()
        parse_message(parse_json_object(text.encode()), message, ignore_unknown_fields=True)
        return message
    except StatusError as error:
        return error
    except json_format.ParseError:
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


def _client_of(request: HttpRequest) -> Hashable:
    """Return what tells a browser and site from others; two that are alike take turns in vain."""
    return request.headers.get("user-agent"), request.headers.get("origin")


def _parameter(request: HttpRequest, name: str) -> str | None:
    values = request.query_values(name)
    return values[-1] if values else None


def _number(request: HttpRequest, name: str) -> int | None:
    text = _parameter(request, name)
    try:
        return int(text) if text is not None else None
    except ValueError:
        return None
