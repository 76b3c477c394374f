"""What Firestore bills for a query, and what query explain says of it. Operations, never money."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final

from harness.firestore.index_definitions import IndexDefinition, QueryScope
from harness.firestore.planner import QueryPlan

ENTRIES_PER_READ: Final = 1_000
"""Index entries that are billed as one read. Source: Firestore pricing, aggregation queries."""

VECTOR_ENTRIES_PER_READ: Final = 100
"""Vector index entries that are billed as one read. Source: Firestore pricing, vector search."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Billed operations; costs add up with `+`.

    `reads` are document reads, index entries converted to reads among them. `rules_reads` are the
    documents that security rules needed, billed as reads too but kept apart.
    `index_entries_scanned` counts every entry read, `index_entries_billed` only those that cost
    something. `minimum_charges` says how many of the reads were the minimum for an empty result.
    """

    reads: int = 0
    writes: int = 0
    deletes: int = 0
    rules_reads: int = 0
    index_entries_scanned: int = 0
    index_entries_billed: int = 0
    minimum_charges: int = 0

    def __add__(self, other: Cost) -> Cost:
        """Add up, figure by figure."""
        return Cost(*(getattr(self, name) + getattr(other, name) for name in _FIGURES))

    def __sub__(self, other: Cost) -> Cost:
        """Return what was added since `other`, figure by figure."""
        return Cost(*(getattr(self, name) - getattr(other, name) for name in _FIGURES))

    @property
    def total_reads(self) -> int:
        """Every read on the bill, those for rules included."""
        return self.reads + self.rules_reads


_FIGURES = tuple(field.name for field in fields(Cost))


@dataclass(slots=True)
class ScanCounts:
    """What one execution of a query touched.

    `index_entries` counts entries scanned, not matched; `documents` distinct documents that
    matched, those skipped by the offset included; `vector_entries` the part of the entries that a
    vector search measured.
    """

    index_entries: int = 0
    documents: int = 0
    results: int = 0
    skipped: int = 0
    vector_entries: int = 0


def bill_query(plan: QueryPlan, counts: ScanCounts) -> Cost:
    """Price one query as Firestore bills it.

    Index entries cost something only if the query has two or more range fields. A query that
    returns nothing costs one read.

    Source: Firestore pricing, "Minimum charge for queries", "Queries with range and inequality
    filters on multiple fields", "Vector search".
    """
    if counts.vector_entries or plan.query.find_nearest is not None:
        extra = _batches(counts.vector_entries, VECTOR_ENTRIES_PER_READ)
        billed_entries = counts.vector_entries
    elif plan.range_field_count >= 2:
        extra = _batches(counts.index_entries, ENTRIES_PER_READ)
        billed_entries = counts.index_entries
    else:
        extra = billed_entries = 0
    reads = counts.documents + extra
    return Cost(
        reads=max(1, reads),
        index_entries_scanned=counts.index_entries,
        index_entries_billed=billed_entries,
        minimum_charges=0 if reads else 1,
    )


def bill_aggregation(counts: ScanCounts) -> Cost:
    """Price one aggregation query: one read for each thousand index entries, and at least one.

    When there was nothing to read, the one entry that was probed is free.

    Source: Firestore pricing, "Aggregation queries"; the probe is recorded from production.
    """
    is_probe = not counts.documents and counts.index_entries == 1
    billed_entries = 0 if is_probe else counts.index_entries
    reads = _batches(billed_entries, ENTRIES_PER_READ)
    return Cost(
        reads=max(1, reads),
        index_entries_scanned=counts.index_entries,
        index_entries_billed=billed_entries,
        minimum_charges=0 if reads else 1,
    )


def _batches(entries: int, size: int) -> int:
    return -(-entries // size)


_SCOPES = {
    QueryScope.COLLECTION: "Collection",
    QueryScope.COLLECTION_GROUP: "Collection group",
}


def explain_index(index: IndexDefinition) -> dict[str, str]:
    """Return one index as query explain shows it.

    For example `{"properties": "(a ASC, __name__ ASC)", "query_scope": "Collection"}`.
    """
    return {"properties": index.properties, "query_scope": _SCOPES[index.query_scope]}


def explain_plan(
    plan: QueryPlan, *, is_aggregation: bool = False
) -> dict[str, list[dict[str, str]]]:
    """Return the plan summary of query explain: `{"indexes_used": [...]}`.

    A query with limit 0 uses no index.

    Source: recorded from production's query explain.
    """
    if plan.query.limit == 0 and not is_aggregation:
        return {"indexes_used": []}
    return {"indexes_used": [explain_index(index) for index in plan.indexes_used]}


def explain_statistics(
    plan: QueryPlan, counts: ScanCounts, cost: Cost, *, is_aggregation: bool = False
) -> dict[str, object]:
    """Return the execution statistics of query explain, without the duration: the caller has it.

    `{"results_returned": 5, "read_operations": 6, "debug_stats": {...}}`; the debug figures are
    texts, as in production.

    Source: google.firestore.v1 ExecutionStats; the keys are recorded from production.
    """
    is_vector = plan.query.find_nearest is not None
    billing = {
        "documents_billable": str(0 if is_aggregation else counts.documents),
        "index_entries_billable": str(0 if is_vector else cost.index_entries_billed),
        "small_ops": "0",
        "min_query_cost": str(cost.minimum_charges),
    }
    if is_vector:
        billing["knn_vector_index_entries_billable"] = str(counts.vector_entries)
    return {
        "results_returned": 1 if is_aggregation else counts.results,
        "read_operations": cost.reads,
        "debug_stats": {
            "index_entries_scanned": str(cost.index_entries_scanned),
            "documents_scanned": str(0 if is_aggregation else counts.documents),
            "billing_details": billing,
        },
    }
