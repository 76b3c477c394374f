"""What every way into the server shares: the back end, the clock, callers, waiting for locks, and
the meter's hook.

One event loop; an operation of the back end is one synchronous call. Only waiting happens here.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import string
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from harness.backend.auth import ADMIN, Caller, classify_authorization
from harness.backend.events import TriggerRegistry
from harness.backend.metering import RequestRecord
from harness.backend.service import Backend, DatabaseService, LockWait
from harness.errors import StatusCode, StatusError
from harness.firestore.documents import CommitResult
from harness.firestore.paths import DatabaseName
from harness.firestore.values import Timestamp
from harness.server.exports import Seed

logger = logging.getLogger(__name__)

LOCK_WAIT_S = 2.0
"""How long a write waits for transactions that have read what it writes. Source: observed: emulator
1.22.0.
"""

_ID_LETTERS = string.ascii_letters + string.digits
_ID_LENGTH = 20

T = TypeVar("T")


class Clock:
    """The time of day, never twice the same and never backwards."""

    def __init__(self) -> None:
        self._last = 0

    def now(self) -> Timestamp:
        """Return the current time, in whole microseconds."""
        self._last = max(self._last + 1, time.time_ns() // 1000)
        return Timestamp(self._last)


@dataclass(frozen=True, slots=True)
class RequestHeaders:
    """What a request says of who sends it. Read when needed: a bad name is reported first."""

    authorization: str | None = None
    label: str | None = None
    database: str | None = None

    def caller(self) -> Caller:
        """Return who sends the request.

        Raises:
            StatusError: The Authorization header is no good.
        """
        return classify_authorization(self.authorization, self.label)


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
        commit_listeners: Told of each commit, in the turn of the loop in which it happens.
        rules_listeners: Told the project whose rules have been replaced.
    """

    backend: Backend
    triggers: TriggerRegistry = field(default_factory=TriggerRegistry)
    clock: Clock = field(default_factory=Clock)
    instance: bytes = field(default_factory=lambda: secrets.token_bytes(6))
    expected_project: str | None = None
    seed: Seed = field(default_factory=Seed)
    acting: Caller = ADMIN
    commit_listeners: list[CommitListener] = field(default_factory=list)
    rules_listeners: list[Callable[[str], None]] = field(default_factory=list)
    _warned: set[str] = field(default_factory=set)
    _waiters: defaultdict[DatabaseName, set[asyncio.Future[None]]] = field(
        default_factory=lambda: defaultdict(set)
    )

    def database(self, name: DatabaseName) -> DatabaseService:
        """Return a database, making it when it is asked for first."""
        service = self.backend.databases.get(name)
        if service is None:
            service = self.backend.database(name)
            self.seed.sow(service, self.clock.now())  # no event, as an import is none
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

    def run(
        self,
        service: DatabaseService,
        rpc: str,
        caller: Caller,
        operation: Callable[[Timestamp, RequestRecord], T],
    ) -> T:
        """Run one operation now, and put it on record whatever becomes of it."""
        now = self.clock.now()
        record = RequestRecord(rpc, caller, now.micros)
        started = time.perf_counter()
        self.acting = caller
        try:
            return operation(now, record)
        except StatusError as error:
            record.code, record.message = error.code, error.message
            raise
        finally:
            record.latency_ms = (time.perf_counter() - started) * 1000
            service.log.append(record)

    async def run_waiting(
        self,
        service: DatabaseService,
        rpc: str,
        caller: Caller,
        operation: Callable[[Timestamp, RequestRecord, bool], T],
    ) -> T:
        """Run an operation that may have to wait for locks: again each time a transaction has
        ended, then for good.

        Args:
            operation: Gets the time, the record, and whether to fail rather than wait.
        """
        started = time.perf_counter()
        deadline = started + LOCK_WAIT_S
        now = self.clock.now()
        record = RequestRecord(rpc, caller, now.micros)
        try:
            while True:
                remaining = deadline - time.perf_counter()
                self.acting = caller
                try:
                    return operation(now, record, remaining <= 0)
                except LockWait:
                    await self._transaction_ended(service.name, remaining)
                    now = self.clock.now()
        except StatusError as error:
            record.code, record.message = error.code, error.message
            raise
        finally:
            record.latency_ms = (time.perf_counter() - started) * 1000
            service.log.append(record)

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
        waiters.add(waiter)
        try:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(waiter, max(timeout_s, 0))
        finally:
            waiters.discard(waiter)

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
        if key not in self._warned:
            self._warned.add(key)
            logger.warning("%s", text)


def new_document_id() -> str:
    """Return an id as Firestore makes them: 20 letters and digits."""
    return "".join(secrets.choice(_ID_LETTERS) for _ in range(_ID_LENGTH))


def unimplemented(feature: str) -> StatusError:
    """Make the error for what this server does not do."""
    return StatusError(
        StatusCode.UNIMPLEMENTED, f"{feature} is not supported by the embedded Firestore"
    )
