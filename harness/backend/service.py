"""One database as its clients meet it: each operation, judged by the rules and then run on the
store.

Synchronous and without I/O: the time comes in with the call. Where an operation would have to wait
for a lock, it raises `LockWait` before it has done anything, and the server calls it again when a
transaction has ended.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from harness.backend.auth import Caller
from harness.backend.coverage import ProjectCoverage
from harness.backend.metering import (
    AskedQuery,
    KeptRecords,
    RequestLog,
    RequestRecord,
    query_collection,
    query_shape,
)
from harness.backend.query_uses import QueryUses
from harness.backend.requests import (
    AggregationReply,
    BatchWrite,
    BatchWriteReply,
    Commit,
    Consistency,
    DocumentsReply,
    ExplainMetrics,
    GetDocuments,
    ListCollectionIds,
    ListCollectionIdsReply,
    ListDocuments,
    ListDocumentsReply,
    PartitionQuery,
    QueryReply,
    RunAggregation,
    RunQuery,
    TransactionOptions,
)
from harness.errors import StatusCode, StatusError
from harness.firestore import limits
from harness.firestore.cost import Cost, ScanCounts
from harness.firestore.documents import (
    CommitResult,
    DocumentChange,
    DocumentSnapshot,
    Write,
    WriteKind,
    WriteResult,
)
from harness.firestore.engine import QueryEngine
from harness.firestore.index_definitions import IndexDefinitions
from harness.firestore.index_limits import check_index_entries
from harness.firestore.listing import parse_order_by
from harness.firestore.masks import project_fields
from harness.firestore.missing_index import MissingIndex
from harness.firestore.partition import PartitionPage
from harness.firestore.paths import DatabaseName, FieldPath, ResourcePath
from harness.firestore.planner import QueryPlan
from harness.firestore.profile import PRODUCTION, Profile
from harness.firestore.query import Aggregation, StructuredQuery
from harness.firestore.query_checks import validate_query
from harness.firestore.store import Database, PreparedCommit
from harness.firestore.time_to_live import expired_documents
from harness.firestore.transactions import Transaction, TransactionManager
from harness.firestore.values import Timestamp

if TYPE_CHECKING:
    from harness.backend.authorisation import Judge
    from harness.backend.monitor import EvaluationMonitor
    from harness.backend.recording import Recording
    from harness.rules.ruleset import CompiledRuleset

SAME_DOCUMENT = "the same document cannot be written more than once in a single request"
METADATA_NEEDS_ADMIN = "Metadata operations require admin authentication."
NO_TTL_POLICY = (
    'no field has a TTL policy: set "ttl": true for one under fieldOverrides in '
    "firestore.indexes.json"
)
BATCH_NEEDS_ADMIN = "Batch writes require admin authentication."


class LockWait(Exception):
    """The operation has to wait for other transactions; nothing has been done yet.

    Whoever calls it again does so with the same `record`, and in the end has
    `TransactionManager.leave(record)` take it out of the line.
    """


@dataclass(frozen=True, slots=True)
class Expired:
    """What became of the documents that had expired."""

    deleted: tuple[ResourcePath, ...]
    locked: tuple[ResourcePath, ...]


@dataclass(slots=True)
class Project:
    """What the databases of one project share. `recording` None: its requests are not kept;
    `monitor` None: nobody is told of decisions.
    """

    name: str
    definitions: IndexDefinitions
    ruleset: CompiledRuleset | None = None
    rules_version: int = 0
    recording: Recording | None = None
    coverage: ProjectCoverage = field(default_factory=ProjectCoverage)
    monitor: EvaluationMonitor | None = None


class DatabaseService:
    """The operations of one database.

    Args:
        serial: Tells it from another of its name that was forgotten.
        kept_records: What the logs of all databases keep.

    Attributes:
        users: Streams and waiting requests that hold it.
        last_used: When it was asked last, in seconds of the caller's clock.
    """

    def __init__(
        self,
        name: DatabaseName,
        project: Project,
        enforce_indexes: bool,
        profile: Profile = PRODUCTION,
        *,
        serial: int = 0,
        kept_records: KeptRecords | None = None,
    ) -> None:
        self.name = name
        self.project = project
        self.profile = profile
        self.serial = serial
        self.users = 0
        self.last_used = 0.0
        self.store = Database(name)
        self.engine = QueryEngine(self.store, project.definitions, enforce_indexes, profile)
        self.transactions = TransactionManager(self.store)
        self.queries = QueryUses()
        self.log = RequestLog(self.queries.add, kept=kept_records)
        self.snapshots: dict[str, Mapping[ResourcePath, DocumentSnapshot]] = {}

    @property
    def is_unused(self) -> bool:
        """Whether it holds nothing that a client could miss, but past versions."""
        return not (
            self.users
            or self.store.document_count
            or self.snapshots
            or self.transactions.open_count
            or self.project.recording is not None
        )

    def close(self) -> None:
        """Let go of what is counted elsewhere."""
        self.log.close()
        self.engine.close()

    # --- reads ------------------------------------------------------------------------------------

    def get_documents(
        self,
        request: GetDocuments,
        caller: Caller,
        now: Timestamp,
        record: RequestRecord,
        *,
        give_up: bool = True,
    ) -> DocumentsReply:
        """Read documents by name, each distinct name once.

        Args:
            give_up: Read at once, also in a transaction that should let others write first.
        Raises:
            LockWait: It is such a transaction.
            StatusError: The request is refused.
        """
        paths = tuple(dict.fromkeys(request.paths))
        record.paths = paths
        began, transaction, at = self._begin_read(request.consistency, now, record, give_up, paths)
        judge = self._judge(caller, now, record, several=len(paths) > 1)
        found = [(path, self.store.get(path, at)) for path in paths]
        if judge is not None:
            judge.decide_reads(found)
        documents = [(path, masked(snapshot, request.mask)) for path, snapshot in found]
        if transaction is not None:
            self.transactions.record_read(transaction, paths)
        record.tally.reads += len(paths)
        record.tally.documents_returned += sum(snapshot is not None for _, snapshot in documents)
        return DocumentsReply(tuple(documents), at or self.store.strong_read_time(now), began)

    def list_documents(
        self,
        request: ListDocuments,
        caller: Caller,
        now: Timestamp,
        record: RequestRecord,
        *,
        give_up: bool = True,
    ) -> ListDocumentsReply:
        """Read one page of a collection, or of all collections below a document.

        `give_up` and what is raised are those of `get_documents`.
        """
        page_size = request.page_size
        if self.profile.bounds_pages:
            # A size below 0 is none: firebase-admin 8 asks for 2^32 - 1 in 32 bits.
            asked = page_size if page_size > 0 else limits.DEFAULT_PAGE_SIZE
            page_size = min(asked, limits.MAX_PAGE_SIZE)
        if page_size < 0:
            raise _invalid("Page size must be nonnegative.")
        if request.show_missing and request.collection_id is not None and not caller.is_admin:
            raise StatusError(StatusCode.PERMISSION_DENIED, METADATA_NEEDS_ADMIN)
        query = StructuredQuery(
            request.parent, request.collection_id, order_by=parse_order_by(request.order_by)
        )
        record.place = query_collection(query)
        _, transaction, at = self._begin_read(
            request.consistency, now, record, give_up, query=query
        )
        judge = self._judge(caller, now, record)
        if judge is not None:
            judge.decide_list(query)
        if request.order_by:
            record.asked = AskedQuery(query)
        try:
            page = self.engine.list_documents(
                request.parent,
                request.collection_id,
                page_size=page_size,
                page_token=request.page_token,
                order_by=request.order_by,
                show_missing=request.show_missing,
                at=at,
            )
        except StatusError as error:
            self.note_missing_index(error, record, query)
            raise
        if request.order_by:
            self.note_plan(record, query, len(page.documents))
        if transaction is not None:
            # Which documents are missing depends on what lies below them, wherever that is.
            whole = StructuredQuery(request.parent, request.collection_id)
            self.transactions.record_query(transaction, None if request.show_missing else whole)
        record.tally.add_cost(page.cost)
        record.tally.documents_returned += len(page.documents)
        documents = tuple(
            (path, masked(page.documents.get(path), request.mask)) for path in page.paths
        )
        return ListDocumentsReply(documents, page.next_page_token)

    def partition_query(
        self, request: PartitionQuery, caller: Caller, now: Timestamp, record: RequestRecord
    ) -> PartitionPage:
        """Find cursors that split a collection group; rules judge it as the query it splits."""
        record.place = query_collection(request.query)
        if not self.profile.partitions:
            raise StatusError(
                StatusCode.UNIMPLEMENTED,
                "Method google.firestore.v1.Firestore/PartitionQuery is unimplemented",
            )
        at = self._check_read_time(request.read_time, now)
        judge = self._judge(caller, now, record)
        if judge is not None:
            judge.decide_list(request.query)
        page = self.engine.partition(
            request.query,
            request.partition_count,
            page_size=request.page_size,
            page_token=request.page_token,
            at=at,
        )
        record.tally.add_cost(page.cost)
        return page

    def list_collection_ids(
        self, request: ListCollectionIds, caller: Caller, now: Timestamp, record: RequestRecord
    ) -> ListCollectionIdsReply:
        """Read the ids of the collections directly below a document or the root."""
        record.paths = (request.parent,) if request.parent else ()
        if not caller.is_admin:
            raise StatusError(StatusCode.PERMISSION_DENIED, METADATA_NEEDS_ADMIN)
        if request.page_size < 0:
            raise _invalid("Page size must be nonnegative.")
        at = self._check_read_time(request.read_time, now)
        ids = self.store.collection_ids(request.parent, at)
        if request.page_token:
            after = request.page_token.encode()
            ids = [name for name in ids if name.encode() > after]
        token = ""
        if request.page_size and len(ids) > request.page_size:
            ids = ids[: request.page_size]
            token = ids[-1]
        record.tally.reads += 1
        return ListCollectionIdsReply(tuple(ids), token)

    def run_query(
        self,
        request: RunQuery,
        caller: Caller,
        now: Timestamp,
        record: RequestRecord,
        *,
        give_up: bool = True,
    ) -> QueryReply:
        """Run a query: first valid, then allowed, then served by an index.

        `give_up` and what is raised are those of `get_documents`.
        """
        query = request.query
        record.place, record.query = query_collection(query), query_shape(query)
        record.limit = query.limit
        validate_query(query, self.profile)
        began, transaction, at = self._begin_read(
            request.consistency, now, record, give_up, query=query
        )
        judge = self._judge(caller, now, record)
        if judge is not None:
            judge.decide_list(query)
        wants_explain = request.explain if self.profile.explains else None
        record.asked = AskedQuery(query)
        if wants_explain is False:
            summary = self._explained(record, query)
            read_time = at or self.store.strong_read_time(now)
            return QueryReply((), 0, read_time, began, ExplainMetrics(summary))
        try:
            result = self.engine.run_query(query, at)
        except StatusError as error:
            self.note_missing_index(error, record, query)
            raise
        if transaction is not None:
            self.transactions.record_query(transaction, query)
        self._meter_query(record, result.plan, result.counts, result.cost)
        record.tally.documents_returned += len(result.documents)
        record.tally.documents_skipped += result.skipped
        explain = _explain(result.explain()) if wants_explain else None
        read_time = at or self.store.strong_read_time(now)
        return QueryReply(result.documents, result.skipped, read_time, began, explain)

    def run_aggregation(
        self,
        request: RunAggregation,
        caller: Caller,
        now: Timestamp,
        record: RequestRecord,
        *,
        give_up: bool = True,
    ) -> AggregationReply:
        """Aggregate over a query's results; the rules judge it as the query itself.

        `give_up` and what is raised are those of `get_documents`.
        """
        query = request.query
        record.place = query_collection(query)
        record.query = query_shape(query, request.aggregations)
        validate_query(query, self.profile)
        began, transaction, at = self._begin_read(
            request.consistency, now, record, give_up, query=query
        )
        judge = self._judge(caller, now, record)
        if judge is not None:
            judge.decide_list(query)
        wants_explain = request.explain if self.profile.explains else None
        record.asked = AskedQuery(query, request.aggregations)
        if wants_explain is False:
            summary = self._explained(record, query, request.aggregations)
            read_time = at or self.store.strong_read_time(now)
            return AggregationReply(None, read_time, began, ExplainMetrics(summary))
        try:
            result = self.engine.run_aggregation(query, request.aggregations, at)
        except StatusError as error:
            self.note_missing_index(error, record, query, request.aggregations)
            raise
        if transaction is not None:
            self.transactions.record_query(transaction, query)
        self._meter_query(record, result.plan, result.counts, result.cost)
        explain = _explain(result.explain()) if wants_explain else None
        read_time = at or self.store.strong_read_time(now)
        return AggregationReply(result.values, read_time, began, explain)

    # --- writes -----------------------------------------------------------------------------------

    def commit(
        self,
        request: Commit,
        caller: Caller,
        now: Timestamp,
        record: RequestRecord,
        *,
        give_up: bool = False,
    ) -> CommitResult:
        """Write atomically; ends the transaction, unless the request is one that could never
        succeed.

        Args:
            give_up: Fail with ABORTED instead of waiting for a lock.
        Raises:
            LockWait: Other transactions hold locks on what is to be written.
            StatusError: The request is refused; nothing has been written.
        """
        record.paths = tuple([write.path for write in request.writes])
        transaction = None
        if request.transaction:
            record.in_transaction = True
            transaction = self.transactions.get_for_commit(
                request.transaction, now, writes=bool(request.writes)
            )
            record.attempt = transaction.attempt
        prepared = self._prepare(request.writes, now)
        try:
            if self.transactions.are_open(now):
                own = request.transaction or None
                self._wait_for_locks(prepared.changes, own, now, record, give_up)
            if transaction is not None and request.writes:
                self.transactions.check_unchanged(transaction)
            # Rules compare server timestamps with request.time: they must be the same moment.
            judge = self._judge(caller, prepared.request_time, record, prepared)
            if judge is not None:
                judge.decide_writes(prepared)
            result = self.store.commit(prepared)
        except StatusError as error:
            if transaction is not None:
                self.transactions.commit_failed(transaction.id, error)
            raise
        if transaction is not None:
            self.transactions.finish(transaction.id)
        self._meter_writes(record, request.writes, result)
        return result

    def batch_write(
        self,
        request: BatchWrite,
        caller: Caller,
        now: Timestamp,
        record: RequestRecord,
        *,
        give_up: bool = False,
    ) -> BatchWriteReply:
        """Write one by one; each write succeeds or fails alone."""
        record.paths = paths = tuple([write.path for write in request.writes])
        if len(set(paths)) != len(paths):
            raise _invalid(SAME_DOCUMENT)
        if not caller.is_admin:
            raise StatusError(StatusCode.PERMISSION_DENIED, BATCH_NEEDS_ADMIN)
        if not give_up:
            self._wait_for_locks(self._changes_of_batch(request, now), None, now, record, False)
        outcomes: list[WriteResult | StatusError] = []
        for write in request.writes:
            try:
                prepared = self._prepare([write], now)
                self._wait_for_locks(prepared.changes, None, now, record, give_up=True)
                result = self.store.commit(prepared)
            except StatusError as error:
                outcomes.append(error)
            else:
                outcomes.append(result.write_results[0])
                self._meter_writes(record, [write], result)
        return BatchWriteReply(tuple(outcomes))

    def expire_documents(self, now: Timestamp, record: RequestRecord) -> Expired:
        """Delete the documents that have expired by a TTL policy, each in a commit of its own.

        One that an open transaction has locked is left: production comes back for it too.

        Raises:
            StatusError: FAILED_PRECONDITION: no field has a TTL policy.
        """
        definitions = self.engine.definitions
        if not definitions.expiry_fields:
            raise StatusError(StatusCode.FAILED_PRECONDITION, NO_TTL_POLICY)
        deleted, locked = [], []
        changes: list[DocumentChange] = []
        for path in list(expired_documents(self.store, definitions, now)):
            prepared = self.store.prepare([Write(WriteKind.DELETE, path)], now)
            if self.transactions.blockers(record, prepared.changes, None, now):
                locked.append(path)
                continue
            changes += self.store.commit(prepared).changes
            deleted.append(path)
        record.paths = tuple(deleted)
        record.changes = changes
        record.tally.ttl_deletes += len(deleted)
        return Expired(tuple(deleted), tuple(locked))

    def _prepare(self, writes: Sequence[Write], now: Timestamp) -> PreparedCommit:
        prepared = self.store.prepare(writes, now)
        if self.profile.limits_index_entries:
            definitions = self.project.definitions
            for step in prepared.steps:
                after = step.after
                if after is not None and after is not step.before:
                    check_index_entries(after.path, after.fields, definitions, step.size_bytes)
        return prepared

    def _changes_of_batch(self, request: BatchWrite, now: Timestamp) -> tuple[DocumentChange, ...]:
        """Return what the writes of a batch would change that can be done at all."""
        changes: list[DocumentChange] = []
        for write in request.writes:
            with suppress(StatusError):
                changes += self.store.prepare([write], now).changes
        return tuple(changes)

    def read_back(
        self, path: ResourcePath, mask: tuple[FieldPath, ...] | None
    ) -> DocumentSnapshot | None:
        """Return a document as a write has just left it, for the write's own answer: not judged,
        not billed.
        """
        return masked(self.store.get(path), mask)

    # --- transactions -----------------------------------------------------------------------------

    def begin_transaction(self, options: TransactionOptions, now: Timestamp) -> bytes:
        """Open a transaction and return its id."""
        return self.transactions.begin(
            options.read_only, options.read_time, options.retry, now, options.concurrency
        )

    def rollback(self, transaction: bytes, now: Timestamp) -> None:
        """End a transaction without writing; one that has ended already is left alone."""
        self.transactions.rollback(transaction, now)

    # --- the parts --------------------------------------------------------------------------------

    def authorise_target(
        self,
        query: StructuredQuery | Sequence[ResourcePath],
        caller: Caller,
        now: Timestamp,
        record: RequestRecord,
    ) -> frozenset[ResourcePath]:
        """Let the rules judge what a listener asks for; return the documents that they looked up.

        Raises:
            StatusError: PERMISSION_DENIED.
        """
        several = not isinstance(query, StructuredQuery) and len(query) > 1
        judge = self._judge(caller, now, record, several=several)
        if judge is None:
            return frozenset()
        if isinstance(query, StructuredQuery):
            judge.decide_list(query)
        else:
            judge.decide_reads((path, self.store.get(path)) for path in query)
        return judge.looked_up

    def _begin_read(
        self,
        consistency: Consistency,
        now: Timestamp,
        record: RequestRecord,
        give_up: bool,
        paths: Sequence[ResourcePath] = (),
        query: StructuredQuery | None = None,
    ) -> tuple[bytes | None, Transaction | None, Timestamp | None]:
        """Return the id of a transaction that was begun, the transaction that is to keep what has
        been read, and the time to read at.
        """
        began = None
        if consistency.begin is not None:
            began = self.begin_transaction(consistency.begin, now)
        elif consistency.transaction is None:
            return None, None, self._check_read_time(consistency.read_time, now)
        transaction = self.transactions.get_for_read(began or consistency.transaction or b"", now)
        if not give_up and self.transactions.has_writers_ahead(transaction, paths, query):
            if began is not None:  # begun anew when it is tried again
                self.transactions.withdraw(began)
            else:
                self.transactions.wait_to_read(record, transaction)
            raise LockWait
        record.in_transaction = True
        record.attempt = transaction.attempt
        return began, transaction, transaction.read_time

    def _check_read_time(self, read_time: Timestamp | None, now: Timestamp) -> Timestamp | None:
        if read_time is not None:
            self.store.check_read_time(read_time, now)
        return read_time

    def _wait_for_locks(
        self,
        changes: Sequence[DocumentChange],
        own: bytes | None,
        now: Timestamp,
        record: RequestRecord,
        give_up: bool,
    ) -> None:
        if not self.transactions.blockers(record, changes, own, now):
            return
        if give_up:
            raise self.transactions.lock_timeout(own)
        self.transactions.wait_to_write(record, changes, own)
        raise LockWait

    def _judge(
        self,
        caller: Caller,
        time: Timestamp,
        record: RequestRecord,
        prepared: PreparedCommit | None = None,
        *,
        several: bool = False,
    ) -> Judge | None:
        """Return who decides for this request; None when there is nothing to decide."""
        ruleset = self.project.ruleset
        if caller.is_admin or ruleset is None:
            return None
        from harness.backend.authorisation import Judge  # without rules, nothing of them is loaded

        several = several or (prepared is not None and len(prepared.steps) > 1)
        return Judge(
            ruleset,
            self.store,
            prepared,
            caller,
            time,
            record,
            several=several,
            coverage=self.project.coverage.of(ruleset),
            recording=self.project.recording,
            monitor=self.project.monitor,
        )

    def _explained(
        self,
        record: RequestRecord,
        query: StructuredQuery,
        aggregations: Sequence[Aggregation] = (),
    ) -> Mapping[str, Any]:
        """Return the plan summary, for the price of one read."""
        try:
            summary = self.engine.explain(query, aggregations)
        except StatusError as error:
            self.note_missing_index(error, record, query, aggregations)
            raise
        record.tally.reads += 1
        return summary

    def note_missing_index(
        self,
        error: StatusError,
        record: RequestRecord,
        query: StructuredQuery,
        aggregations: Sequence[Aggregation] = (),
    ) -> None:
        """Put on record which index a refused query lacks, as an entry of
        firestore.indexes.json.
        """
        if error.code is not StatusCode.FAILED_PRECONDITION:
            return
        plan = self.engine.plan(query, aggregations)
        if isinstance(plan, MissingIndex):
            record.missing_index = dict(plan.suggestion)

    def note_plan(self, record: RequestRecord, query: StructuredQuery, matched: int) -> None:
        """Put on record which indexes serve a query that has just run."""
        plan = self.engine.plan(query)
        if not isinstance(plan, MissingIndex):
            self._note_plan(record, plan, matched)

    @staticmethod
    def _meter_writes(record: RequestRecord, writes: Sequence[Write], result: CommitResult) -> None:
        tally, changes = record.tally, result.changes
        updated: set[ResourcePath] = set()
        for write in writes:
            if write.kind is WriteKind.UPDATE:
                tally.writes += 1
                updated.add(write.path)
            elif write.kind is WriteKind.DELETE:
                tally.deletes += 1
        record.changes = (*record.changes, *changes) if record.changes else changes
        # A document that is written twice in one commit has changed once.
        changed = len([change for change in changes if change.after is not None])
        tally.writes_without_change += max(0, len(updated) - changed)

    @classmethod
    def _meter_query(
        cls, record: RequestRecord, plan: QueryPlan, counts: ScanCounts, cost: Cost
    ) -> None:
        record.tally.add_cost(cost)
        cls._note_plan(record, plan, counts.documents)

    @staticmethod
    def _note_plan(record: RequestRecord, plan: QueryPlan, matched: int) -> None:
        record.plan = plan.indexes_used
        aggregations = record.asked.aggregations if record.asked is not None else ()
        record.asked = AskedQuery(plan.query, aggregations, plan, matched)


def masked(
    snapshot: DocumentSnapshot | None, mask: tuple[FieldPath, ...] | None
) -> DocumentSnapshot | None:
    """Return a document with only the fields of a mask; None keeps all."""
    if snapshot is None or mask is None:
        return snapshot
    return replace(snapshot, fields=project_fields(snapshot.fields, mask))


def _explain(metrics: Mapping[str, Any]) -> ExplainMetrics:
    return ExplainMetrics(metrics["plan_summary"], metrics["execution_stats"])


def _invalid(message: str) -> StatusError:
    return StatusError(StatusCode.INVALID_ARGUMENT, message)
