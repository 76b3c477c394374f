"""Delivers events to the Functions emulator: after the commit, in order for each document.

What an event is and who wants it is decided in `backend/events.py`; this module makes the HTTP
request that the official emulator would make. A failure is logged and not repeated.
"""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import time
import uuid
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import h11
from google.protobuf import json_format

from harness.backend.auth import Caller, CallerKind
from harness.backend.events import DocumentEvent, TriggerRegistry
from harness.backend.service import DatabaseService
from harness.firestore.documents import CommitResult, DocumentSnapshot
from harness.firestore.paths import DatabaseName, document_name
from harness.firestore.values import Timestamp
from harness.server import wire
from harness.server.shell import Shell
from harness.server.wire import pb

logger = logging.getLogger(__name__)

_WIDTH = 2
"""Events that one trigger has on the way at most.

The Functions emulator starts a Node process, about a second of work, for each event that finds none
idle. So a trigger begins with one event at a time, and goes to this many once that one is done.
"""
_TIMEOUT_S = 570.0
"""More than the longest time an event-driven function may take, 540 s."""

_KEPT = 1000
"""Events kept to be delivered again."""

_DATA_SCHEMA = (
    "https://github.com/googleapis/google-cloudevents/blob/main/proto/google/events/cloud/"
    "firestore/v1/data.proto"
)
_DEFAULT_REGION = "us-central1"
_AUTH_TYPES = {
    CallerKind.ADMIN: "service_account",
    CallerKind.USER: "unknown",
    CallerKind.ANONYMOUS: "unauthenticated",
}


@dataclass(slots=True)
class DispatchCounts:
    """What became of the events so far."""

    dispatched: int = 0
    delivered: int = 0
    failed: int = 0
    alarms: int = 0
    last_failure: str | None = None


_Message = tuple[list[tuple[str, str]], bytes]


@dataclass(slots=True)
class _Delivery:
    """An event on its way. Its message, and so its id, stays the same when it is sent again."""

    event: DocumentEvent
    database: DatabaseName
    caller: Caller
    number: int
    message: _Message | None = None

    @property
    def queue_key(self) -> tuple[str, str]:
        """What is delivered in order: one trigger's events on one document."""
        return (self.event.trigger.key, f"{self.database}/{self.event.path}")


@dataclass(slots=True)
class _Gate:
    """How many events of one trigger may be on the way."""

    width: int = 1
    places: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(1))

    def widen(self) -> None:
        if self.width < _WIDTH:
            self.width += 1
            self.places.release()


