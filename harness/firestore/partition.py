"""PartitionQuery: names that split a collection group into parts of about the same size."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Final

from harness.errors import StatusCode, StatusError
from harness.firestore.cost import Cost
from harness.firestore.planner import QueryPlan, collection_of
from harness.firestore.query import NAME, Cursor, Order, StructuredQuery
from harness.firestore.values import Reference, Timestamp

if TYPE_CHECKING:
    from harness.firestore.engine import QueryEngine

MIN_PARTITION_DOCUMENTS: Final = 128
"""About how many documents a part has at least. Source: recorded from production."""


@dataclass(frozen=True, slots=True)
class PartitionPage:
    """Cursors that end one part and begin the next, in order. The token is empty at the end."""

    cursors: tuple[Cursor, ...]
    next_page_token: str
    cost: Cost
    read_time: Timestamp


def partition_query(
    engine: QueryEngine,
    query: StructuredQuery,
    partition_count: int,
    *,
    page_size: int,
    page_token: str,
    at: Timestamp | None,
) -> PartitionPage:
    """Return at most `partition_count` cursors into a query, page by page. Costs one read.

    Few documents have no cursors: they are one part.

    Raises:
        StatusError: INVALID_ARGUMENT unless the query is a whole collection group by name.
    Source: google.firestore.v1 PartitionQueryRequest.
    """
    if partition_count <= 0:
        raise _invalid("partition_count must be positive.")
    if page_size < 0:
        raise _invalid("Page size must be nonnegative.")
    is_whole_group = (
        query.all_descendants
        and query.collection_id is not None
        and query.where is None
        and query.order_by in ((), (Order(NAME),))
        and query.start_at is None
        and query.end_at is None
        and query.limit is None
        and query.find_nearest is None
        and not query.offset
    )
    if not is_whole_group:
        raise _invalid(
            "PartitionQuery requires a collection group query without filters, limits, offsets or "
            "cursors, ordered by __name__ ascending."
        )
    skipped = _parse_token(page_token)
    plan = engine.required_plan(query)
    cursors = _cursors(engine, plan, partition_count, at)
    page = cursors[skipped : skipped + page_size] if page_size else cursors[skipped:]
    told = skipped + len(page)
    return PartitionPage(
        tuple(page),
        str(told) if told < len(cursors) else "",
        Cost(reads=1),
        engine.database.last_commit_time if at is None else at,
    )


def _cursors(
    engine: QueryEngine, plan: QueryPlan, partition_count: int, at: Timestamp | None
) -> list[Cursor]:
    (disjunct,) = plan.disjuncts
    (scan,) = disjunct.scans
    entries = engine.indexes.entries(scan.index, collection_of(plan.query), at)
    ((low, high),) = disjunct.intervals
    documents = entries.count(low, high)
    parts = min(partition_count + 1, documents // MIN_PARTITION_DOCUMENTS)
    if parts < 2:
        return []
    ranks = [documents * part // parts for part in range(1, parts)]
    walk = entries.scan(low, high)
    cursors = []
    walked = 0
    for rank in ranks:
        _, path = next(islice(walk, rank - walked, None))
        walked = rank + 1
        cursors.append(Cursor((Reference(engine.database.name, path),), before=True))
    return cursors


def _parse_token(token: str) -> int:
    if token and not token.isdecimal():
        raise _invalid("Invalid page token.")
    return int(token or 0)


def _invalid(message: str) -> StatusError:
    return StatusError(StatusCode.INVALID_ARGUMENT, message)
