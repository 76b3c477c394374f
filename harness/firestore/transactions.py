"""Transactions: their ids, what they have read, who waits for whom, and when they end.

A pessimistic transaction, which is what server libraries ask for, keeps others from changing what
it has read. The oldest has its way, so nobody waits in a circle and nobody is put off for ever:

- A write waits for older transactions that have read what it changes; younger ones lose.
- A read in a transaction waits for older writes that wait to change what it reads.
- A transaction that is tried again counts as older than all first attempts. It begins to read when
  no other second attempt has read, or is going to read, what it has read the time before; and first
  attempts let it read first. So of many that want to change the same documents each loses about
  once, and the attempts that the client libraries make are enough.

Who loses is told when it commits. Until then its reads see the moment before it lost, so it never
reads what does not fit together; and if it writes nothing, it has lost nothing.

An optimistic transaction keeps nobody from anything: it reads one moment, that of its first read,
and its commit fails if what it has read has changed since.

The waiting itself is the shell's: it asks again whenever an observer is told, and gives up after
`limits.LOCK_WAIT_S`. Time comes in as an argument.

Source: "Transactions and data contention"; proto comments of `TransactionOptions`; production's
order of events in the transaction tests of skunkteam/rust-firestore-emulator, which it passes; ids
and words that the documentation lacks are those of emulator 1.22.0.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from enum import Enum
from heapq import heapify, heappop, heappush
from struct import Struct
from typing import TypeAlias

from harness.errors import StatusCode, StatusError
from harness.firestore import limits
from harness.firestore.documents import CommitResult, DocumentChange
from harness.firestore.paths import ResourcePath
from harness.firestore.query import StructuredQuery
from harness.firestore.read_set import ReadSet
from harness.firestore.store import Database
from harness.firestore.values import Timestamp

_ID_MARK = 0x11
_ID = Struct("<BQ")
_IDLE_MICROS = limits.TRANSACTION_IDLE_S * 1_000_000
_TOTAL_MICROS = limits.TRANSACTION_TOTAL_S * 1_000_000

# Attempts that lost are remembered: so many of them, with so many documents each.
_EARLIER_KEPT = 1_000
_LONGEST_LINE = 100

CONTENTION = "Too much contention on these documents. Please try again."
EXPIRED = "The referenced transaction has expired or is no longer valid."

Age: TypeAlias = tuple[bool, int, int]
"""Whether a transaction is a first attempt, the number of the first attempt, its own number.

A write outside of transactions has that of the newest transaction when it came, and is younger.
"""


class Concurrency(Enum):
    """How a read-write transaction is kept apart from others."""

    PESSIMISTIC = "PESSIMISTIC"
    OPTIMISTIC = "OPTIMISTIC"


class Transaction:
    """An open transaction.

    Attributes:
        age: Less is older.
        line: The documents that an attempt before has read, which this is going to read; None:
            there was no attempt before.
        is_in_line: Whether this waits for those that are before it in line.
        read_time: The moment that all reads see; None for the latest data: that of a pessimistic
            transaction as long as it has not lost, of an optimistic one before its first read.
        has_lost: Whether an older one has changed what this has read.
        attempt: Which attempt this is, from 1.
    """

    __slots__ = (
        "age",
        "attempt",
        "concurrency",
        "has_lost",
        "id",
        "is_in_line",
        "last_used",
        "line",
        "read_only",
        "read_time",
        "reads",
        "started",
    )

    def __init__(
        self,
        transaction_id: bytes,
        age: Age,
        read_only: bool,
        read_time: Timestamp | None,
        now: Timestamp,
        *,
        line: frozenset[ResourcePath] | None = None,
        concurrency: Concurrency = Concurrency.PESSIMISTIC,
        attempt: int = 1,
    ) -> None:
        self.id = transaction_id
        self.attempt = attempt
        self.age = age
        self.line = line
        self.is_in_line = bool(line)
        self.read_only = read_only
        self.concurrency = concurrency
        self.read_time = read_time
        self.started = now
        self.last_used = now
        self.reads = ReadSet()
        self.has_lost = False

    @property
    def locks(self) -> bool:
        """Whether others have to wait before they change what this has read."""
        return not (self.read_only or self.has_lost or self.concurrency is Concurrency.OPTIMISTIC)

    @property
    def claimed(self) -> frozenset[ResourcePath]:
        """What this is going to read, now that it is no longer in line."""
        return frozenset() if self.is_in_line or self.line is None else self.line

    @property
    def ends_micros(self) -> int:
        """When this has been idle, or open, for too long."""
        return min(self.last_used.micros + _IDLE_MICROS, self.started.micros + _TOTAL_MICROS)


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A request that waits. `writes` are the documents that it wants to change, if it does."""

    age: Age
    own: bytes | None
    writes: frozenset[ResourcePath] = frozenset()

    def wants_to_change(self, paths: Iterable[ResourcePath], query: StructuredQuery | None) -> bool:
        """Say whether a read of these would see what this is about to change."""
        if query is None:
            return not self.writes.isdisjoint(paths)
        wanted = query.collection_id
        return any(wanted is None or path.collection_id == wanted for path in self.writes)


