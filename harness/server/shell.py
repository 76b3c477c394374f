"""What every way into the server shares: the back end, the clock, callers, waiting for locks, and
the meter's hook.

One event loop; an operation of the back end is one synchronous call. Only waiting happens here.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import string
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TypeVar

from harness.backend.auth import ADMIN, Caller, classify_authorization
from harness.backend.clock import REAL_TIME, ClockSetting
from harness.backend.databases import Backend
from harness.backend.events import TriggerRegistry
from harness.backend.faults import FaultPlan
from harness.backend.metering import RequestRecord
from harness.backend.service import DatabaseService, LockWait
from harness.errors import StatusCode, StatusError
from harness.firestore.documents import CommitResult, Write
from harness.firestore.paths import DatabaseName
from harness.firestore.query import Aggregation, StructuredQuery
from harness.firestore.transforms import request_time
from harness.firestore.values import Timestamp
from harness.server.exports import Seed

logger = logging.getLogger(__name__)

LOCK_WAIT_S = 2.0
"""How long a write waits for transactions that have read what it writes; by the project's clock or
by the real one, whichever has moved further, so that a clock that stands keeps nobody waiting.
Source: observed: emulator 1.22.0.
"""

current_fault: ContextVar[str | None] = ContextVar("current_fault", default=None)
"""What an injected fault makes of the request that this task serves, for its record."""

served_record: ContextVar[RequestRecord | None] = ContextVar("served_record", default=None)
"""The record of the operation that this task has run last: its answer is what leaves next."""

_WARNED_AFTER_S = 0.05
"""The request that gives cause to a warning is answered first."""

_ID_LETTERS = string.ascii_letters + string.digits
_ID_LENGTH = 20
_MAX_WARNINGS = 1_000
"""That name a project; a client could name projects without end."""

T = TypeVar("T")


class Clock:
    """The time of day, for each project its own.

    The real time is never twice the same and never goes backwards. What a check makes of it for its
    project may stand still or be put back; commit times increase all the same, which is the
    store's doing.
    """

    def __init__(self) -> None:
        self._last = 0
        self._settings: dict[str | None, ClockSetting] = {}

    def real(self) -> int:
        """Return the real time, in whole microseconds since 1970."""
        self._last = max(self._last + 1, time.time_ns() // 1000)
        return self._last

    def now(self, project: str) -> Timestamp:
        """Return the current time of a project, in whole microseconds."""
        if not self._settings:
            return Timestamp(self.real())
        return Timestamp(self.setting(project).at(self.real()))

    def setting(self, project: str | None) -> ClockSetting:
        """Return how a project's clock is set, or that of all that have no setting of their own."""
        own = self._settings.get(project)
        return own if own is not None else self._settings.get(None, REAL_TIME)

    def lets_tokens_expire(self, project: str) -> bool:
        """Whether ID tokens end when their time has passed."""
        return bool(self._settings) and self.setting(project).tokens_expire

    def set(self, project: str | None, setting: ClockSetting | None) -> None:
        """Set the clock of a project, or of all that have none; None takes the setting away."""
        if setting is None:
            self._settings.pop(project, None)
        else:
            self._settings[project] = setting


@dataclass(frozen=True, slots=True)
class RequestHeaders:
    """What a request says of who sends it. Read when needed: a bad name is reported first."""

    authorization: str | None = None
    label: str | None = None
    database: str | None = None
    function: str | None = None
    source: str | None = None

    def caller(self) -> Caller:
        """Return who sends the request.

        Raises:
            StatusError: The Authorization header is no good.
        """
        return classify_authorization(self.authorization, self.label, self.function, self.source)


request_headers = lru_cache(maxsize=1024)(RequestHeaders)
"""Makes `RequestHeaders`: a client sends the same ones again and again."""

CommitListener = Callable[[DatabaseService, CommitResult], None]


