"""What each request did and what it costs: one record a request, a bounded log of them, totals by
caller.

Counts are billed operations, not money. How a query is priced is decided in `firestore/cost.py`;
this module adds up.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from harness.backend.auth import Caller
from harness.errors import StatusCode
from harness.firestore.cost import Cost
from harness.firestore.documents import DocumentChange
from harness.firestore.index_definitions import IndexDefinition, IndexDefinitions
from harness.firestore.index_entries import stored_bytes, written_entries
from harness.firestore.paths import ResourcePath
from harness.firestore.planner import QueryPlan
from harness.firestore.query import (
    Aggregation,
    CompositeFilter,
    Direction,
    FieldFilter,
    Filter,
    Operator,
    StructuredQuery,
)

LOG_SIZE = 10_000
"""Requests kept for each database."""

MAX_CHANGES_KEPT = 20_000
"""Documents, before and after their change, that the log of one database keeps alive. Older records
no longer say by how much storage grew."""

MAX_RECORDS_KEPT = 1_000_000
"""Requests kept for all databases together, beside the last `FEW_RECORDS` of each."""

FEW_RECORDS = 100

MAX_CALLERS = 10_000
"""Callers of one database whose costs are told apart; those of more are added up."""

_OTHERS = ("others", None)

_AUTOMATIC = IndexDefinitions()

MAX_DOCUMENTS_SHOWN = 500
"""Of one request: a batch that names more is shown in part."""


@dataclass(slots=True)
class Tally:
    """Billed operations and what explains them.

    Attributes:
        rules_reads: Not among the `reads`.
        ttl_deletes: Documents that had expired; not among the `deletes`, and never free.
        documents_skipped: Of the reads, those that an offset passed over.
        writes_without_change: Of the writes, those that left the document as it was.
        egress_bytes: Serialized answers; none for a request that was refused.
    """

    reads: int = 0
    writes: int = 0
    deletes: int = 0
    rules_reads: int = 0
    index_entries_scanned: int = 0
    index_entries_billed: int = 0
    minimum_charges: int = 0
    documents_returned: int = 0
    documents_skipped: int = 0
    writes_without_change: int = 0
    egress_bytes: int = 0
    ttl_deletes: int = 0

    def add_cost(self, cost: Cost) -> None:
        """Add what an operation costs."""
        self.reads += cost.reads
        self.writes += cost.writes
        self.deletes += cost.deletes
        self.rules_reads += cost.rules_reads
        self.index_entries_scanned += cost.index_entries_scanned
        self.index_entries_billed += cost.index_entries_billed
        self.minimum_charges += cost.minimum_charges

    def add(self, other: Tally) -> None:
        """Add another tally to this one."""
        self.reads += other.reads
        self.writes += other.writes
        self.deletes += other.deletes
        self.rules_reads += other.rules_reads
        self.index_entries_scanned += other.index_entries_scanned
        self.index_entries_billed += other.index_entries_billed
        self.minimum_charges += other.minimum_charges
        self.documents_returned += other.documents_returned
        self.documents_skipped += other.documents_skipped
        self.writes_without_change += other.writes_without_change
        self.egress_bytes += other.egress_bytes
        self.ttl_deletes += other.ttl_deletes

    def to_json(self) -> dict[str, int]:
        """Return the counts by their names in camel case."""
        return {
            "reads": self.reads,
            "writes": self.writes,
            "deletes": self.deletes,
            "ttlDeletes": self.ttl_deletes,
            "rulesReads": self.rules_reads,
            "totalReads": self.reads + self.rules_reads,
            "indexEntriesScanned": self.index_entries_scanned,
            "indexEntriesBilled": self.index_entries_billed,
            "minimumCharges": self.minimum_charges,
            "documentsReturned": self.documents_returned,
            "documentsSkipped": self.documents_skipped,
            "writesWithoutChange": self.writes_without_change,
            "egressBytes": self.egress_bytes,
        }


@dataclass(frozen=True, slots=True)
class AskedQuery:
    """The query of a request, while its record is not closed.

    Args:
        plan: What served it; None where it was not run.
        matched: Documents that were found, those that an offset passed over included.
    """

    query: StructuredQuery
    aggregations: Sequence[Aggregation] = ()
    plan: QueryPlan | None = None
    matched: int = 0


@dataclass(slots=True)
class RuleVerdict:
    """One rules decision that a request needed.

    Args:
        allowed_by: The line of the `allow` that granted; None for a denial.
        reasons: For a denial, line, column and text of each statement that was tried.
    """

    method: str
    path: str
    allowed: bool
    allowed_by: int | None = None
    reasons: tuple[tuple[int, int, str], ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the decision as the admin route prints it."""
        verdict: dict[str, Any] = {
            "method": self.method,
            "path": self.path,
            "allowed": self.allowed,
        }
        if self.allowed_by is not None:
            verdict["allowedByLine"] = self.allowed_by
        if not self.allowed:
            verdict["reasons"] = [
                {"line": line, "column": column, "text": text}
                for line, column, text in self.reasons
            ]
        return verdict