class TransactionManager:
    """The open transactions of one database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._open: dict[bytes, Transaction] = {}
        self._second_attempts: dict[bytes, Transaction] = {}  # and later ones
        self._attempts: dict[bytes, int] = {}
        self._ends: list[tuple[int, bytes]] = []  # a heap; a transaction may end later than it says
        self._waiting: dict[int, _Waiting] = {}  # by the identity of the request
        # What transactions had read that lost; the newest ones.
        self._earlier: dict[bytes, frozenset[ResourcePath]] = {}
        self._last_number = 0
        self._observers: list[Callable[[bytes | None], None]] = []
        database.subscribe(self._committed)

    def begin(
        self,
        read_only: bool,
        read_time: Timestamp | None,
        retry: bytes | None,
        now: Timestamp,
        concurrency: Concurrency = Concurrency.PESSIMISTIC,
    ) -> bytes:
        """Open a transaction and return its id.

        Args:
            read_time: When a read-only transaction reads; None for the present moment.
            retry: The id of an earlier attempt of the same transaction. It may be open: threads of
                the Python client that share a decorated function take each other's attempts for
                theirs.
        Raises:
            StatusError: The read time or the earlier id is not valid.
        """
        retry = retry or None
        retried = None if retry is None else self._number(retry)
        if read_only:
            if read_time is None:
                read_time = self._database.strong_read_time(now)
            else:
                self._database.check_read_time(read_time, now)
        elif read_time is not None:
            raise StatusError(
                StatusCode.INVALID_ARGUMENT, "Only a read-only transaction can have a 'read_time'."
            )
        self.expire(now)
        self._last_number += 1
        transaction_id = _ID.pack(_ID_MARK, self._last_number)
        transaction = Transaction(
            transaction_id,
            (retried is None, retried or self._last_number, self._last_number),
            read_only,
            read_time,
            now,
            line=None if retry is None else self._earlier.get(retry, frozenset()),
            concurrency=concurrency,
            attempt=1 if retry is None else self._attempts.get(retry, 1) + 1,
        )
        self._attempts[transaction_id] = transaction.attempt
        if len(self._attempts) > _EARLIER_KEPT:
            del self._attempts[next(iter(self._attempts))]
        self._open[transaction_id] = transaction
        if retry is not None:
            self._second_attempts[transaction_id] = transaction
        heappush(self._ends, (transaction.ends_micros, transaction_id))
        return transaction_id

    def get(self, transaction_id: bytes, now: Timestamp) -> Transaction:
        """Return an open transaction, which counts as using it.

        Raises:
            StatusError: ABORTED if it has ended; INVALID_ARGUMENT if the id was never issued.
        """
        self.expire(now)
        transaction = self._open.get(transaction_id)
        if transaction is None:
            self._number(transaction_id)
            raise StatusError(StatusCode.ABORTED, EXPIRED)
        if now.micros < transaction.last_used.micros:  # the clock has been put back
            heappush(self._ends, (now.micros + _IDLE_MICROS, transaction_id))
        transaction.last_used = now
        return transaction

    def get_for_read(self, transaction_id: bytes, now: Timestamp) -> Transaction:
        """Return an open transaction that is about to read; an optimistic one reads one moment.

        Raises:
            StatusError: As `get`.
        """
        transaction = self.get(transaction_id, now)
        if transaction.read_time is None and transaction.concurrency is Concurrency.OPTIMISTIC:
            transaction.read_time = self._database.strong_read_time(now)
        return transaction

    def get_for_commit(self, transaction_id: bytes, now: Timestamp, *, writes: bool) -> Transaction:
        """Return an open transaction that is about to commit.

        Raises:
            StatusError: As `get`; ABORTED if it writes and has lost; INVALID_ARGUMENT for writes in
                a read-only transaction, which stays open.
        """
        transaction = self.get(transaction_id, now)
        if writes and transaction.read_only:
            raise StatusError(
                StatusCode.INVALID_ARGUMENT,
                "Cannot modify entities in a read-only transaction.",
            )
        if writes and transaction.has_lost:
            self._remember(transaction)
            self.finish(transaction_id)
            raise contention()
        return transaction

    # What has been read

    def record_read(self, transaction: Transaction, paths: Iterable[ResourcePath]) -> None:
        """Keep the documents that a transaction read, found or missing."""
        if not transaction.read_only:
            transaction.reads.add_documents(paths)

    def record_query(self, transaction: Transaction, query: StructuredQuery | None) -> None:
        """Keep the query that a transaction ran; None: a read that depends on everything."""
        if transaction.read_only:
            return
        if query is None:
            transaction.reads.add_everything()
        else:
            transaction.reads.add_query(query)

    def check_unchanged(self, transaction: Transaction) -> None:
        """Refuse the commit of an optimistic transaction if what it has read has changed since.

        Raises:
            StatusError: ABORTED.
        """
        if transaction.concurrency is not Concurrency.OPTIMISTIC or transaction.read_time is None:
            return
        changes = self._database.changes_since(transaction.read_time)
        if changes is None or any(map(transaction.reads.is_disturbed_by, changes)):
            raise contention()

    # Who waits for whom

    def are_open(self, now: Timestamp) -> bool:
        """Say whether there are any; otherwise a write has nobody to wait for."""
        self.expire(now)
        return bool(self._open)

    def blockers(
        self,
        request: object,
        changes: Collection[DocumentChange],
        own: bytes | None,
        now: Timestamp,
    ) -> frozenset[bytes]:
        """Return the ids of the transactions that a write has to wait for: the older ones that have
        read what it changes. The younger ones lose once it has been committed.

        Args:
            request: What writes, the same object each time it asks.
            own: The transaction that writes, if one does: it never waits for itself.
        """
        self.expire(now)
        age = self._age_of_write(request, own)
        return frozenset(
            transaction.id
            for transaction in self._open.values()
            if transaction.locks
            and transaction.age <= age
            and transaction.id != own
            and any(map(transaction.reads.is_disturbed_by, changes))
        )

    def wait_to_write(
        self, request: object, changes: Iterable[DocumentChange], own: bytes | None
    ) -> None:
        """Take a place before younger ones for a write that waits, until it is told to `leave`."""
        if id(request) not in self._waiting:
            paths = frozenset(change.path for change in changes)
            self._wait(request, _Waiting(self._age_of_write(request, own), own, paths))

    def has_writers_ahead(
        self,
        transaction: Transaction,
        paths: Iterable[ResourcePath],
        query: StructuredQuery | None = None,
    ) -> bool:
        """Say whether a transaction has to wait before it reads documents, or a query's result."""
        if not transaction.locks:
            return False
        unread = [path for path in paths if path not in transaction.reads]
        return any(
            waiting.age < transaction.age and waiting.wants_to_change(unread, query)
            for waiting in self._waiting.values()
        ) or self._is_in_line(transaction, unread)

    def wait_to_read(self, request: object, transaction: Transaction) -> None:
        """Note that a transaction waits before it reads, until it is told to `leave`."""
        if id(request) not in self._waiting:
            self._wait(request, _Waiting(transaction.age, transaction.id))

    def _is_in_line(self, transaction: Transaction, unread: Collection[ResourcePath]) -> bool:
        """Say whether a second attempt comes first; a first attempt lets older ones come first.

        A second attempt does not wait for a younger one that waits itself: that one loses.
        """
        if not self._second_attempts:
            return False
        wanted = set(unread)
        if transaction.is_in_line:
            wanted.update(transaction.line or ())
        waiting = {each.own for each in self._waiting.values()}
        must_wait = False
        for other in tuple(self._second_attempts.values()):
            is_younger = other.age > transaction.age
            if other is transaction or not other.locks or (is_younger and transaction.line is None):
                continue
            if not any(path in other.reads or path in other.claimed for path in wanted):
                continue
            if other.id in waiting and is_younger:
                self._lose(other, self._database.last_commit_time)
            else:
                must_wait = True
        if not must_wait:
            transaction.is_in_line = False
        return must_wait

    def leave(self, request: object) -> None:
        """Let those go ahead that wait for a request which waits no longer, whatever its fate."""
        if self._waiting and self._waiting.pop(id(request), None) is not None:
            self._tell(None)

    def lock_timeout(self, own: bytes | None) -> StatusError:
        """Return the error of a write that waited too long. The transaction that writes ends."""
        if own is not None:
            self.finish(own)
        return contention()

    def _age_of_write(self, request: object, own: bytes | None) -> Age:
        """Return the age of a transaction; a write outside of any has that of when it came."""
        if own is not None:
            return self._open[own].age
        waiting = self._waiting.get(id(request))
        newest = self._last_number
        return (True, newest, newest) if waiting is None else waiting.age

    def _wait(self, request: object, waiting: _Waiting) -> None:
        self._waiting[id(request)] = waiting
        if waiting.own is not None and self._open[waiting.own].line is not None:
            self._tell(None)  # older ones that wait for it in line need not do so any longer

    def _committed(self, commit: CommitResult) -> None:
        """Make those lose that have read what has changed, whoever changed it."""
        if not self._open:
            return
        before = Timestamp(commit.commit_time.micros - 1)
        for transaction in tuple(self._open.values()):
            if transaction.locks and any(map(transaction.reads.is_disturbed_by, commit.changes)):
                self._lose(transaction, before)

    def _lose(self, transaction: Transaction, read_time: Timestamp) -> None:
        transaction.has_lost = True
        transaction.read_time = read_time
        self._tell(transaction.id)

    # The end

    def commit_failed(self, transaction_id: bytes, error: StatusError) -> None:
        """End a transaction whose commit failed; after INVALID_ARGUMENT it stays open."""
        if error.code is not StatusCode.INVALID_ARGUMENT:
            self.finish(transaction_id)

    def finish(self, transaction_id: bytes) -> None:
        """End a transaction and let go of its locks. An ended one stays ended."""
        self._second_attempts.pop(transaction_id, None)
        if self._open.pop(transaction_id, None) is not None:
            if len(self._ends) > 2 * len(self._open) + 64:
                self._ends = [(each.ends_micros, each.id) for each in self._open.values()]
                heapify(self._ends)
            self._tell(transaction_id)

    def _remember(self, transaction: Transaction) -> None:
        """Keep what a transaction has read that has lost, for the time when it is tried again."""
        paths = transaction.reads.paths
        if len(paths) > _LONGEST_LINE:
            return
        self._earlier[transaction.id] = paths
        if len(self._earlier) > _EARLIER_KEPT:
            del self._earlier[next(iter(self._earlier))]

    def withdraw(self, transaction_id: bytes) -> None:
        """Take back a transaction that has only just begun, and which nobody has heard of."""
        self._second_attempts.pop(transaction_id, None)
        self._open.pop(transaction_id, None)

    def rollback(self, transaction_id: bytes, now: Timestamp) -> None:
        """End a transaction, or do nothing if it has ended already.

        Raises:
            StatusError: INVALID_ARGUMENT if the id was never issued.
        """
        self._number(transaction_id)
        self.finish(transaction_id)
        self.expire(now)

    def expire(self, now: Timestamp) -> frozenset[bytes]:
        """End the transactions that were idle or open for too long; return their ids."""
        expired = []
        while self._ends and self._ends[0][0] <= now.micros:
            _, transaction_id = heappop(self._ends)
            transaction = self._open.get(transaction_id)
            if transaction is None:
                continue
            if transaction.ends_micros > now.micros:  # it has been used since
                heappush(self._ends, (transaction.ends_micros, transaction_id))
                continue
            expired.append(transaction_id)
            self.finish(transaction_id)
        return frozenset(expired)

    def finish_all(self) -> None:
        """End all transactions, as when the database is reset."""
        for transaction_id in tuple(self._open):
            self.finish(transaction_id)

    @property
    def open_count(self) -> int:
        """How many transactions are open; those whose time is up count until someone looks."""
        return len(self._open)

    @property
    def waiting_count(self) -> int:
        """How many requests wait."""
        return len(self._waiting)

    def subscribe(self, observer: Callable[[bytes | None], None]) -> Callable[[], None]:
        """Have an observer told whenever those who wait may look again; return what ends that.

        It is told the id of a transaction that has ended or lost, or None when the line has moved.
        """
        self._observers.append(observer)

        def unsubscribe() -> None:
            if observer in self._observers:
                self._observers.remove(observer)

        return unsubscribe

    def _tell(self, transaction_id: bytes | None) -> None:
        for observer in tuple(self._observers):
            observer(transaction_id)

    def _number(self, transaction_id: bytes) -> int:
        """Return the number that an id was made of.

        Raises:
            StatusError: INVALID_ARGUMENT: the id was never issued.
        """
        if len(transaction_id) != _ID.size or transaction_id[0] != _ID_MARK:
            raise StatusError(StatusCode.INVALID_ARGUMENT, "Invalid transaction.")
        _, number = _ID.unpack(transaction_id)
        if not 1 <= number <= self._last_number:
            raise StatusError(StatusCode.INVALID_ARGUMENT, "Transaction is invalid or expired.")
        return int(number)


def contention() -> StatusError:
    """Return the error of who has lost to another, or has waited too long."""
    return StatusError(StatusCode.ABORTED, CONTENTION)