@dataclass(slots=True)
class EventDispatcher:
    """Sends what the triggers want to hear.

    Args:
        functions_host: `host:port` of the Functions emulator; None when there is none, and triggers
            stay silent.
        alarm_events: Raise the alarm when more events than this were dispatched
        alarm_window_s: within so many seconds: a function that triggers itself looks so.
        muted: Project ids whose commits are no events for anybody, for the time being.
    """

    triggers: TriggerRegistry
    functions_host: str | None = None
    alarm_events: int = 1000
    alarm_window_s: float = 10.0
    muted: set[str] = field(default_factory=set)
    counts: DispatchCounts = field(default_factory=DispatchCounts)
    _queues: dict[tuple[str, str], deque[_Delivery]] = field(default_factory=dict)
    _sent: deque[_Delivery] = field(default_factory=lambda: deque(maxlen=_KEPT))
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _gates: dict[str, _Gate] = field(default_factory=dict)
    _recent: deque[float] = field(default_factory=deque)
    _alarmed_at: float = float("-inf")

    def watch(self, shell: Shell) -> None:
        """Hear of every commit from now on."""

        def committed(service: DatabaseService, commit: CommitResult) -> None:
            self._committed(service, commit, shell.acting)

        shell.commit_listeners.append(committed)

    @contextmanager
    def muting(self, project: str) -> Iterator[None]:
        """Let commits of a project be no events within the block."""
        was_muted = project in self.muted
        self.muted.add(project)
        try:
            yield
        finally:
            if not was_muted:
                self.muted.discard(project)

    @property
    def is_idle(self) -> bool:
        """Whether every event has been handled."""
        return not self._tasks

    async def drain(self, timeout_s: float) -> bool:
        """Wait until every event has been handled, those that handling causes too; False if that
        takes too long.
        """
        deadline = time.monotonic() + timeout_s
        while self._tasks:
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                return False
            await asyncio.wait(self._tasks, timeout=remaining)
        return True

    def cancel(self) -> None:
        """Stop delivering; what has not been sent is lost."""
        for task in self._tasks:
            task.cancel()

    def _committed(self, service: DatabaseService, commit: CommitResult, caller: Caller) -> None:
        name = service.name
        if name.project in self.muted or not len(self.triggers) or not commit.changes:
            return
        for event in self.triggers.events(name.project, name.database, commit):
            if self.functions_host is None:
                return
            self.counts.dispatched += 1
            self._watch_rate()
            delivery = _Delivery(event, name, caller, self.counts.dispatched)
            self._sent.append(delivery)
            self._enqueue(delivery)

    def redeliver(self, since: int) -> int:
        """Send events a second time, with the ids they had; return how many.

        Delivery is at least once in production, so a function must bear it.

        Args:
            since: Only those dispatched after this many.
        Source: Cloud Functions documentation, "Retry event-driven functions", idempotency.
        """
        again = [delivery for delivery in self._sent if delivery.number > since]
        for delivery in again:
            self._enqueue(delivery)
        return len(again)

    def _enqueue(self, delivery: _Delivery) -> None:
        key = delivery.queue_key
        queue = self._queues.get(key)
        if queue is not None:
            queue.append(delivery)
            return
        self._queues[key] = deque([delivery])
        task = asyncio.get_running_loop().create_task(self._work(key))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _watch_rate(self) -> None:
        now = time.monotonic()
        recent = self._recent
        recent.append(now)
        while recent[0] < now - self.alarm_window_s:
            recent.popleft()
        if len(recent) > self.alarm_events and now - self._alarmed_at > self.alarm_window_s:
            self._alarmed_at = now
            self.counts.alarms += 1
            logger.warning(
                "%d function events within %g s: does a function write what triggers it?",
                len(recent),
                self.alarm_window_s,
            )

    async def _work(self, key: tuple[str, str]) -> None:
        """Deliver the events of one trigger and one document, one after another."""
        queue = self._queues[key]
        gate = self._gates.setdefault(key[0], _Gate())
        try:
            while queue:
                async with gate.places:
                    await self._deliver(queue[0])
                gate.widen()
                queue.popleft()
        finally:
            del self._queues[key]

    async def _deliver(self, delivery: _Delivery) -> None:
        trigger = delivery.event.trigger
        path = f"/functions/projects/{trigger.project}/triggers/{trigger.key}"
        if delivery.message is None:
            if trigger.is_cloud_event:
                delivery.message = cloud_event(delivery.event, delivery.database, delivery.caller)
            else:
                delivery.message = background_event(delivery.event, delivery.database)
        headers, body = delivery.message
        assert self.functions_host is not None
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                status, answer = await post(self.functions_host, path, headers, body)
        except (OSError, TimeoutError, h11.ProtocolError) as error:
            self._failed(delivery, f"was not delivered: {error or type(error).__name__}")
            return
        if 200 <= status < 300:
            self.counts.delivered += 1
            return
        said = " ".join(answer[:300].decode("utf-8", "replace").split())
        self._failed(delivery, f"was answered with HTTP {status}: {said}")
        if status == 404:
            # Keys change when functions are reloaded; the old ones stay registered otherwise.
            self.triggers.remove(trigger.project, trigger.key)

    def _failed(self, delivery: _Delivery, how: str) -> None:
        event = delivery.event
        text = f"event for {event.trigger.key} ({event.kind.value} {event.path}) {how}"
        self.counts.failed += 1
        self.counts.last_failure = text
        logger.warning("%s", text)


def background_event(
    event: DocumentEvent, database: DatabaseName
) -> tuple[list[tuple[str, str]], bytes]:
    """Return the headers and the JSON body that a first-generation function gets."""
    data: dict[str, Any] = {"updateMask": {}}
    if event.after is not None:
        data["value"] = _document_json(database, event.after)
    if event.before is not None:
        data["oldValue"] = _document_json(database, event.before)
    content = {
        "data": data,
        "context": {
            "eventId": str(uuid.uuid4()),
            "timestamp": _rfc3339(event.time),
            "eventType": event.trigger.event_type,
            "resource": {
                "name": document_name(database, event.path),
                "service": "firestore.googleapis.com",
            },
        },
    }
    return [("content-type", "application/json")], json.dumps(content).encode()


