"""Walks the indexes of a plan: yields the result in its order, and counts what it reads.

The count is the one that production shows in query explain: every index entry read, which is one
more than were needed when a limit stops a scan.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from heapq import heapify, heappop, heapreplace

from harness.firestore.cost import ScanCounts
from harness.firestore.documents import DocumentSnapshot
from harness.firestore.filters import (
    DocumentPredicate,
    compile_cursors,
    compile_filter,
    compile_scope,
    compile_sort_key,
    order_key,
)
from harness.firestore.index_building import Entry
from harness.firestore.index_definitions import IndexMode
from harness.firestore.indexes import Entries, IndexSet, direct_documents
from harness.firestore.keys import invert, value_key
from harness.firestore.masks import project_fields
from harness.firestore.paths import ROOT, FieldPath, ResourcePath
from harness.firestore.planner import DisjunctPlan, IndexScan, QueryPlan, collection_of
from harness.firestore.query import (
    NAME,
    CompositeFilter,
    CompositeOperator,
    Cursor,
    Direction,
    FieldFilter,
    Operator,
)
from harness.firestore.ranges import (
    BOTTOM,
    EVERYTHING,
    TOP,
    Intervals,
    NameSpace,
    descending,
    intersect,
    successor,
)
from harness.firestore.store import Database
from harness.firestore.values import Reference, Timestamp, Value


@dataclass(frozen=True, slots=True)
class _Walk:
    """One index to walk: its entries, and what the keys of this scan begin with."""

    entries: Entries
    prefix: bytes


class Execution:
    """One execution of a plan: at the latest time, or at one in the past. Use it once.

    Raises:
        StatusError: FAILED_PRECONDITION if versions of that time are no longer kept.
    """

    def __init__(
        self, plan: QueryPlan, database: Database, indexes: IndexSet, at: Timestamp | None = None
    ) -> None:
        self.plan = plan
        self.counts = ScanCounts()
        self._database = database
        self._indexes = indexes
        self._at = at
        self._collection = collection_of(plan.query)
        self._names = NameSpace(self._collection)

    def run(self) -> Iterator[DocumentSnapshot]:
        """Yield the documents of the result, offset and limit applied."""
        query, counts = self.plan.query, self.counts
        if query.limit == 0:
            return
        wanted = None if query.limit is None else query.offset + query.limit
        for document in self.matching(wanted, one_more=True):
            counts.documents += 1
            if counts.skipped < query.offset:
                counts.skipped += 1
                continue
            counts.results += 1
            yield document

    def matching(self, wanted: int | None, *, one_more: bool = False) -> Iterator[DocumentSnapshot]:
        """Yield at most `wanted` of the documents that match, offset and limit aside.

        With `one_more`, the scan that a limit stops reads one entry more, as production's does.
        """
        if wanted == 0:
            return
        disjuncts = self.plan.disjuncts
        if len(disjuncts) > 1:
            yield from self._united(wanted)
            return
        (disjunct,) = disjuncts
        paths = self._candidates(disjunct)
        passes = self._residual_predicate(disjunct)
        found = 0
        for path in paths:
            document = self._database.get(path, self._at)
            if document is None or (passes is not None and not passes(document)):
                continue
            found += 1
            if found == wanted and one_more and len(disjunct.scans) == 1:
                next(paths, None)
            yield document
            if found == wanted:
                return

    def countable(self) -> int | None:
        """Return how many documents match, if the indexes say so without a walk; else None.

        They can when one scan decides everything.
        """
        if len(self.plan.disjuncts) != 1:
            return None
        (disjunct,) = self.plan.disjuncts
        query = self.plan.query
        if query.collection_id is None and not query.all_descendants:
            return None
        if len(disjunct.scans) != 1 or self._residual_predicate(disjunct) is not None:
            return None
        bounds = self._bounds(disjunct)
        if self._is_whole_collection(disjunct, bounds):
            return self._database.count_in(self._collection or ROOT)
        walk = self._walk(disjunct.scans[0])
        if walk is None or disjunct.is_impossible:
            return 0
        prefix = walk.prefix
        return sum(walk.entries.count(prefix + low, prefix + high) for low, high in bounds)

    def _is_whole_collection(self, disjunct: DisjunctPlan, bounds: Intervals) -> bool:
        """Say whether the key index of one collection is walked whole, now.

        The database knows the count then, and the index need not be built for it.
        """
        return (
            self._collection is not None
            and self._at is None
            and bounds == EVERYTHING
            and [item.field for item in disjunct.scans[0].index.fields] == [NAME]
        )

    def _united(self, wanted: int | None) -> Iterator[DocumentSnapshot]:
        """Merge the disjuncts' results in the order of their scans, each document once."""
        sort_key = compile_sort_key(self.plan.scan_order)
        heads: list[tuple[bytes, int, DocumentSnapshot]] = []
        streams = [self._filtered(disjunct) for disjunct in self.plan.disjuncts]
        for number, stream in enumerate(streams):
            document = next(stream, None)
            if document is not None:
                heads.append((sort_key(document), number, document))
        heapify(heads)
        found = 0
        seen: set[ResourcePath] = set()
        while heads:
            _, number, document = heads[0]
            following = next(streams[number], None)
            if following is None:
                heappop(heads)
            else:
                heapreplace(heads, (sort_key(following), number, following))
            if document.path in seen:
                continue
            seen.add(document.path)
            yield document
            found += 1
            if found == wanted:
                return

    def _filtered(self, disjunct: DisjunctPlan) -> Iterator[DocumentSnapshot]:
        passes = self._residual_predicate(disjunct)
        for path in self._candidates(disjunct):
            document = self._database.get(path, self._at)
            if document is not None and (passes is None or passes(document)):
                yield document

    def _candidates(self, disjunct: DisjunctPlan) -> Iterator[ResourcePath]:
        """Yield the paths that the indexes give for a disjunct, counting the entries read."""
        if disjunct.is_impossible:
            return
        walks = [self._walk(scan) for scan in disjunct.scans]
        present = [walk for walk in walks if walk is not None]
        if len(present) < len(walks):
            return
        for low, high in self._bounds(disjunct):
            if len(present) == 1:
                (walk,) = present
                for _, path in self._scan(walk, walk.prefix + low, walk.prefix + high):
                    self.counts.index_entries += 1
                    yield path
            else:
                yield from self._merged(present, low, high)

    def _scan(self, walk: _Walk, low: bytes, high: bytes) -> Iterator[Entry]:
        query = self.plan.query
        if query.collection_id is None and not query.all_descendants:
            return direct_documents(walk.entries, query.parent, low, high)
        return walk.entries.scan(low, high)

    def _merged(self, walks: list[_Walk], low: bytes, high: bytes) -> Iterator[ResourcePath]:
        """Yield what all walks have in common: each seeks the place of the furthest, in turn.

        Source: the sequence of seeks, and so their number, follows what production's query explain
        shows.
        """
        places: list[bytes] = []
        path = ResourcePath("")

        def seek(walk: _Walk, target: bytes) -> bytes | None:
            nonlocal path
            entry = walk.entries.first(walk.prefix + target, walk.prefix + high)
            if entry is None:
                return None
            self.counts.index_entries += 1
            path = entry[1]
            return entry[0][len(walk.prefix) :]

        target = low
        for walk in walks:
            place = seek(walk, target)
            if place is None:
                return
            places.append(place)
            target = max(target, place)
        while True:
            while min(places) < target:
                for number, walk in enumerate(walks):
                    if places[number] < target:
                        place = seek(walk, target)
                        if place is None:
                            return
                        places[number] = target = place
            yield path
            after = successor(target)
            for number, walk in enumerate(walks):
                place = seek(walk, after)
                if place is None:
                    return
                places[number] = place
            target = max(places)

    def _walk(self, scan: IndexScan) -> _Walk | None:
        """Return the walk of a scan; None if a name is pinned that cannot be in the result."""
        prefix = b""
        for item, filter_ in zip(scan.index.fields, scan.prefix, strict=False):
            if item.field == NAME:
                reference = filter_.value
                if not isinstance(reference, Reference) or not compile_scope(self.plan.query)(
                    reference.path
                ):
                    return None
                key = self._names.key(reference.path)
            else:
                key = value_key(pinned_value(filter_))
            prefix += invert(key) if item.mode is IndexMode.DESCENDING else key
        return _Walk(self._indexes.entries(scan.index, self._collection, self._at), prefix)

    def _bounds(self, disjunct: DisjunctPlan) -> Intervals:
        """Return the ranges to walk behind the prefix: the filter's, within the cursors."""
        start, end = self.plan.query.start_at, self.plan.query.end_at
        low = BOTTOM if start is None else self._position(disjunct, start, is_start=True)[0]
        high = TOP if end is None else self._position(disjunct, end, is_start=False)[0]
        if low >= high:
            return ()
        return intersect(disjunct.intervals, ((low, high),))

    def _position(
        self, disjunct: DisjunctPlan, cursor: Cursor, *, is_start: bool
    ) -> tuple[bytes, bool]:
        """Return where a cursor lies behind the prefix, and whether that is exact.

        A cursor names values in the query's order, in which pinned fields take part; the index's
        suffix leaves them out, and may have aggregated fields among the others.
        """
        after = not cursor.before
        pinned = {item.field: item for item in disjunct.scans[0].prefix}
        for scan in disjunct.scans[1:]:
            pinned.update((item.field, item) for item in scan.prefix)
        remaining = iter(disjunct.suffix)
        position = b""
        for order, value in zip(self.plan.order, cursor.values, strict=False):
            pin = pinned.get(order.field)
            if pin is not None and pin.operator is not Operator.ARRAY_CONTAINS:
                key = order_key(order.field, order.direction, value)
                constant = order_key(order.field, order.direction, pinned_value(pin))
                if key != constant:
                    return (successor(position) if key > constant else position), True
                continue
            following = next(remaining, None)
            if following is None or following.field != order.field:
                return (position if is_start else successor(position)), False
            if order.field == NAME and isinstance(value, Reference):
                bounds = (self._names.below(value.path), self._names.above(value.path))
                if order.direction is Direction.DESCENDING:
                    (bounds,) = descending((bounds,))
                return position + bounds[after], next(remaining, None) is None
            position += order_key(order.field, order.direction, value)
        return (successor(position) if after else position), True

    def _residual_predicate(self, disjunct: DisjunctPlan) -> DocumentPredicate | None:
        """Return the check of what the indexes leave open for a disjunct, or None for nothing."""
        query = self.plan.query
        tests: list[DocumentPredicate] = []
        if disjunct.residual:
            tests.append(compile_filter(_conjunction(disjunct.residual)))
        if not self._is_scope_exact(disjunct):
            in_scope = compile_scope(query)
            tests.append(lambda document: in_scope(document.path))
        if not all(
            self._position(disjunct, cursor, is_start=is_start)[1]
            for cursor, is_start in ((query.start_at, True), (query.end_at, False))
            if cursor is not None
        ):
            tests.append(compile_cursors(query))
        return _all_of(tests)

    def _is_scope_exact(self, disjunct: DisjunctPlan) -> bool:
        query = self.plan.query
        if not query.all_descendants or query.parent.is_root:
            return True
        return disjunct.suffix[0].field == NAME


def _all_of(tests: list[DocumentPredicate]) -> DocumentPredicate | None:
    if not tests:
        return None
    if len(tests) == 1:
        return tests[0]
    return lambda document: all(test(document) for test in tests)


def _conjunction(filters: tuple[FieldFilter, ...]) -> CompositeFilter:
    return CompositeFilter(CompositeOperator.AND, filters)


def pinned_value(filter_: FieldFilter) -> Value:
    """Return the one value that a pinning filter leaves its field."""
    if filter_.operator is Operator.IS_NULL:
        return None
    if filter_.operator is Operator.IS_NAN:
        return float("nan")
    return filter_.value


Projection = Callable[[DocumentSnapshot], DocumentSnapshot]


def compile_projection(select: tuple[FieldPath, ...] | None) -> Projection | None:
    """Return the function that keeps the selected fields, or None to keep all.

    `__name__` is no field: selecting it alone keeps none.
    """
    if select is None:
        return None
    fields = tuple(field for field in select if field != NAME)

    def project(document: DocumentSnapshot) -> DocumentSnapshot:
        kept = project_fields(document.fields, fields)
        return DocumentSnapshot(document.path, kept, document.create_time, document.update_time)

    return project
