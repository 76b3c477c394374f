"""One record for each operation of the database, and one for its reply. What they do is in
`service.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.errors import StatusError
from harness.firestore.documents import DocumentSnapshot, Write, WriteResult
from harness.firestore.paths import FieldPath, ResourcePath
from harness.firestore.query import Aggregation, StructuredQuery
from harness.firestore.transactions import Concurrency
from harness.firestore.values import Timestamp, Value


@dataclass(frozen=True, slots=True)
class TransactionOptions:
    """How a new transaction shall be. `retry` is the id of the attempt before."""

    read_only: bool = False
    read_time: Timestamp | None = None
    retry: bytes | None = None
    concurrency: Concurrency = Concurrency.PESSIMISTIC


@dataclass(frozen=True, slots=True)
class Consistency:
    """What a read sees: at most one of these; none means the latest state."""

    transaction: bytes | None = None
    begin: TransactionOptions | None = None
    read_time: Timestamp | None = None


LATEST = Consistency()


@dataclass(frozen=True, slots=True)
class GetDocuments:
    """Read documents by name. `mask` None returns all fields."""

    paths: tuple[ResourcePath, ...]
    mask: tuple[FieldPath, ...] | None = None
    consistency: Consistency = LATEST


@dataclass(frozen=True, slots=True)
class DocumentsReply:
    """What each distinct name holds, in the order asked; all of one moment."""

    documents: tuple[tuple[ResourcePath, DocumentSnapshot | None], ...]
    read_time: Timestamp
    transaction: bytes | None = None


@dataclass(frozen=True, slots=True)
class ListDocuments:
    """Read one page of a collection, or with `collection_id` None of all directly below the parent.

    `order_by` is text, as on the wire: `priority desc, __name__`.
    """

    parent: ResourcePath
    collection_id: str | None
    page_size: int = 0
    page_token: str = ""
    order_by: str = ""
    mask: tuple[FieldPath, ...] | None = None
    show_missing: bool = False
    consistency: Consistency = LATEST


@dataclass(frozen=True, slots=True)
class ListDocumentsReply:
    """One page; a snapshot of None is a document that is missing but has descendants."""

    documents: tuple[tuple[ResourcePath, DocumentSnapshot | None], ...]
    next_page_token: str


@dataclass(frozen=True, slots=True)
class PartitionQuery:
    """Find cursors that split a collection group query into at most so many more parts."""

    query: StructuredQuery
    partition_count: int
    page_size: int = 0
    page_token: str = ""
    read_time: Timestamp | None = None


@dataclass(frozen=True, slots=True)
class ListCollectionIds:
    """Read the ids of the collections below a document or the root."""

    parent: ResourcePath
    page_size: int = 0
    page_token: str = ""
    read_time: Timestamp | None = None


@dataclass(frozen=True, slots=True)
class ListCollectionIdsReply:
    """One page of collection ids, sorted by their UTF-8 bytes."""

    collection_ids: tuple[str, ...]
    next_page_token: str


@dataclass(frozen=True, slots=True)
class RunQuery:
    """Run a query. `explain` None asks for no metrics, False for the plan alone, True for both."""

    query: StructuredQuery
    consistency: Consistency = LATEST
    explain: bool | None = None


@dataclass(frozen=True, slots=True)
class ExplainMetrics:
    """What query explain reports.

    Args:
        plan_summary: `{"indexes_used": [{"properties": "(a ASC, __name__ ASC)", "query_scope":
            "Collection"}]}`.
        statistics: `{"results_returned": 5, "read_operations": 6, "debug_stats": {...}}`; None when
            the query was not run.
    """

    plan_summary: Mapping[str, Any]
    statistics: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class QueryReply:
    """A query's documents, projection applied."""

    documents: Sequence[DocumentSnapshot]
    skipped: int
    read_time: Timestamp
    transaction: bytes | None = None
    explain: ExplainMetrics | None = None


@dataclass(frozen=True, slots=True)
class RunAggregation:
    """Aggregate over a query's results."""

    query: StructuredQuery
    aggregations: tuple[Aggregation, ...]
    consistency: Consistency = LATEST
    explain: bool | None = None


@dataclass(frozen=True, slots=True)
class AggregationReply:
    """The value of each aggregation by its alias; None when only the plan was asked for."""

    values: dict[str, Value] | None
    read_time: Timestamp
    transaction: bytes | None = None
    explain: ExplainMetrics | None = None


@dataclass(frozen=True, slots=True)
class Commit:
    """Write atomically, ending a transaction if there is one."""

    writes: tuple[Write, ...]
    transaction: bytes | None = None


@dataclass(frozen=True, slots=True)
class BatchWrite:
    """Write one by one, each on its own."""

    writes: tuple[Write, ...]


@dataclass(frozen=True, slots=True)
class BatchWriteReply:
    """What became of each write."""

    outcomes: tuple[WriteResult | StatusError, ...] = field(default=())
