"""Chooses the indexes that serve a query, as production does, or says which index is missing.

A plan says which indexes are walked, with which filters pinning their leading fields and over which
ranges of the field after them. It looks at no data; `execute.py` walks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from harness.firestore.index_definitions import (
    IndexDefinition,
    IndexDefinitions,
    IndexField,
    IndexMode,
    QueryScope,
)
from harness.firestore.index_needs import IndexNeed
from harness.firestore.keys import value_key
from harness.firestore.missing_index import MissingIndex
from harness.firestore.paths import FieldPath, ResourcePath
from harness.firestore.query import (
    EQUALITIES,
    INEQUALITIES,
    NAME,
    Aggregation,
    Direction,
    FieldFilter,
    Operator,
    Order,
    StructuredQuery,
    disjuncts,
    effective_order,
    field_filters,
    inequality_fields,
)
from harness.firestore.ranges import (
    EVERYTHING,
    Intervals,
    NameSpace,
    descending,
    intersect,
    is_incomparable,
    value_intervals,
)

_MODES = {
    Direction.ASCENDING: IndexMode.ASCENDING,
    Direction.DESCENDING: IndexMode.DESCENDING,
}


@dataclass(frozen=True, slots=True)
class IndexScan:
    """One index of a plan, and the filters that pin its leading fields, in its order."""

    index: IndexDefinition
    prefix: tuple[FieldFilter, ...]


@dataclass(frozen=True, slots=True)
class DisjunctPlan:
    """How one disjunct is served: by one scan, or by several that are merged where they agree.

    All scans share `suffix`, the index fields after their prefixes. `intervals` bound its first
    field, in the index's own order. `residual` are the filters that no index decides.
    `is_impossible`: a comparison with null or NaN, which nothing passes.
    """

    scans: tuple[IndexScan, ...]
    suffix: tuple[IndexField, ...]
    intervals: Intervals
    residual: tuple[FieldFilter, ...]
    is_impossible: bool = False


@dataclass(frozen=True, slots=True)
class QueryPlan:
    """How a query is served: its disjuncts' results are merged in the query's order.

    `aggregated` are the fields that documents must have besides those of the query.
    `range_field_count` decides what index entries cost (see `cost.py`).
    """

    query: StructuredQuery
    order: tuple[Order, ...]
    disjuncts: tuple[DisjunctPlan, ...]
    aggregated: tuple[FieldPath, ...] = ()
    range_field_count: int = 0

    @property
    def scan_order(self) -> tuple[Order, ...]:
        """The order in which scans give documents: aggregated fields sort before the name."""
        known = {item.field for item in self.order}
        extra = [Order(path) for path in self.aggregated if path not in known]
        return (*self.order[:-1], *extra, self.order[-1])

    @property
    def indexes_used(self) -> tuple[IndexDefinition, ...]:
        """One index for each scan: IN has one for each value, `!=` two, a merge its members.

        Source: recorded from production's query explain.
        """
        return tuple(
            scan.index
            for disjunct in self.disjuncts
            for _ in range(len(disjunct.intervals) or 1)
            for scan in disjunct.scans
        )


def query_scope(query: StructuredQuery) -> QueryScope:
    """Return the scope that an index needs to serve a query."""
    return QueryScope.COLLECTION_GROUP if query.all_descendants else QueryScope.COLLECTION


def collection_of(query: StructuredQuery) -> ResourcePath | None:
    """Return the one collection that a query is about, or None for a group or a kindless query."""
    if query.all_descendants or query.collection_id is None:
        return None
    return query.parent.child(query.collection_id)


def plan_query(
    query: StructuredQuery,
    definitions: IndexDefinitions,
    aggregations: Sequence[Aggregation] = (),
    *,
    enforce_indexes: bool = True,
) -> QueryPlan | MissingIndex:
    """Choose the indexes for a valid query.

    With `enforce_indexes` False, an index that is missing is used as if it were defined, as the
    official emulator does; then there is always a plan.

    Source: Firestore, "Index types", "Index merging"; "Query with range and inequality filters on
    multiple fields"; recorded from production's error links and query explain.
    """
    order = effective_order(query)
    aggregated = _aggregated_fields(aggregations)
    plans: list[DisjunctPlan] = []
    for disjunct in _disjuncts(query, order, aggregated):
        indexes = disjunct.need.serving(definitions)
        if indexes is None:
            if enforce_indexes:
                several = len(inequality_fields(query.where)) > 1
                return MissingIndex(disjunct.need.index(), definitions, several)
            indexes = (disjunct.need.index(),)
        plans.append(disjunct.plan(tuple(map(disjunct.scan, indexes))))
    return QueryPlan(query, order, tuple(plans), aggregated, _range_field_count(query, plans))


def index_needs(
    query: StructuredQuery, aggregations: Sequence[Aggregation] = ()
) -> tuple[IndexNeed, ...]:
    """Return what a valid query needs of indexes: every need of it, each once.

    The values that it compares with make no difference.
    """
    order = effective_order(query)
    found = _disjuncts(query, order, _aggregated_fields(aggregations))
    return tuple(dict.fromkeys(disjunct.need for disjunct in found))


def _disjuncts(
    query: StructuredQuery, order: tuple[Order, ...], aggregated: tuple[FieldPath, ...]
) -> Iterator[_Disjunct]:
    """Yield the disjuncts of a query that differ."""
    seen: set[object] = set()
    for filters in disjuncts(query):
        identity = frozenset((item.field, item.operator, value_key(item.value)) for item in filters)
        if identity not in seen:
            seen.add(identity)
            yield _Disjunct(query, order, filters, aggregated)


def _aggregated_fields(aggregations: Iterable[Aggregation]) -> tuple[FieldPath, ...]:
    return tuple(sorted({item.field for item in aggregations if item.field is not None}))


def _range_field_count(query: StructuredQuery, plans: Sequence[DisjunctPlan]) -> int:
    """Count the range fields, as billing defines them.

    They are those with a range or inequality filter; the name wherever it is filtered or explicitly
    ordered by; and, if there is any of these, every field of the explicit order that is not pinned
    to one value.

    Source: Firestore pricing, "Queries with range and inequality filters on multiple fields".
    """
    filters = tuple(field_filters(query.where))
    fields = {item.field for item in filters if item.operator in INEQUALITIES}
    ordered = {item.field for item in query.order_by}
    if NAME in ordered or any(item.field == NAME for item in filters):
        fields.add(NAME)
    if fields:
        pinned = [
            {
                item.field
                for scan in plan.scans
                for item in scan.prefix
                if item.operator in EQUALITIES
            }
            for plan in plans
        ]
        everywhere = set.intersection(*pinned) if pinned else set()
        fields |= ordered - everywhere
    return len(fields)


class _Disjunct:
    """One disjunct of a query: what it needs of an index, and the filters behind that."""

    def __init__(
        self,
        query: StructuredQuery,
        order: tuple[Order, ...],
        filters: tuple[FieldFilter, ...],
        aggregated: tuple[FieldPath, ...],
    ) -> None:
        self.query = query
        self.filters = filters
        pins: dict[FieldPath, FieldFilter] = {}
        self.contains: FieldFilter | None = None
        for item in filters:
            if item.operator in EQUALITIES:
                pins.setdefault(item.field, item)
            elif item.operator is Operator.ARRAY_CONTAINS and self.contains is None:
                self.contains = item
        sorted_by = {*(item.field for item in order), *aggregated} - {NAME}
        if query.find_nearest is not None or not sorted_by - set(pins):
            # Where the name alone sorts, a pinned name is a range of one name.
            pins.pop(NAME, None)
        self.pins = pins
        self.suffix = self._suffix(order, aggregated)
        self.need = IndexNeed(
            query.collection_id,
            query_scope(query),
            tuple(sorted(pins)),
            None if self.contains is None else self.contains.field,
            self.suffix,
        )

    def _suffix(
        self, order: tuple[Order, ...], aggregated: tuple[FieldPath, ...]
    ) -> tuple[IndexField, ...]:
        ordered = [item for item in order if item.field not in self.pins]
        # Array-contains pins an element; the array itself, if aggregated, needs its own column.
        known = {item.field for item in ordered} | set(self.pins)
        suffix = [IndexField(item.field, _MODES[item.direction]) for item in ordered]
        at = next(
            (position for position, item in enumerate(suffix) if item.field == NAME), len(suffix)
        )
        suffix[at:at] = [
            IndexField(path, IndexMode.ASCENDING) for path in aggregated if path not in known
        ]
        nearest = self.query.find_nearest
        if nearest is not None:
            dimension = len(nearest.query_vector)
            name = IndexField(NAME, IndexMode.ASCENDING)
            suffix = [name, IndexField(nearest.field, IndexMode.VECTOR, dimension)]
        return tuple(suffix)

    def scan(self, index: IndexDefinition) -> IndexScan:
        """Return the scan of an index that serves the need, alone or in a merge."""
        leading = index.fields[: len(index.fields) - len(self.suffix)]
        return IndexScan(index, tuple(self._pin(item) for item in leading))

    def _pin(self, item: IndexField) -> FieldFilter:
        if item.mode is IndexMode.CONTAINS and self.contains is not None:
            return self.contains
        return self.pins[item.field]

    def plan(self, scans: tuple[IndexScan, ...]) -> DisjunctPlan:
        """Return the plan with these scans: its ranges, and the filters left to be checked."""
        intervals: Intervals = EVERYTHING
        first = self.suffix[0] if self.suffix else None
        names = NameSpace(collection_of(self.query))
        residual: list[FieldFilter] = []
        used = {id(item) for scan in scans for item in scan.prefix}
        impossible = False
        for item in self.filters:
            if id(item) in used:
                impossible = impossible or (
                    item.operator in (Operator.EQUAL, Operator.ARRAY_CONTAINS)
                    and is_incomparable(item.value)
                )
                continue
            if (
                first is None
                or item.field != first.field
                or item.operator is Operator.ARRAY_CONTAINS
            ):
                residual.append(item)
            elif item.field == NAME:
                intervals = intersect(intervals, names.intervals(item))
            else:
                intervals = intersect(intervals, value_intervals(item))
        if (
            first is not None
            and first.field == NAME
            and collection_of(self.query) is None
            and not self.query.parent.is_root
        ):
            intervals = intersect(intervals, (names.descendants(self.query.parent),))
        if first is not None and first.mode is IndexMode.DESCENDING:
            intervals = descending(intervals)
        return DisjunctPlan(
            scans, self.suffix, intervals, tuple(residual), impossible or not intervals
        )
