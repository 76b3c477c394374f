"""Delivers events to the Functions emulator: after the commit, in order for each document, and
again after a failure where the function asks for that.

What an event is and who wants it is decided in `backend/events.py`, what a function gets of it in
`event_messages.py`.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

from harness.backend.auth import Caller
from harness.backend.events import DocumentEvent, TriggerRegistry
from harness.backend.service import DatabaseService
from harness.firestore.documents import CommitResult
from harness.firestore.paths import DatabaseName
from harness.firestore.profile import Profile
from harness.server.options import RETRY_DELAYS_S
from harness.server.shell import Shell

if TYPE_CHECKING:
    from harness.server.event_messages import EventMessage

logger = logging.getLogger(__name__)

_WIDTH = 2
"""Events that one trigger has on the way at most.

The Functions emulator starts a Node process, about a second of work, for each event that finds none
idle. So a trigger begins with one event at a time, and goes to this many once that one is done.
"""
_LOOP = 3
_TIMEOUT_S = 570.0
"""More than the longest time an event-driven function may take, 540 s."""

_KEPT = 1000
"""Events kept to be delivered again."""

_NO_SUCH_FUNCTION = 404
_DISABLED = 204
"""The Functions emulator's answer while background triggers are disabled; a function that ran is
answered with 200.
Source: firebase-tools 15, functionsEmulator.ts, handleHttpsTrigger; functionsEmulatorRuntime.ts.
"""


@dataclass(slots=True)
class DispatchCounts:
    """What became of the events so far.

    Args:
        dispatched: Events there were for a trigger.
        delivered: Handled by their function, some at a further attempt.
        failed: Given up.
        disabled: Not handled, since background triggers were disabled.
        retried: Further attempts.
        alarms: How often events came too fast.
        last_failure: Says what became of the last event that was given up.
        runs: How often each function was given an event, further attempts included; by its region
            and name.
    """

    dispatched: int = 0
    delivered: int = 0
    failed: int = 0
    disabled: int = 0
    retried: int = 0
    alarms: int = 0
    last_failure: str | None = None
    runs: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True)
class _Delivery:
    """An event on its way. Its message, and so its id, stays the same when it is sent again.

    `chain`: the functions that led to it, its own last.
    """

    event: DocumentEvent
    database: DatabaseName
    caller: Caller
    profile: Profile
    number: int
    chain: tuple[str, ...]
    message: EventMessage | None = None
    attempts: int = 0
    failure: str | None = None

    def __str__(self) -> str:
        event = self.event
        return f"event for {event.trigger.key} ({event.kind.value} {event.path})"

    @property
    def loop_words(self) -> str:
        """Say that the function sets itself off, if it has done so more often than a function that
        notices it would.
        """
        times = self.chain.count(self.chain[-1]) - 1
        return f", and has set itself off {times} times" if times >= _LOOP else ""

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
        retry_delays_s: Seconds before each further attempt, for functions that ask for retries.
    """

    triggers: TriggerRegistry
    functions_host: str | None = None
    alarm_events: int = 1000
    alarm_window_s: float = 10.0
    muted: set[str] = field(default_factory=set)
    retry_delays_s: tuple[float, ...] = RETRY_DELAYS_S
    counts: DispatchCounts = field(default_factory=DispatchCounts)
    _queues: dict[tuple[str, str], deque[_Delivery]] = field(default_factory=dict)
    _sent: deque[_Delivery] = field(default_factory=lambda: deque(maxlen=_KEPT))
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _gates: dict[str, _Gate] = field(default_factory=dict)
    _recent: deque[float] = field(default_factory=deque)
    _alarmed_at: float = float("-inf")
    _handling: dict[str, list[tuple[str, ...]]] = field(default_factory=dict)

    def watch(self, shell: Shell) -> None:
        """Hear of every commit from now on."""

        def committed(service: DatabaseService, commit: CommitResult) -> None:
            self._committed(service, commit, shell.acting)

        shell.commit_listeners.append(committed)
        shell.chain_of = self.chain_of

    def chain_of(self, function: str) -> tuple[str, ...]:
        """Return the functions that led to what a function does now, itself last.

        Where it handles several events that came about in different ways, only itself is known.
        """
        chains = set(self._handling.get(function, ()))
        return chains.pop() if len(chains) == 1 else (function,)

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

    @property
    def open_count(self) -> int:
        """How many events are not handled yet."""
        return sum(map(len, self._queues.values()))

    def open_events(self, limit: int) -> list[str]:
        """Describe events that are not handled yet: which, and what each waits for."""
        waiting = (
            (delivery, place)
            for queue in self._queues.values()
            for place, delivery in enumerate(queue)
        )
        return [self._waits_for(delivery, place) for delivery, place in islice(waiting, limit)]

    def _waits_for(self, delivery: _Delivery, place: int) -> str:
        if place:
            return f"{delivery} waits for those before it"
        if delivery.failure:
            most = len(self.retry_delays_s) + 1
            return f"{delivery} {delivery.failure}, at attempt {delivery.attempts} of {most}"
        if not delivery.attempts:
            return f"{delivery} is not sent yet"
        return f"{delivery} is being handled{delivery.loop_words}"

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
            before = () if caller.function is None else self.chain_of(caller.function)
            chain = (*before, event.trigger.name)
            delivery = _Delivery(
                event, name, caller, service.profile, self.counts.dispatched, chain
            )
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
                await self._handle(queue[0], gate)
                queue.popleft()
        finally:
            del self._queues[key]

    async def _handle(self, delivery: _Delivery, gate: _Gate) -> None:
        """Deliver an event, several times where it fails and the function asks for that."""
        asks = delivery.event.trigger.retries and delivery.profile.retries_events
        delays = iter(self.retry_delays_s if asks else ())
        delivery.attempts, delivery.failure = 0, None
        while True:
            async with gate.places:
                delivery.attempts += 1
                status, delivery.failure = await self._attempt(delivery)
            gate.widen()
            if delivery.failure is None:
                return
            delay_s = None if status == _NO_SUCH_FUNCTION else next(delays, None)
            if delay_s is None:
                break
            self.counts.retried += 1
            await asyncio.sleep(delay_s)
        self.counts.failed += 1
        self.counts.last_failure = f"{delivery} {delivery.failure}"
        logger.warning("%s", self.counts.last_failure)

    async def _attempt(self, delivery: _Delivery) -> tuple[int | None, str | None]:
        """Send an event once; return the HTTP status, and how it failed if it did."""
        import h11  # what only functions need is not loaded without them

        from harness.server.event_messages import event_message

        trigger = delivery.event.trigger
        path = f"/functions/projects/{trigger.project}/triggers/{trigger.key}"
        if delivery.message is None:
            delivery.message = event_message(
                delivery.event, delivery.database, delivery.caller, delivery.profile
            )
        headers, body = delivery.message
        assert self.functions_host is not None
        handling = self._handling.setdefault(trigger.name, [])
        handling.append(delivery.chain)
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                status, answer = await post(self.functions_host, path, headers, body)
        except (OSError, TimeoutError, h11.ProtocolError) as error:
            return None, f"was not delivered: {error or type(error).__name__}"
        finally:
            handling.remove(delivery.chain)
        if status == _DISABLED:
            self.counts.disabled += 1
            return status, None
        if status != _NO_SUCH_FUNCTION:
            self.counts.runs[trigger.function] += 1
        if 200 <= status < 300:
            self.counts.delivered += 1
            return status, None
        if status == _NO_SUCH_FUNCTION:
            # The function is gone from the code; its key stays registered otherwise.
            self.triggers.remove(trigger.project, trigger.key)
        said = " ".join(answer[:300].decode("utf-8", "replace").split())
        return status, f"was answered with HTTP {status}: {said}"


async def post(
    host: str, path: str, headers: list[tuple[str, bytes]], body: bytes
) -> tuple[int, bytes]:
    """Send one HTTP/1.1 request on a connection of its own, and return status and body.

    Raises:
        OSError: No connection, or it was lost.
    """
    import h11

    address, _, port = host.rpartition(":")
    reader, writer = await asyncio.open_connection(address.strip("[]"), int(port))
    try:
        connection = h11.Connection(h11.CLIENT)
        request = h11.Request(
            method="POST",
            target=path,
            headers=[
                (b"host", host.encode()),
                (b"connection", b"close"),
                (b"content-length", b"%d" % len(body)),
                *((name.encode(), value) for name, value in headers),
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