@dataclass(slots=True)
class Shell:
    """The running server.

    Args:
        backend: Every database.
        triggers: Every registered function trigger.
        instance: Random bytes; resume tokens of another start of the server are told by them.
        expected_project: Named by `--project_id`; a request for another is served, with one
            warning.
        seed: What databases hold when they are first asked for.
        acting: Whose operation is running; a commit's listeners are told of it while it is.
        chain_of: Says which functions led to what a function does, itself last.
        commit_listeners: Told of each commit, in the turn of the loop in which it happens.
        rules_listeners: Told the project whose rules have been replaced.
        clock_listeners: Told the project whose clock has been set; None: that of all which have
            none of their own.
        request_listener: Told of each request of every database that is made from now on.
        faults: What shall go wrong, by project; only projects that have faults are in it.
    """

    backend: Backend
    triggers: TriggerRegistry = field(default_factory=TriggerRegistry)
    clock: Clock = field(default_factory=Clock)
    instance: bytes = field(default_factory=lambda: secrets.token_bytes(6))
    expected_project: str | None = None
    seed: Seed = field(default_factory=Seed)
    acting: Caller = ADMIN
    chain_of: Callable[[str], tuple[str, ...]] = lambda function: (function,)
    commit_listeners: list[CommitListener] = field(default_factory=list)
    rules_listeners: list[Callable[[str], None]] = field(default_factory=list)
    clock_listeners: list[Callable[[str | None], None]] = field(default_factory=list)
    request_listener: Callable[[RequestRecord], None] | None = None
    faults: dict[str, FaultPlan] = field(default_factory=dict)
    _warned: set[str] = field(default_factory=set)
    # In the order in which they came: a dict is an ordered set.
    _waiters: defaultdict[DatabaseName, dict[asyncio.Future[None], None]] = field(
        default_factory=lambda: defaultdict(dict)
    )

    def database(self, name: DatabaseName, *, is_bounded: bool = True) -> DatabaseService:
        """Return a database, making it when it is asked for first.

        Args:
            is_bounded: Not one more than there may be.
        Raises:
            StatusError: RESOURCE_EXHAUSTED; there is no room for it.
        """
        service = self.backend.databases.get(name)
        if service is None:
            if is_bounded:
                self.backend.make_room(self._is_needed)
            service = self.backend.database(name)
            service.log.listener = self.request_listener
            self.seed.sow(service, self.clock.now(name.project))  # no event, as an import is none
            service.store.subscribe(lambda commit: self._committed(service, commit))
            service.transactions.subscribe(lambda _: self._wake_waiters(name))
            self._warn_of_other_project(name.project)
            if service.project.ruleset is None:
                self._warn_once(
                    f"no rules:{name.project}",
                    f"no security rules are loaded for project {name.project}: "
                    "all reads and writes are allowed",
                )
        return service

    def _is_needed(self, service: DatabaseService) -> bool:
        """Say of a database that holds nothing that it would be another if it were made anew."""
        return self.seed.holds(service.name)

    def run(
        self,
        service: DatabaseService,
        rpc: str,
        caller: Caller,
        operation: Callable[[Timestamp, RequestRecord], T],
    ) -> T:
        """Run one operation now, and put it on record whatever becomes of it."""
        now = self.clock.now(service.name.project)
        record = RequestRecord(rpc, caller, now.micros, fault=current_fault.get())
        if caller.function is not None:
            record.chain = self.chain_of(caller.function)
        served_record.set(record)
        started = service.last_used = time.perf_counter()
        self.acting = caller
        try:
            return operation(now, record)
        except StatusError as error:
            record.code, record.message = error.code, error.message
            raise
        finally:
            record.latency_ms = (time.perf_counter() - started) * 1000
            service.log.append(record)

    async def build_indexes(
        self,
        service: DatabaseService,
        query: StructuredQuery,
        aggregations: Sequence[Aggregation] = (),
    ) -> None:
        """Build what a query will want to walk, where that takes long; others are served meanwhile.

        Nothing that a client can tell depends on it: what is not built here, the query builds.
        """
        service.users += 1
        try:
            for _ in service.engine.build_steps(query, aggregations):
                await asyncio.sleep(0)
        finally:
            service.users -= 1

    async def run_waiting(
        self,
        service: DatabaseService,
        rpc: str,
        caller: Caller,
        operation: Callable[[Timestamp, RequestRecord, bool], T],
        writes: Sequence[Write] = (),
    ) -> T:
        """Run an operation that may have to wait for other transactions: again each time one of
        them has ended, then for good.

        Args:
            operation: Gets the time, the record, and whether to fail rather than wait.
            writes: What it writes: server timestamps among them are later than those which the
                client has seen.
        """
        started = service.last_used = time.perf_counter()
        service.users += 1
        project = service.name.project
        now = self.clock.now(project)
        deadline = now.micros + int(LOCK_WAIT_S * 1_000_000)
        give_up = False
        record = RequestRecord(rpc, caller, now.micros, fault=current_fault.get())
        if caller.function is not None:
            record.chain = self.chain_of(caller.function)
        served_record.set(record)
        try:
            if writes and service.store.repeats_server_time(writes, now):
                now = await self._next_server_time(project, now)
            while True:
                self.acting = caller
                try:
                    return operation(now, record, give_up)
                except LockWait:
                    remaining = started + LOCK_WAIT_S - time.perf_counter()
                    await self._transaction_ended(service.name, remaining)
                    now = self.clock.now(project)
                    waited = time.perf_counter() - started
                    give_up = waited >= LOCK_WAIT_S or now.micros >= deadline
        except StatusError as error:
            record.code, record.message = error.code, error.message
            raise
        except asyncio.CancelledError:
            record.code, record.message = StatusCode.CANCELLED, "The client has gone."
            raise
        finally:
            service.users -= 1
            service.transactions.leave(record)
            record.latency_ms = (time.perf_counter() - started) * 1000
            service.log.append(record)

    async def _next_server_time(self, project: str, now: Timestamp) -> Timestamp:
        """Return the time as soon as a server timestamp is another than now.

        Who writes twice, one after the other, finds the second later. From production it always is,
        which no answer leaves so soon; here two writes can fall into one millisecond, and what
        orders by their timestamps would be right on one run and wrong on the next. Whoever waits at
        the same time goes on at the same time, so many clients get no slower by it.
        """
        later = now
        while request_time(later) == request_time(now):
            if self.clock.setting(project).stopped_at is not None:
                break
            # uvloop's timers may end a part of a millisecond early, and take a shorter time for 0.
            await asyncio.sleep(0.001)
            later = self.clock.now(project)
        return later

    def caller(self, headers: RequestHeaders, project: str) -> Caller:
        """Return who sends a request to a project.

        Raises:
            StatusError: The Authorization header is no good; UNAUTHENTICATED: its time has passed.
        """
        caller = headers.caller()
        self.check_token(caller, project)
        return caller

    def check_token(self, caller: Caller, project: str) -> None:
        """Look whether a caller's time has passed, by a clock that lets tokens expire.

        Raises:
            StatusError: UNAUTHENTICATED.
        Source: recorded from production: cachapa/firedart#45.
        """
        if self.clock.lets_tokens_expire(project) and caller.has_expired(self.clock.now(project)):
            raise StatusError(StatusCode.UNAUTHENTICATED, "Missing or invalid authentication.")

    def set_clock(self, project: str | None, setting: ClockSetting | None) -> None:
        """Set the clock of a project, or of all that have no setting of their own; None gives the
        real time back. Who waits for a lock looks at the clock again.
        """
        self.clock.set(project, setting)
        for name, service in self.backend.databases.items():
            if project in (None, name.project):
                if setting is None:
                    service.store.start_over(self.clock.now(name.project))
                self._wake_waiters(name)
        for listener in tuple(self.clock_listeners):
            listener(project)

    def _wake_waiters(self, name: DatabaseName) -> None:
        """Have those who wait for locks of a database try again."""
        waiters = self._waiters.get(name)
        if waiters:
            for waiter in waiters:
                if not waiter.done():
                    waiter.set_result(None)
            waiters.clear()

    async def _transaction_ended(self, name: DatabaseName, timeout_s: float) -> None:
        waiter = asyncio.get_running_loop().create_future()
        waiters = self._waiters[name]
        waiters[waiter] = None
        try:
            # Not `wait_for`, which has to be in a task.
            await asyncio.wait((waiter,), timeout=max(timeout_s, 0))
        finally:
            waiters.pop(waiter, None)
            if not waiters and self._waiters.get(name) is waiters:
                del self._waiters[name]

    def _committed(self, service: DatabaseService, commit: CommitResult) -> None:
        for listener in tuple(self.commit_listeners):
            listener(service, commit)

    def _warn_of_other_project(self, project: str) -> None:
        if self.expected_project is not None and project != self.expected_project:
            self._warn_once(
                f"project:{project}",
                f"a request names project {project}, but this emulator was started for "
                f"{self.expected_project}; it gets a database of its own",
            )

    def _warn_once(self, key: str, text: str) -> None:
        if key in self._warned or len(self._warned) >= _MAX_WARNINGS:
            return
        self._warned.add(key)
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # nobody waits
            logger.warning("%s", text)
        else:
            loop.call_later(_WARNED_AFTER_S, logger.warning, "%s", text)


def count_sent(size_bytes: int) -> None:
    """Put on record that so many bytes of this task's answer have left."""
    record = served_record.get()
    if record is not None:
        record.sent(size_bytes)


def new_document_id() -> str:
    """Return an id as Firestore makes them: 20 letters and digits."""
    return "".join(secrets.choice(_ID_LETTERS) for _ in range(_ID_LENGTH))


def unimplemented(feature: str) -> StatusError:
    """Make the error for what this server does not do."""
    return StatusError(
        StatusCode.UNIMPLEMENTED, f"{feature} is not supported by the embedded Firestore"
    )
