"""Which queries a database was asked, shape by shape, and what was written to it: what is needed to
say which indexes there should be.

While requests come in, they are only counted: what a shape needs of indexes is worked out when it
is first seen, and index entries when someone asks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from harness.backend.metering import AskedQuery, RequestRecord, query_shape
from harness.errors import StatusCode
from harness.example_fields import is_example
from harness.firestore.index_definitions import IndexDefinitions
from harness.firestore.index_needs import IndexNeed
from harness.firestore.index_usage import WrittenDocuments
from harness.firestore.paths import ResourcePath
from harness.firestore.planner import QueryPlan, index_needs
from harness.firestore.values import Fields

MAX_SHAPES = 5_000
"""Shapes kept for each database; those that come after are only counted."""

MAX_SAMPLED = 20
"""Documents of a collection group whose index entries are counted: the latest."""

_MAX_GROUPS = 1_000
_MAX_PLACES = 5


@dataclass(slots=True)
class QueryUse:
    """All queries of one shape.

    Attributes:
        shape: The query with its operands left out.
        needs: What it needs of indexes.
        plan: The indexes that served it last: for each scan the members of its merge.
        refused: How many lacked an index.
        entries: Index entries that were read for it.
        matched: Documents that were found for it, those that an offset passed over included.
        at: Lines that asked, as far as they are known; the first few.
        functions: Functions that asked.
    """

    shape: str
    needs: tuple[IndexNeed, ...]
    plan: tuple[tuple[str, ...], ...] = ()
    is_aggregation: bool = False
    requests: int = 0
    refused: int = 0
    reads: int = 0
    entries: int = 0
    matched: int = 0
    at: list[str] = field(default_factory=list)
    functions: list[str] = field(default_factory=list)
    _latest: QueryPlan | None = None

    def settle(self) -> None:
        """Put the plan that served it last into words, which costs as much as all the counting."""
        if self._latest is not None:
            self.plan, self._latest = _scans(self._latest), None

    @property
    def is_merge(self) -> bool:
        """Whether indexes were merged for it."""
        return any(len(members) > 1 for members in self.plan)

    @property
    def waste(self) -> float | None:
        """Index entries read for each document found; None where that says nothing."""
        return None if self.is_aggregation and not self.is_merge else self._ratio()

    def _ratio(self) -> float | None:
        return self.entries / max(1, self.matched) if self.entries else None

    def add(self, record: RequestRecord, asked: AskedQuery) -> None:
        """Count one request."""
        self.requests += 1
        self.refused += record.missing_index is not None
        self.reads += record.tally.reads
        self.entries += record.tally.index_entries_scanned
        self.matched += asked.matched
        if asked.plan is not None:
            self._latest = asked.plan
        self._note_caller(record.caller.source, record.caller.function)

    def merge(self, other: QueryUse) -> None:
        """Add what was counted elsewhere."""
        self.requests += other.requests
        self.refused += other.refused
        self.reads += other.reads
        self.entries += other.entries
        self.matched += other.matched
        self.plan = other.plan or self.plan
        for at in other.at:
            self._note_caller(at, None)
        for function in other.functions:
            self._note_caller(None, function)

    def _note_caller(self, at: str | None, function: str | None) -> None:
        if at is not None and at not in self.at and len(self.at) < _MAX_PLACES:
            self.at.append(at)
        if function is not None and function not in self.functions:
            self.functions.append(function)

    def to_json(self) -> dict[str, Any]:
        """Return it as data."""
        return {
            "shape": self.shape,
            "needs": [need.to_json() for need in self.needs],
            "plan": [list(members) for members in self.plan],
            "isAggregation": self.is_aggregation,
            "requests": self.requests,
            "refused": self.refused,
            "reads": self.reads,
            "entries": self.entries,
            "matched": self.matched,
            "at": self.at,
            "functions": self.functions,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> QueryUse:
        """Read what `to_json` returned."""
        return cls(
            value["shape"],
            tuple(map(IndexNeed.from_json, value["needs"])),
            tuple(map(tuple, value["plan"])),
            value["isAggregation"],
            value["requests"],
            value["refused"],
            value["reads"],
            value["entries"],
            value["matched"],
            list(value["at"]),
            list(value["functions"]),
        )


@dataclass(frozen=True, slots=True)
class DatabaseUse:
    """What was asked of a database, and written to it. `left_out`: shapes there was no room for."""

    queries: tuple[QueryUse, ...] = ()
    written: tuple[WrittenDocuments, ...] = ()
    left_out: int = 0

    def to_json(self) -> dict[str, Any]:
        """Return it as data."""
        return {
            "queries": [use.to_json() for use in self.queries],
            "written": [documents.to_json() for documents in self.written],
            "leftOut": self.left_out,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> DatabaseUse:
        """Read what `to_json` returned."""
        return cls(
            tuple(map(QueryUse.from_json, value["queries"])),
            tuple(map(WrittenDocuments.from_json, value["written"])),
            value["leftOut"],
        )


def merged_uses(uses: Iterable[DatabaseUse]) -> DatabaseUse:
    """Return what several databases of one id, each of its own project, were asked together."""
    queries: dict[tuple[object, ...], QueryUse] = {}
    written: dict[str, WrittenDocuments] = {}
    left_out = 0
    for each in uses:
        left_out += each.left_out
        for use in each.queries:
            known = queries.setdefault((use.shape, use.needs), QueryUse(use.shape, use.needs))
            known.is_aggregation = use.is_aggregation
            known.merge(use)
        for documents in each.written:
            group = documents.collection_group
            written[group] = written[group].merged(documents) if group in written else documents
    return DatabaseUse(tuple(queries.values()), tuple(written.values()), left_out)


@dataclass(slots=True)
class _Written:
    """The latest documents of a collection group."""

    writes: int = 0
    documents: dict[ResourcePath, Fields] = field(default_factory=dict)

    def add(self, path: ResourcePath, fields: Fields) -> None:
        self.writes += 1
        self.documents.pop(path, None)
        self.documents[path] = fields
        if len(self.documents) > MAX_SAMPLED:
            del self.documents[next(iter(self.documents))]


class QueryUses:
    """Counts what one database is asked."""

    def __init__(self) -> None:
        self._uses: dict[tuple[str, int], QueryUse] = {}
        self._written: dict[str, _Written] = {}
        self._left_out = 0

    def add(self, record: RequestRecord) -> None:
        """Count a request that has ended."""
        if record.changes:
            self._add_changes(record)
        asked = record.asked
        if asked is None or (record.code is not StatusCode.OK and record.missing_index is None):
            return
        nearest = asked.query.find_nearest
        shape = record.query or query_shape(asked.query, asked.aggregations)
        key = (shape, 0 if nearest is None else len(nearest.query_vector))
        use = self._uses.get(key)
        if use is None:
            if len(self._uses) >= MAX_SHAPES:
                self._left_out += 1
                return
            needs = index_needs(asked.query, asked.aggregations)
            use = QueryUse(shape, needs, is_aggregation=bool(asked.aggregations))
            self._uses[key] = use
        use.add(record, asked)

    def _add_changes(self, record: RequestRecord) -> None:
        for change in record.changes:
            if change.after is None or is_example(change.after.fields):
                continue
            group = change.path.collection_id
            written = self._written.get(group)
            if written is None:
                if len(self._written) >= _MAX_GROUPS:
                    continue
                written = self._written[group] = _Written()
            written.add(change.path, change.after.fields)

    def use(self, definitions: IndexDefinitions) -> DatabaseUse:
        """Return what was counted. `definitions`: the indexes of what was written."""
        for use in self._uses.values():
            use.settle()
        return DatabaseUse(
            tuple(self._uses.values()),
            tuple(
                WrittenDocuments.of(group, written.writes, written.documents, definitions)
                for group, written in self._written.items()
            ),
            self._left_out,
        )

    def forget(self) -> None:
        """Begin anew."""
        self._uses.clear()
        self._written.clear()
        self._left_out = 0


def _scans(plan: QueryPlan) -> tuple[tuple[str, ...], ...]:
    """Return what serves each disjunct, equal ones once."""
    return tuple(
        dict.fromkeys(
            tuple(sorted(scan.index.properties for scan in disjunct.scans))
            for disjunct in plan.disjuncts
        )
    )