@dataclass(slots=True)
class RequestRecord:
    """One request: filled in while it runs, then kept.

    Args:
        rpc: The method's name on the wire, such as `RunQuery`.
        caller: Who asked.
        started: When it was received, in microseconds since the epoch.
        place: Where its query looks, ids replaced: `users/*/tasks`; empty for what names documents.
        paths: The documents that it names one by one.
        changes: What its writes have changed.
        query: The shape of a query, operands replaced by `?`.
        limit: Of a query, if it has one.
        plan: The indexes it used.
        attempt: Which attempt of a transaction, from 1; 0 outside of one.
        target: The listener's target id; None for all else.
        chain: The functions that led to it, the one that asks last; empty for clients.
        fault: What an injected fault has made of it; None: none has.
        asked: Its query, until the log has the record.
        totals: Where the log has added it; answers leave after that.
    """

    rpc: str
    caller: Caller
    started: int
    sequence: int = 0
    place: str = ""
    paths: Sequence[ResourcePath] = ()
    changes: Sequence[DocumentChange] = ()
    query: str | None = None
    limit: int | None = None
    plan: tuple[IndexDefinition, ...] = ()
    missing_index: dict[str, Any] | None = None
    verdicts: Sequence[RuleVerdict] = ()
    tally: Tally = field(default_factory=Tally)
    in_transaction: bool = False
    attempt: int = 0
    target: int | None = None
    code: StatusCode = StatusCode.OK
    message: str = ""
    chain: tuple[str, ...] = ()
    fault: str | None = None
    asked: AskedQuery | None = None
    latency_ms: float = 0.0
    totals: Tally | None = None

    def sent(self, size_bytes: int) -> None:
        """Note that so many bytes of the answer have left."""
        self.tally.egress_bytes += size_bytes
        if self.totals is not None:
            self.totals.egress_bytes += size_bytes

    @property
    def collection(self) -> str:
        """What it touched, ids replaced: `users/*/tasks`. Several are joined by a comma."""
        return self.place or ", ".join(dict.fromkeys(map(collection_pattern, self.paths)))

    def stored_bytes(self, definitions: IndexDefinitions) -> int:
        """Return by how much storage grew, index entries included; less than 0 if it shrank."""
        return sum(
            (stored_bytes(change.path, change.after.fields, definitions) if change.after else 0)
            - (stored_bytes(change.path, change.before.fields, definitions) if change.before else 0)
            for change in self.changes
        )

    def written_entries(self, definitions: IndexDefinitions) -> tuple[int, int]:
        """Return how many index entries its writes wrote, and their bytes."""
        written = [
            written_entries(
                change.path,
                change.before.fields if change.before else None,
                change.after.fields if change.after else None,
                definitions,
            )
            for change in self.changes
        ]
        return sum(count for count, _ in written), sum(size for _, size in written)

    def to_json(self, definitions: IndexDefinitions = _AUTOMATIC) -> dict[str, Any]:
        """Return the record as the admin route prints it; what does not apply is left out.

        Args:
            definitions: The indexes that what was written has entries in.
        """
        record: dict[str, Any] = {
            "sequence": self.sequence,
            "rpc": self.rpc,
            "caller": self.caller.name,
            "collection": self.collection,
            "startedMicros": self.started,
            "latencyMs": round(self.latency_ms, 3),
            "status": self.code.name,
            "billed": self.tally.to_json(),
        }
        if self.caller.label is not None:
            record["label"] = self.caller.label
        if self.caller.function is not None:
            record["function"] = self.caller.function
        if len(self.chain) > 1:
            record["chain"] = list(self.chain)
        if self.caller.source is not None:
            record["source"] = self.caller.source
        if self.message:
            record["message"] = self.message
        if self.paths:
            record["documents"] = list(self.paths[:MAX_DOCUMENTS_SHOWN])
        if self.changes:
            record["storedBytes"] = self.stored_bytes(definitions)
            entries, size_bytes = self.written_entries(definitions)
            record["indexEntriesWritten"] = entries
            record["indexBytesWritten"] = size_bytes
        if self.query is not None:
            record["query"] = self.query
            record["plan"] = [index.properties for index in self.plan]
        if self.limit is not None:
            record["limit"] = self.limit
        if self.missing_index is not None:
            record["missingIndex"] = self.missing_index
        if self.verdicts:
            record["rules"] = [verdict.to_json() for verdict in self.verdicts]
        if self.in_transaction:
            record["inTransaction"] = True
            record["attempt"] = self.attempt
        if self.target is not None:
            record["target"] = self.target
        if self.fault is not None:
            record["fault"] = self.fault
        return record


