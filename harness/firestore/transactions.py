"""Transactions: their ids, what they have read, whom they keep from writing, and when they end.

Pessimistic, as the official emulator is: a read-write transaction holds a shared lock on every
document it read and on every collection id it queried, and any other write waits for it. The
waiting itself is the shell's: it asks `blockers` again whenever a transaction ends, and gives up
with `lock_timeout` after `limits.LOCK_WAIT_S`. Time comes in as an argument.

Source: observed: emulator 1.22.0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from struct import Struct

from harness.errors import StatusCode, StatusError
from harness.firestore import limits
from harness.firestore.paths import ResourcePath
from harness.firestore.store import Database
from harness.firestore.values import Timestamp

_ID_MARK = 0x11
_ID = Struct("<BQ")
_IDLE_MICROS = limits.TRANSACTION_IDLE_S * 1_000_000
_TOTAL_MICROS = limits.TRANSACTION_TOTAL_S * 1_000_000


class Transaction:
    """An open transaction.

    Attributes:
        read_only: A read-only transaction takes no locks and cannot write. read_time: The moment
        a read-only transaction reads at; None for a read-write one, which reads
            the latest data.
    """

    __slots__ = (
        "all_locked",
        "collection_ids",
        "id",
        "last_used",
        "paths",
        "read_only",
        "read_time",
        "started",
    )

    def __init__(
        self, transaction_id: bytes, read_only: bool, read_time: Timestamp | None, now: Timestamp
    ) -> None:
        self.id = transaction_id
        self.read_only = read_only
        self.read_time = read_time
        self.started = now
        self.last_used = now
        self.paths: set[ResourcePath] = set()
        self.collection_ids: set[str] = set()
        self.all_locked = False

    def locks(self, path: ResourcePath) -> bool:
        """Say whether a write to a document has to wait for this transaction."""
        return self.all_locked or path in self.paths or path.collection_id in self.collection_ids

    def has_expired(self, now: Timestamp) -> bool:
        """Say whether this was idle, or has been open, for too long."""
        return (
            now.micros - self.last_used.micros >= _IDLE_MICROS
            or now.micros - self.started.micros >= _TOTAL_MICROS
        )


class TransactionManager:
    """The open transactions of one database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._open: dict[bytes, Transaction] = {}
        self._last_number = 0
        self._observers: list[Callable[[bytes], None]] = []

    def begin(
        self,
        read_only: bool,
        read_time: Timestamp | None,
        retry: bytes | None,
        now: Timestamp,
    ) -> bytes:
        """Open a transaction and return its id.

        Args:
            read_time: When a read-only transaction reads; None for the present moment.
            retry: The id of an earlier attempt of the same transaction. It has no effect.
        Raises:
            StatusError: The read time or the earlier id is not valid.
        """
        if retry:
            self._check_issued(retry)
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
        self._open[transaction_id] = Transaction(transaction_id, read_only, read_time, now)
        return transaction_id

    def get(self, transaction_id: bytes, now: Timestamp) -> Transaction:
        """Return an open transaction, which counts as using it.

        Raises:
            StatusError: ABORTED if it has ended; INVALID_ARGUMENT if the id was never issued.
        """
        self.expire(now)
        transaction = self._open.get(transaction_id)
        if transaction is None:
            self._check_issued(transaction_id)
            raise StatusError(
                StatusCode.ABORTED,
                "The referenced transaction has expired or is no longer valid.",
            )
        transaction.last_used = now
        return transaction

    def get_for_commit(self, transaction_id: bytes, now: Timestamp, *, writes: bool) -> Transaction:
        """Return an open transaction that is about to commit.

        Raises:
            StatusError: As `get`; INVALID_ARGUMENT for writes in a read-only transaction, which
            stays
                open.
        """
        transaction = self.get(transaction_id, now)
        if writes and transaction.read_only:
            raise StatusError(
                StatusCode.INVALID_ARGUMENT,
                "Cannot modify entities in a read-only transaction.",
            )
        return transaction

    def record_read(self, transaction: Transaction, paths: Iterable[ResourcePath]) -> None:
        """Lock the documents that a transaction read, found or missing."""
        if not transaction.read_only:
            transaction.paths.update(paths)

    def record_query(self, transaction: Transaction, collection_id: str | None) -> None:
        """Lock what a transaction listed or queried: every collection with an id, or all (None)."""
        if transaction.read_only:
            return
        if collection_id is None:
            transaction.all_locked = True
        else:
            transaction.collection_ids.add(collection_id)

    def blockers(
        self, paths_to_write: Iterable[ResourcePath], own: bytes | None, now: Timestamp
    ) -> frozenset[bytes]:
        """Return the ids of the open transactions that a write has to wait for.

        Args:
            own: The transaction that writes, if one does: it never waits for itself.
        """
        self.expire(now)
        others = [
            transaction
            for transaction in self._open.values()
            if not transaction.read_only and transaction.id != own
        ]
        if not others:
            return frozenset()
        paths = tuple(paths_to_write)
        return frozenset(other.id for other in others if any(map(other.locks, paths)))

    def lock_timeout(self, own: bytes | None) -> StatusError:
        """Return the error of a write that waited too long. The transaction that writes ends."""
        if own is not None:
            self.finish(own)
        return StatusError(StatusCode.ABORTED, "Transaction lock timeout.")

    def commit_failed(self, transaction_id: bytes, error: StatusError) -> None:
        """End a transaction whose commit failed; after INVALID_ARGUMENT it stays open."""
        if error.code is not StatusCode.INVALID_ARGUMENT:
            self.finish(transaction_id)

    def finish(self, transaction_id: bytes) -> None:
        """End a transaction and let go of its locks. An ended one stays ended."""
        if self._open.pop(transaction_id, None) is not None:
            for observer in tuple(self._observers):
                observer(transaction_id)

    def rollback(self, transaction_id: bytes, now: Timestamp) -> None:
        """End a transaction, or do nothing if it has ended already.

        Raises:
            StatusError: INVALID_ARGUMENT if the id was never issued.
        """
        self._check_issued(transaction_id)
        self.finish(transaction_id)
        self.expire(now)

    def expire(self, now: Timestamp) -> frozenset[bytes]:
        """End the transactions that were idle or open for too long; return their ids."""
        if not self._open:
            return frozenset()
        expired = frozenset(
            transaction.id for transaction in self._open.values() if transaction.has_expired(now)
        )
        for transaction_id in expired:
            self.finish(transaction_id)
        return expired

    def finish_all(self) -> None:
        """End all transactions, as when the database is reset."""
        for transaction_id in tuple(self._open):
            self.finish(transaction_id)

    @property
    def open_count(self) -> int:
        """How many transactions are open; those whose time is up count until someone looks."""
        return len(self._open)

    def subscribe(self, observer: Callable[[bytes], None]) -> Callable[[], None]:
        """Have an observer told the id of each transaction that ends; return what ends that."""
        self._observers.append(observer)

        def unsubscribe() -> None:
            if observer in self._observers:
                self._observers.remove(observer)

        return unsubscribe

    def _check_issued(self, transaction_id: bytes) -> None:
        if len(transaction_id) != _ID.size or transaction_id[0] != _ID_MARK:
            raise StatusError(StatusCode.INVALID_ARGUMENT, "Invalid transaction.")
        _, number = _ID.unpack(transaction_id)
        if not 1 <= number <= self._last_number:
            raise StatusError(StatusCode.INVALID_ARGUMENT, "Transaction is invalid or expired.")