def cloud_event(
    event: DocumentEvent, database: DatabaseName, caller: Caller
) -> tuple[list[tuple[str, str]], bytes]:
    """Return the headers and the body that a second-generation function gets.

    The body is base64 text, whatever its content type says: the Functions emulator decodes it.

    Source: firebase-tools 15, functionsEmulator.ts; a recording of emulator 1.22.0.
    """
    trigger = event.trigger
    data = pb.DocumentEventData()
    if event.after is not None:
        wire.document_to_proto(database, event.after, data.value)
    if event.before is not None:
        wire.document_to_proto(database, event.before, data.old_value)
    data.update_mask.SetInParent()
    headers = [
        ("content-type", "application/protobuf"),
        ("ce-specversion", "1.0"),
        ("ce-id", str(uuid.uuid4())),
        ("ce-type", trigger.event_type),
        ("ce-source", f"//firestore.googleapis.com/{database}"),
        ("ce-subject", f"documents/{event.path}"),
        ("ce-time", _rfc3339(event.time)),
        ("ce-datacontenttype", "application/protobuf"),
        ("ce-dataschema", _DATA_SCHEMA),
        ("ce-project", database.project),
        ("ce-database", database.database),
        ("ce-namespace", "(default)"),
        ("ce-document", event.path),
        ("ce-location", _region_of(trigger.key)),
    ]
    if trigger.with_auth:
        headers.append(("ce-authtype", _AUTH_TYPES[caller.kind]))
        if caller.kind is not CallerKind.ANONYMOUS:
            headers.append(("ce-authid", caller.uid or "admin"))
    # Header values are ASCII on the wire: CloudEvents' HTTP binding percent-encodes the rest.
    encoded = [(name, _header_value(value)) for name, value in headers]
    return encoded, base64.b64encode(data.SerializeToString())


def _header_value(value: str) -> str:
    return "".join(
        char
        if " " < char < "\x7f" and char not in '"%'
        else "".join(f"%{byte:02X}" for byte in char.encode("utf-8", "replace"))
        for char in value
    )


def _region_of(key: str) -> str:
    """Return the region that a trigger's key begins with: `us-central1-onUser-0`."""
    words = key.split("-")
    for count in (2, 3):
        candidate = "-".join(words[:count])
        if len(words) > count and candidate[-1:].isdigit() and words[0].isalpha():
            return candidate
    return _DEFAULT_REGION


def _document_json(database: DatabaseName, snapshot: DocumentSnapshot) -> Any:
    message = pb.Document()
    wire.document_to_proto(database, snapshot, message)
    return json_format.MessageToDict(message)


def _rfc3339(time_: Timestamp) -> str:
    seconds, micros = divmod(time_.micros, 1_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{micros:06d}Z"


async def post(
    host: str, path: str, headers: list[tuple[str, str]], body: bytes
) -> tuple[int, bytes]:
    """Send one HTTP/1.1 request on a connection of its own, and return status and body.

    Raises:
        OSError: No connection, or it was lost.
    """
    name, _, port = host.rpartition(":")
    reader, writer = await asyncio.open_connection(name.strip("[]"), int(port))
    try:
        connection = h11.Connection(h11.CLIENT)
        request = h11.Request(
            method="POST",
            target=path,
            headers=[
                ("host", host),
                ("connection", "close"),
                ("content-length", str(len(body))),
                *headers,
            ],
        )
        head = connection.send(request) or b""
        writer.write(head + (connection.send(h11.Data(data=body)) or b""))
        connection.send(h11.EndOfMessage())
        await writer.drain()
        status, chunks = 0, []
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                connection.receive_data(await reader.read(65536))
            elif isinstance(event, h11.Response):
                status = event.status_code
            elif isinstance(event, h11.Data):
                chunks.append(bytes(event.data))
            elif isinstance(event, (h11.EndOfMessage, h11.ConnectionClosed)):
                return status, b"".join(chunks)
    finally:
        writer.close()
