"""Chooses the indexes that serve a query, as production does, or says which index is missing.

A plan says which indexes are walked, with which filters pinning their leading fields and over which
ranges of the field after them. It looks at no data; `execute.py` walks.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from harness.firestore.index_definitions import (
    IndexDefinition,
    IndexDefinitions,
    IndexField,
    IndexMode,
    QueryScope,
)
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
    seen: set[object] = set()
    for filters in disjuncts(query):
        identity = frozenset((item.field, item.operator, _operand_key(item)) for item in filters)
        if identity in seen:
            continue
        seen.add(identity)
        need = _Need(query, order, filters, aggregated)
        scans = _choose(need, definitions)
        if scans is None:
            if enforce_indexes:
                several = len(inequality_fields(query.where)) > 1
                return MissingIndex(need.index(), definitions, several)
            scans = (need.scan(need.index()),)
        plans.append(need.plan(scans))
    return QueryPlan(query, order, tuple(plans), aggregated, _range_field_count(query, plans))


def _operand_key(filter_: FieldFilter) -> bytes:
    return value_key(filter_.value)


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


_Term: TypeAlias = tuple[FieldPath, bool]
"""A field that an index can pin, and whether by array-contains."""


class _Need:
    """What one disjunct needs of an index: pinned fields in any sequence, then the suffix."""

    def __init__(
        self,
        query: StructuredQuery,
        order: tuple[Order, ...],
        filters: tuple[FieldFilter, ...],
        aggregated: tuple[FieldPath, ...],
    ) -> None:
        self.query = query
        self.filters = filters
        self.scope = query_scope(query)
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

    def _suffix(
        self, order: tuple[Order, ...], aggregated: tuple[FieldPath, ...]
    ) -> tuple[IndexField, ...]:
        ordered = [item for item in order if item.field not in self.pins]
        known = {item.field for item in ordered} | set(self.pins)
        if self.contains is not None:
            known.add(self.contains.field)
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

    @property
    def terms(self) -> list[FieldFilter]:
        """The filters that an index can pin."""
        pinned = [self.pins[path] for path in sorted(self.pins)]
        return pinned if self.contains is None else [self.contains, *pinned]

    def index(self) -> IndexDefinition:
        """Return the index that production suggests.

        The array field comes first, then the pinned ones by name, then the suffix.

        Source: decoded from the links of production's errors.
        """
        leading = [
            IndexField(
                item.field,
                IndexMode.CONTAINS
                if item.operator is Operator.ARRAY_CONTAINS
                else IndexMode.ASCENDING,
            )
            for item in self.terms
        ]
        if len(leading) == 1 and len(self.suffix) == 1 and leading[0].mode is IndexMode.ASCENDING:
            # One pinned field in descending name order is served by its descending index.
            leading = [IndexField(leading[0].field, self.suffix[0].mode)]
        return IndexDefinition(self.query.collection_id, self.scope, (*leading, *self.suffix))

    def scan(self, index: IndexDefinition) -> IndexScan:
        """Return the scan of an index that `match` accepts."""
        leading = index.fields[: len(index.fields) - len(self.suffix)]
        return IndexScan(index, tuple(self._pin(item) for item in leading))

    def _pin(self, item: IndexField) -> FieldFilter:
        if item.mode is IndexMode.CONTAINS and self.contains is not None:
            return self.contains
        return self.pins[item.field]

    def match(self, index: IndexDefinition) -> frozenset[_Term] | None:
        """Return the terms that an index pins, or None if it cannot serve this disjunct."""
        split = len(index.fields) - len(self.suffix)
        if split < 0 or index.fields[split:] != self.suffix:
            return None
        covered: set[_Term] = set()
        for item in index.fields[:split]:
            if item.mode is IndexMode.CONTAINS:
                if self.contains is None or self.contains.field != item.field:
                    return None
            elif item.mode is IndexMode.VECTOR or item.field not in self.pins:
                return None
            covered.add((item.field, item.mode is IndexMode.CONTAINS))
        return frozenset(covered) if len(covered) == split else None

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


def _choose(need: _Need, definitions: IndexDefinitions) -> tuple[IndexScan, ...] | None:
    """Return the index that serves a disjunct, else the smallest merge that does, else None."""
    wanted = frozenset(
        (item.field, item.operator is Operator.ARRAY_CONTAINS) for item in need.terms
    )
    candidates = [
        (index, covered)
        for index in _candidates(need, definitions)
        if (covered := need.match(index)) is not None
    ]
    for index, covered in candidates:
        if covered == wanted:
            return (need.scan(index),)
    if len(wanted) < 2 or need.query.find_nearest is not None:
        return None
    members = _smallest_cover(wanted, [item for item in candidates if item[1]])
    return None if members is None else tuple(need.scan(index) for index in members)


def _candidates(need: _Need, definitions: IndexDefinitions) -> list[IndexDefinition]:
    group = need.query.collection_id
    if group is None:
        return [IndexDefinition(None, need.scope, need.suffix)]
    indexes: list[IndexDefinition] = []
    suffix = need.suffix
    if len(suffix) == 1 and suffix[0].field == NAME:
        mode = suffix[0].mode
        if not need.terms and mode is IndexMode.ASCENDING:
            indexes.append(IndexDefinition(group, need.scope, suffix))
        for item in need.terms:
            contains = item.operator is Operator.ARRAY_CONTAINS
            if contains and mode is IndexMode.DESCENDING:
                continue
            kind = IndexMode.CONTAINS if contains else mode
            if (need.scope, kind) in definitions.single_field_indexes(group, item.field):
                fields = (IndexField(item.field, kind), *suffix)
                indexes.append(IndexDefinition(group, need.scope, fields))
    elif (
        len(suffix) == 2
        and suffix[1] == IndexField(NAME, suffix[0].mode)
        and (need.scope, suffix[0].mode) in definitions.single_field_indexes(group, suffix[0].field)
    ):
        indexes.append(IndexDefinition(group, need.scope, suffix))
    indexes.extend(definitions.composites_of(group, need.scope))
    return indexes


# Beyond this many pinned fields the smallest cover is not searched for: its cost grows as 2^n.
_EXACT_COVER_TERMS = 10


def _smallest_cover(
    wanted: frozenset[_Term],
    candidates: Sequence[tuple[IndexDefinition, frozenset[_Term]]],
) -> list[IndexDefinition] | None:
    if len(wanted) > _EXACT_COVER_TERMS:
        return _greedy_cover(wanted, candidates)
    reached: dict[frozenset[_Term], list[IndexDefinition]] = {frozenset(): []}
    frontier = reached
    while frontier:
        following: dict[frozenset[_Term], list[IndexDefinition]] = {}
        for covered, members in frontier.items():
            for index, added in candidates:
                union = covered | added
                if union not in reached and union not in following:
                    following[union] = [*members, index]
        if wanted in following:
            return following[wanted]
        reached = {**reached, **following}
        frontier = following
    return None


def _greedy_cover(
    wanted: frozenset[_Term],
    candidates: Sequence[tuple[IndexDefinition, frozenset[_Term]]],
) -> list[IndexDefinition] | None:
    left = set(wanted)
    members = []
    while left:
        index, covered = max(
            candidates, key=lambda item: len(item[1] & left), default=(None, frozenset())
        )
        if index is None or not covered & left:
            return None
        members.append(index)
        left -= covered
    return members
