"""Requests as the meter of the embedded Firestore recorded them: its JSON -> RequestUse.

Only what cost is about; `backend/metering.py` says what else a record holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from harness.billing.operations import NOTHING, Operations

_AGGREGATIONS = frozenset({"RunAggregationQuery"})
QUERIES = frozenset({"RunQuery", "Listen", "RunAggregationQuery"})


@dataclass(frozen=True, slots=True)
class RequestUse:
    """One request, with what it was billed.

    Attributes:
        rpc: The method on the wire.
        shape: The query with its operands left out, or the collections that it touched.
        collection: Such as `groups/*/expenses`; several are joined by a comma.
        caller: Such as `admin` or `user:ana`.
        function: The function that sent it; None for everyone else.
        chain: The functions that led to it, the one that sent it last; empty where there is one at
            most.
        at: The line that sent it, `file:line`, where it is known.
        limit: Of a query; None: it has none.
        skipped: Documents that an offset passed over: billed, not returned.
        documents: The paths that it read or wrote one by one, where they were recorded.
        writes_without_change: Of its writes, those that left the document as it was.
        entries_written: Index entries that its writes wrote.
    """

    rpc: str
    shape: str
    collection: str
    caller: str
    operations: Operations
    rules_reads: int = 0
    returned: int = 0
    index_entries: int = 0
    entries_billed: int = 0
    plan: tuple[str, ...] = ()
    function: str | None = None
    chain: tuple[str, ...] = ()
    at: str | None = None
    is_query: bool = False
    limit: int | None = None
    skipped: int = 0
    documents: tuple[str, ...] = ()
    writes_without_change: int = 0
    entries_written: int = 0
    succeeded: bool = True

    @property
    def label(self) -> str:
        """Return it as reports name it: `RunQuery orders where status == ? limit 20`."""
        return f"{self.rpc} {self.shape}".strip()

    @property
    def is_aggregation(self) -> bool:
        """Whether it counts or sums."""
        return self.rpc in _AGGREGATIONS

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> RequestUse:
        """Read a record of the control route `requests`."""
        billed = record["billed"]
        query = record.get("query")
        return cls(
            rpc=record["rpc"],
            shape=query or record["collection"],
            collection=record["collection"],
            caller=record["caller"],
            operations=Operations(
                reads=billed["totalReads"],
                writes=billed["writes"],
                deletes=billed["deletes"],
                egress_bytes=billed.get("egressBytes", 0),
                stored_bytes=record.get("storedBytes", 0),
                ttl_deletes=billed.get("ttlDeletes", 0),
            ),
            rules_reads=billed["rulesReads"],
            returned=billed["documentsReturned"],
            index_entries=billed["indexEntriesScanned"],
            entries_billed=billed["indexEntriesBilled"],
            plan=tuple(record.get("plan", ())),
            function=record.get("function"),
            chain=tuple(record.get("chain", ())),
            at=record.get("source"),
            is_query=query is not None,
            limit=record.get("limit"),
            skipped=billed.get("documentsSkipped", 0),
            documents=tuple(record.get("documents", ())),
            writes_without_change=billed.get("writesWithoutChange", 0),
            entries_written=record.get("indexEntriesWritten", 0),
            succeeded=record["status"] == "OK",
        )


@dataclass(frozen=True, slots=True)
class ShapeUse:
    """All requests of one shape, from one caller's place.

    Attributes:
        label: As `RequestUse.label`.
        at: Lines that sent them, each once.
    """

    label: str
    requests: int
    operations: Operations
    returned: int
    index_entries: int
    at: tuple[str, ...]
    functions: tuple[str, ...]


def by_shape(requests: Iterable[RequestUse]) -> list[ShapeUse]:
    """Put requests of one shape together; the dearest in reads first."""
    groups: dict[str, list[RequestUse]] = {}
    for request in requests:
        groups.setdefault(request.label, []).append(request)
    shapes = [
        ShapeUse(
            label,
            len(group),
            total_of(group),
            sum(request.returned for request in group),
            sum(request.index_entries for request in group),
            tuple(dict.fromkeys(request.at for request in group if request.at)),
            tuple(dict.fromkeys(request.function for request in group if request.function)),
        )
        for label, group in groups.items()
    ]
    return sorted(shapes, key=lambda shape: (-shape.operations.reads, shape.label))


def total_of(requests: Iterable[RequestUse]) -> Operations:
    """Return what requests were billed together."""
    return sum((request.operations for request in requests), NOTHING)
