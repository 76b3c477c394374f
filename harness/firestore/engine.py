"""Runs queries and aggregations over one database: checks, plans, executes and prices them.

This is the door that the other layers use. It knows no callers, rules or transactions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.errors import StatusCode, StatusError
from harness.firestore.aggregate import aggregate
from harness.firestore.cost import (
    Cost,
    ScanCounts,
    bill_aggregation,
    bill_query,
    explain_plan,
    explain_statistics,
)
from harness.firestore.documents import DocumentSnapshot
from harness.firestore.execute import Execution, compile_projection
from harness.firestore.index_building import MANY_DOCUMENTS
from harness.firestore.index_definitions import IndexDefinitions
from harness.firestore.indexes import IndexSet
from harness.firestore.listing import ListPage, list_documents
from harness.firestore.missing_index import MissingIndex
from harness.firestore.nearest import find_nearest, validate_nearest
from harness.firestore.partition import PartitionPage, partition_query
from harness.firestore.paths import ResourcePath
from harness.firestore.planner import QueryPlan, collection_of, plan_query
from harness.firestore.profile import PRODUCTION, Profile
from harness.firestore.query import NAME, Aggregation, StructuredQuery
from harness.firestore.query_checks import validate_aggregations, validate_query
from harness.firestore.store import Database
from harness.firestore.values import Timestamp, Value


@dataclass(frozen=True, slots=True)
class QueryResult:
    """What a query answers. `skipped` counts the documents that the offset passed over."""

    documents: tuple[DocumentSnapshot, ...]
    skipped: int
    plan: QueryPlan
    counts: ScanCounts
    cost: Cost
    read_time: Timestamp

    def explain(self) -> dict[str, object]:
        """Return `{"plan_summary": {...}, "execution_stats": {...}}`, the duration left out."""
        return {
            "plan_summary": explain_plan(self.plan),
            "execution_stats": explain_statistics(self.plan, self.counts, self.cost),
        }


@dataclass(frozen=True, slots=True)
class AggregationResult:
    """What an aggregation query answers: each value by its alias."""

    values: dict[str, Value]
    plan: QueryPlan
    counts: ScanCounts
    cost: Cost
    read_time: Timestamp

    def explain(self) -> dict[str, object]:
        """Return `{"plan_summary": {...}, "execution_stats": {...}}`, the duration left out."""
        return {
            "plan_summary": explain_plan(self.plan, is_aggregation=True),
            "execution_stats": explain_statistics(
                self.plan, self.counts, self.cost, is_aggregation=True
            ),
        }


class QueryEngine:
    """Queries over one database.

    Args:
        database: The documents. The engine keeps its indexes up to date with every commit.
        definitions: What `firestore.indexes.json` defines. May be replaced at any time.
        enforce_indexes: Whether a query without its index fails, as in production. Otherwise the
            index is made up on the fly, as the official emulator does.
        profile: Whom it answers like, indexes aside.
    """

    def __init__(
        self,
        database: Database,
        definitions: IndexDefinitions | None = None,
        enforce_indexes: bool = True,
        profile: Profile = PRODUCTION,
    ) -> None:
        self.database = database
        self.profile = profile
        self.definitions = IndexDefinitions() if definitions is None else definitions
        self.enforce_indexes = enforce_indexes
        self.indexes = IndexSet(database)

    def plan(
        self, query: StructuredQuery, aggregations: Sequence[Aggregation] = ()
    ) -> QueryPlan | MissingIndex:
        """Check a query and choose its indexes, without running it.

        Raises:
            StatusError: The query is invalid.
        """
        validate_query(query, self.profile)
        if query.find_nearest is not None:
            validate_nearest(query.find_nearest)
            if aggregations:
                raise StatusError(
                    StatusCode.UNIMPLEMENTED,
                    "Aggregations over a vector search are not supported yet.",
                )
        return plan_query(
            query, self.definitions, aggregations, enforce_indexes=self.enforce_indexes
        )

    def required_plan(
        self, query: StructuredQuery, aggregations: Sequence[Aggregation] = ()
    ) -> QueryPlan:
        """Check a query and choose its indexes.

        Raises:
            StatusError: The query is invalid; FAILED_PRECONDITION with production's words if an
                index is missing.
        """
        plan = self.plan(query, aggregations)
        if isinstance(plan, MissingIndex):
            raise StatusError(StatusCode.FAILED_PRECONDITION, plan.message(self.database.name))
        return plan

    def build_steps(
        self, query: StructuredQuery, aggregations: Sequence[Aggregation] = ()
    ) -> Iterator[None]:
        """Build the indexes over many documents that a query would build, a step for each turn.

        Between steps the database may change, and be asked. A query that cannot be run needs none.
        """
        if self.database.document_count < MANY_DOCUMENTS:
            return
        try:
            plan = self.plan(query, aggregations)
        except StatusError:
            return
        if isinstance(plan, MissingIndex):
            return
        collection = collection_of(query)
        for disjunct in plan.disjuncts:
            for scan in disjunct.scans:
                # Who only counts may need no index of the names.
                if not (aggregations and scan.index.fields[0].field == NAME):
                    yield from self.indexes.build_steps(scan.index, collection)

    def run_query(self, query: StructuredQuery, at: Timestamp | None = None) -> QueryResult:
        """Run a query on the latest data, or on the data at a time in the past.

        Raises:
            StatusError: INVALID_ARGUMENT for an invalid query; FAILED_PRECONDITION with
                production's words if an index is missing, or if versions of that time are no longer
                kept.
        """
        plan = self.required_plan(query)
        past = self._past(at)
        execution = Execution(plan, self.database, self.indexes, past)
        nearest = query.find_nearest
        found = (
            execution.run()
            if nearest is None
            else find_nearest(
                execution, nearest, refuses_undefined=self.profile.refuses_undefined_distances
            )
        )
        documents = tuple(found)
        project = compile_projection(query.select)
        if project is not None:
            documents = tuple(map(project, documents))
        counts = execution.counts
        return QueryResult(
            documents, counts.skipped, plan, counts, bill_query(plan, counts), self._read_time(at)
        )

    def run_aggregation(
        self,
        query: StructuredQuery,
        aggregations: Sequence[Aggregation],
        at: Timestamp | None = None,
    ) -> AggregationResult:
        """Compute aggregations over a query's result.

        Raises:
            StatusError: As `run_query`, and INVALID_ARGUMENT for invalid aggregations.
        """
        validate_aggregations(aggregations, self.profile)
        plan = self.required_plan(query, aggregations)
        execution = Execution(plan, self.database, self.indexes, self._past(at))
        values = aggregate(execution, aggregations)
        counts = execution.counts
        return AggregationResult(
            values, plan, counts, bill_aggregation(counts), self._read_time(at)
        )

    def explain(
        self, query: StructuredQuery, aggregations: Sequence[Aggregation] = ()
    ) -> dict[str, object]:
        """Return the plan summary alone, as query explain without `analyze` does. Costs one read.

        Raises:
            StatusError: INVALID_ARGUMENT for an invalid query; FAILED_PRECONDITION if an index is
                missing.
        """
        plan = self.plan(query, aggregations)
        if isinstance(plan, MissingIndex):
            raise StatusError(StatusCode.FAILED_PRECONDITION, "no matching index found.")
        return dict(explain_plan(plan, is_aggregation=bool(aggregations)))

    def list_documents(
        self,
        parent: ResourcePath,
        collection_id: str | None,
        *,
        page_size: int = 0,
        page_token: str = "",
        order_by: str = "",
        show_missing: bool = False,
        at: Timestamp | None = None,
    ) -> ListPage:
        """Return one page of the documents of a collection. See `listing.list_documents`."""
        return list_documents(
            self,
            parent,
            collection_id,
            page_size=page_size,
            page_token=page_token,
            order_by=order_by,
            show_missing=show_missing,
            at=self._past(at),
        )

    def partition(
        self,
        query: StructuredQuery,
        partition_count: int,
        *,
        page_size: int = 0,
        page_token: str = "",
        at: Timestamp | None = None,
    ) -> PartitionPage:
        """Return cursors that split a collection group. See `partition.partition_query`."""
        return partition_query(
            self,
            query,
            partition_count,
            page_size=page_size,
            page_token=page_token,
            at=self._past(at),
        )

    def close(self) -> None:
        """Stop following the database's commits."""
        self.indexes.close()

    def _past(self, at: Timestamp | None) -> Timestamp | None:
        """Return None if a time is that of the latest data."""
        return None if at is None or at >= self.database.last_commit_time else at

    def _read_time(self, at: Timestamp | None) -> Timestamp:
        return self.database.last_commit_time if at is None else at