@dataclass(slots=True)
class KeptRecords:
    """How many requests the logs of all databases keep."""

    count: int = 0


@dataclass(slots=True)
class _Total:
    """All requests of one caller."""

    requests: int = 0
    tally: Tally = field(default_factory=Tally)


_Totals: TypeAlias = dict[tuple[str, str | None], _Total]
"""By the name and the label of the caller."""


class RequestLog:
    """The latest requests of one database, and totals of all of them.

    Args:
        count: Takes each record with its query, before the query is dropped.
        size: How many are kept.
        kept: What all logs keep together; the others' too.

    `listener` hears of each.
    """

    def __init__(
        self,
        count: Callable[[RequestRecord], None] | None = None,
        size: int = LOG_SIZE,
        kept: KeptRecords | None = None,
    ) -> None:
        self._count = count
        self._size = size
        self._kept = KeptRecords() if kept is None else kept
        self._records: deque[RequestRecord] = deque()
        self._with_changes: deque[RequestRecord] = deque()
        self._changes_kept = 0
        self._last = 0
        self._totals: _Totals = {}
        self._latest: tuple[Caller, _Total] | None = None
        self.listener: Callable[[RequestRecord], None] | None = None

    @property
    def last_sequence(self) -> int:
        """The number of the newest record; 0 before the first."""
        return self._last

    def append(self, record: RequestRecord) -> None:
        """Number a finished request and keep it."""
        self._last += 1
        record.sequence = self._last
        self._keep(record)
        if record.changes or record.asked is not None:
            if self._count is not None:
                self._count(record)
            record.asked = None
        if self.listener is not None:
            self.listener(record)
        if record.changes:
            self._keep_changes(record)
        latest = self._latest
        if latest is None or latest[0] is not record.caller:  # requests of one caller come in rows
            latest = self._latest = (record.caller, _total_of(self._totals, record.caller))
        total = latest[1]
        total.requests += 1
        total.tally.add(record.tally)
        record.totals = total.tally

    def _keep(self, record: RequestRecord) -> None:
        records, kept = self._records, self._kept
        records.append(record)
        kept.count += 1
        few = kept.count > MAX_RECORDS_KEPT and len(records) > FEW_RECORDS
        if few or len(records) > self._size:
            records.popleft()
            kept.count -= 1

    def close(self) -> None:
        """Let go of what is kept."""
        self._kept.count -= len(self._records)
        self._records.clear()

    def _keep_changes(self, record: RequestRecord) -> None:
        self._with_changes.append(record)
        self._changes_kept += len(record.changes)
        while self._changes_kept > MAX_CHANGES_KEPT and len(self._with_changes) > 1:
            oldest = self._with_changes.popleft()
            self._changes_kept -= len(oldest.changes)
            oldest.changes = ()

    def since(self, sequence: int) -> list[RequestRecord]:
        """Return what came after a sequence number, oldest first, as far as the log reaches."""
        fresh = min(self._last - sequence, len(self._records))
        if fresh <= 0:
            return []
        return [
            self._records[index] for index in range(len(self._records) - fresh, len(self._records))
        ]

    def reaches(self, sequence: int) -> bool:
        """Whether nothing that came after a sequence number has been dropped."""
        return self._last - sequence <= len(self._records)

    def cost_since(self, sequence: int) -> dict[str, Any]:
        """Return billed operations, in all and by caller, since a sequence number.

        `truncated` says that requests since then have left the log, so that their cost is missing
        here; from 0 on it never is.
        """
        if sequence <= 0:
            totals, truncated = self._totals, False
        else:
            totals, truncated = {}, not self.reaches(sequence)
            for record in self.since(sequence):
                total = _total_of(totals, record.caller)
                total.requests += 1
                total.tally.add(record.tally)
        everything = Tally()
        callers = []
        for (name, label), total in sorted(
            totals.items(), key=lambda item: (item[0][0], item[0][1] or "")
        ):
            everything.add(total.tally)
            entry: dict[str, Any] = {
                "caller": name,
                "requests": total.requests,
                "billed": total.tally.to_json(),
            }
            if label is not None:
                entry["label"] = label
            callers.append(entry)
        return {
            "lastSequence": self._last,
            "truncated": truncated,
            "billed": everything.to_json(),
            "callers": callers,
        }


