"""What the Firestore bills for the requests of a part of a check."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from harness.pytest_plugin.admin import FirestoreAdmin


@dataclass(slots=True)
class QueryCost:
    """Billed operations of all requests of one shape.

    Attributes:
        label: Such as `RunQuery orders where status == ? order by createdAt limit 20`.
        reads: Billed document reads; those of rules among them.
        plan: The indexes used.
    """

    label: str
    requests: int = 0
    reads: int = 0
    writes: int = 0
    deletes: int = 0
    rules_reads: int = 0
    index_entries_scanned: int = 0
    documents_returned: int = 0
    plan: tuple[str, ...] = ()

    def add(self, record: dict[str, Any]) -> None:
        """Add one request, as the meter records it."""
        billed = record["billed"]
        self.requests += 1
        self.reads += billed["totalReads"]
        self.writes += billed["writes"]
        self.deletes += billed["deletes"]
        self.rules_reads += billed["rulesReads"]
        self.index_entries_scanned += billed["indexEntriesScanned"]
        self.documents_returned += billed["documentsReturned"]
        self.plan = tuple(record.get("plan", ())) or self.plan


class CostMeter:
    """The bill; it can be read when the `with` block has ended."""

    def __init__(self) -> None:
        self._records: list[dict[str, Any]] | None = None

    def close(self, records: list[dict[str, Any]]) -> None:
        """Take the records of the block that has ended."""
        self._records = records

    @property
    def requests(self) -> list[dict[str, Any]]:
        """Every request, in order, as the meter records it: `{"rpc": "RunQuery", "billed":
        {"reads": 20}, ...}`.
        """
        if self._records is None:
            raise RuntimeError("the cost is known when the `with query_cost()` block has ended")
        return self._records

    @property
    def total(self) -> QueryCost:
        """All requests together."""
        cost = QueryCost("all requests")
        for record in self.requests:
            cost.add(record)
        cost.plan = ()
        return cost

    @property
    def reads(self) -> int:
        """Billed document reads, those of rules among them."""
        return self.total.reads

    @property
    def writes(self) -> int:
        """Billed writes."""
        return self.total.writes

    @property
    def deletes(self) -> int:
        """Billed deletes."""
        return self.total.deletes

    @property
    def rules_reads(self) -> int:
        """Billed reads that rules made with get(), exists() and getAfter()."""
        return self.total.rules_reads

    @property
    def index_entries_scanned(self) -> int:
        """Index entries that queries went through."""
        return self.total.index_entries_scanned

    def by_query(self) -> list[QueryCost]:
        """Return the cost of each shape of request, the dearest in reads first."""
        costs: dict[str, QueryCost] = {}
        for record in self.requests:
            label = f"{record['rpc']} {record.get('query') or record['collection']}".strip()
            costs.setdefault(label, QueryCost(label)).add(record)
        return sorted(costs.values(), key=lambda cost: -cost.reads)


@contextmanager
def metered(firestore: FirestoreAdmin) -> Iterator[CostMeter]:
    """Bill what is asked of the database within the block."""
    mark = firestore.requests_since(None)["lastSequence"]
    meter = CostMeter()
    yield meter
    answer = firestore.requests_since(mark)
    if answer["truncated"]:
        raise RuntimeError(
            "too many requests in one `with query_cost()` block: the meter has dropped the first"
        )
    meter.close(answer["requests"])