def _total_of(totals: _Totals, caller: Caller) -> _Total:
    key: tuple[str, str | None] = (caller.name, caller.label)
    total = totals.get(key)
    if total is None and len(totals) >= MAX_CALLERS:
        key = _OTHERS
        total = totals.get(key)
    if total is None:
        total = totals[key] = _Total()
    return total


def collection_pattern(path: ResourcePath) -> str:
    """Return a path with its document ids replaced: `users/ana/tasks/1` is `users/*/tasks/*`."""
    segments = path.split("/")
    if len(segments) == 2:
        return f"{segments[0]}/*"
    segments[1::2] = ["*"] * len(segments[1::2])
    return "/".join(segments)


_OPERATORS = {
    Operator.LESS_THAN: "<",
    Operator.LESS_THAN_OR_EQUAL: "<=",
    Operator.GREATER_THAN: ">",
    Operator.GREATER_THAN_OR_EQUAL: ">=",
    Operator.EQUAL: "==",
    Operator.NOT_EQUAL: "!=",
    Operator.ARRAY_CONTAINS: "array-contains",
    Operator.IN: "in",
    Operator.ARRAY_CONTAINS_ANY: "array-contains-any",
    Operator.NOT_IN: "not-in",
    Operator.IS_NAN: "is NaN",
    Operator.IS_NULL: "is null",
    Operator.IS_NOT_NAN: "is not NaN",
    Operator.IS_NOT_NULL: "is not null",
}
_UNARY = frozenset({Operator.IS_NAN, Operator.IS_NULL, Operator.IS_NOT_NAN, Operator.IS_NOT_NULL})


def query_collection(query: StructuredQuery) -> str:
    """Return where a query looks, ids replaced; a collection group is `**/tasks`."""
    parent = collection_pattern(query.parent) if query.parent else ""
    parts = [
        *([parent] if parent else []),
        *(["**"] if query.all_descendants else []),
        query.collection_id if query.collection_id is not None else "*",
    ]
    return "/".join(parts)


def query_shape(query: StructuredQuery, aggregations: Iterable[Aggregation] = ()) -> str:
    """Return a query with its operands left out, so that calls from one place in an app read alike.

    Example: `orders where status == ? order by createdAt desc limit 20`.
    """
    words = [query_collection(query)]
    if query.where is not None:
        words += ["where", _filter_shape(query.where, nested=False)]
    if query.order_by:
        words += [
            "order by",
            ", ".join(
                f"{order.field} desc"
                if order.direction is Direction.DESCENDING
                else str(order.field)
                for order in query.order_by
            ),
        ]
    if query.start_at is not None:
        words.append("start " + ("at" if query.start_at.before else "after"))
    if query.end_at is not None:
        words.append("end " + ("before" if query.end_at.before else "at"))
    if query.offset:
        words.append(f"offset {query.offset}")
    if query.limit is not None:
        words.append(f"limit {query.limit}")
    if query.select is not None:
        words.append(f"select ({', '.join(map(str, query.select))})")
    if query.find_nearest is not None:
        words.append(f"nearest {query.find_nearest.field}")
    shape = " ".join(words)
    parts = [f"{item.kind.value}({item.field or ''})" for item in aggregations]
    return f"{', '.join(parts)} of {shape}" if parts else shape


def _filter_shape(part: Filter, *, nested: bool) -> str:
    if isinstance(part, FieldFilter):
        operator = _OPERATORS[part.operator]
        return (
            f"{part.field} {operator}" if part.operator in _UNARY else f"{part.field} {operator} ?"
        )
    assert isinstance(part, CompositeFilter)
    joined = f" {part.operator.value.lower()} ".join(
        _filter_shape(inner, nested=True) for inner in part.filters
    )
    return f"({joined})" if nested and len(part.filters) > 1 else joined
