"""What the Firestore bills for the requests of a part of a check, and what a budget says to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from harness.billing.breakdown import breakdown
from harness.billing.budgets import parts_over, scenario_over, with_uncounted, without_budget
from harness.billing.findings import Finding, findings_of
from harness.billing.scenarios import ScenarioCost, scenario_cost
from harness.billing.usage import RequestUse
from harness.config import Budget, PartBudgets, Settings
from harness.pytest_plugin.context import CheckContext
from harness.pytest_plugin.figures import Figure


@dataclass(slots=True)
class QueryCost:
    """Billed operations of all requests of one shape, or of one function.

    Attributes:
        label: Such as `RunQuery orders where status == ? order by createdAt limit 20`.
        reads: Billed document reads; those of rules among them.
        plan: The indexes used.
        at: The lines that asked, where they are known: `checks/test_feed.py:12`.
        functions: The functions that asked.
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
    at: tuple[str, ...] = ()
    functions: tuple[str, ...] = ()

    def add(self, use: RequestUse) -> None:
        """Add one request."""
        self.requests += 1
        self.reads += int(use.operations.reads)
        self.writes += int(use.operations.writes)
        self.deletes += int(use.operations.deletes)
        self.rules_reads += use.rules_reads
        self.index_entries_scanned += use.index_entries
        self.documents_returned += use.returned
        self.plan = use.plan or self.plan
        if use.at is not None and use.at not in self.at:
            self.at = (*self.at, use.at)
        if use.function is not None and use.function not in self.functions:
            self.functions = (*self.functions, use.function)


class CostMeter:
    """The bill; it can be read when the `with` block has ended.

    Args:
        name: Of the scenario, if it has one.
        part_budgets: Those of functions and queries.
    """

    def __init__(self, name: str | None = None, part_budgets: PartBudgets | None = None) -> None:
        self.name = name
        self._part_budgets = part_budgets or PartBudgets()
        self._records: list[dict[str, Any]] | None = None
        self._uses: tuple[RequestUse, ...] = ()
        self._runs: dict[str, int] = {}

    def close(self, records: list[dict[str, Any]], runs: Mapping[str, int]) -> None:
        """Take the records of the block that has ended, and how often each function ran in it."""
        self._records = records
        self._uses = tuple(map(RequestUse.from_json, records))
        self._runs = with_uncounted(self._uses, runs)

    @property
    def requests(self) -> list[dict[str, Any]]:
        """Every request, in order, as the meter records it: `{"rpc": "RunQuery", "billed":
        {"reads": 20}, ...}`.
        """
        if self._records is None:
            raise RuntimeError("the cost is known when the `with query_cost()` block has ended")
        return self._records

    @property
    def uses(self) -> tuple[RequestUse, ...]:
        """Every request, in order."""
        _ = self.requests
        return self._uses

    @property
    def total(self) -> QueryCost:
        """All requests together."""
        cost = QueryCost("all requests")
        for use in self.uses:
            cost.add(use)
        cost.plan = cost.at = cost.functions = ()
        return cost

    @property
    def reads(self) -> Figure:
        """Billed document reads, those of rules among them."""
        return self._figure("reads", lambda use: use.operations.reads)

    @property
    def writes(self) -> Figure:
        """Billed writes."""
        return self._figure("writes", lambda use: use.operations.writes)

    @property
    def deletes(self) -> Figure:
        """Billed deletes."""
        return self._figure("deletes", lambda use: use.operations.deletes)

    @property
    def ttl_deletes(self) -> Figure:
        """Billed deletes of documents that had expired; not among the `deletes`."""
        return self._figure("deletes by TTL", lambda use: use.operations.ttl_deletes)

    @property
    def rules_reads(self) -> Figure:
        """Billed reads that rules made with get(), exists() and getAfter()."""
        return self._figure("reads by rules", lambda use: use.rules_reads)

    @property
    def index_entries_scanned(self) -> Figure:
        """Index entries that queries went through."""
        return self._figure("index entries", lambda use: use.index_entries)

    @property
    def index_entries(self) -> Figure:
        """The same, as budgets call it."""
        return self.index_entries_scanned

    @property
    def index_entries_written(self) -> Figure:
        """Index entries that writes wrote: not billed as such, but stored, and time at each."""
        return self._figure("index entries written", lambda use: use.entries_written)

    @property
    def egress_bytes(self) -> Figure:
        """Bytes of the answers."""
        return self._figure("bytes", lambda use: use.operations.egress_bytes)

    @property
    def stored_bytes(self) -> Figure:
        """Bytes by which storage grew, index entries included."""
        return self._figure("bytes", lambda use: use.operations.stored_bytes)

    @property
    def invocations(self) -> Figure:
        """Functions that were called, or got an event."""
        runs = sorted(self.runs.items(), key=lambda run: (-run[1], run[0]))
        return Figure(self._invocations, [f"{times} × {name}" for name, times in runs])

    @property
    def runs(self) -> Mapping[str, int]:
        """How often each function was called, or got an event."""
        _ = self.requests
        return self._runs

    @property
    def _invocations(self) -> int:
        return sum(self.runs.values())

    def by_query(self) -> list[QueryCost]:
        """Return the cost of each shape of request, the dearest in reads first."""
        return self._grouped(lambda use: use.label)

    def by_function(self) -> dict[str, QueryCost]:
        """Return what the requests of each function cost."""
        found = self._grouped(lambda use: use.function)
        return {cost.label: cost for cost in found}

    def by_chain(self) -> dict[str, QueryCost]:
        """Return what the requests of functions cost by what led to them: `onOrder → onLedger`."""
        found = self._grouped(lambda use: " → ".join(use.chain) or use.function)
        return {cost.label: cost for cost in found}

    def by_caller(self) -> dict[str, QueryCost]:
        """Return what each caller's requests cost: `admin`, `anonymous`, `user:ana`."""
        return {cost.label: cost for cost in self._grouped(lambda use: use.caller)}

    def findings(self) -> list[Finding]:
        """Return what costs more than it must: reads in a loop, offsets, missing limits…"""
        return findings_of(self.uses)

    def scenario(self, check: str) -> ScenarioCost:
        """Return the cost as it is kept for reports."""
        return scenario_cost(self.name or "", check, self.uses, self._invocations)

    def without_budget(self) -> list[str]:
        """Return the functions, and the queries of everybody else, that harness.yaml has no budget
        for.
        """
        return without_budget(self.uses, self._part_budgets)

    def over(self, budget: Budget | None) -> list[str]:
        """Return a line for each figure that is over its budget, those of functions and queries
        included, each followed by its causes.

        Args:
            budget: The scenario's own.
        """
        own = (
            scenario_over(self.name or "", budget, self.uses, self._invocations)
            if budget is not None
            else []
        )
        return [*own, *parts_over(self.uses, self.runs, self._part_budgets)]

    def _grouped(self, key: Callable[[RequestUse], str | None]) -> list[QueryCost]:
        costs: dict[str, QueryCost] = {}
        for use in self.uses:
            label = key(use)
            if label is not None:
                costs.setdefault(label, QueryCost(label)).add(use)
        return sorted(costs.values(), key=lambda cost: -cost.reads)

    def _figure(self, words: str, of: Callable[[RequestUse], float]) -> Figure:
        uses = self.uses
        return Figure(sum(map(of, uses)), breakdown(uses, words, of))


@contextmanager
def metered(
    context: CheckContext,
    name: str | None = None,
    settings: Settings | None = None,
    keep: Callable[[CostMeter], None] = lambda meter: None,
) -> Iterator[CostMeter]:
    """Bill what is asked of the database within the block.

    Args:
        name: Of a scenario: its cost is kept for the reports, and held to its budget if it has one.
        settings: With the budgets; None: nothing is held to any.
        keep: Takes the bill of a scenario.
    """
    __tracebackhide__ = True
    firestore = context.firestore
    mark = firestore.requests_since(None)["lastSequence"]
    invocations = context.invocations
    log = context.functions_log()
    meter = CostMeter(name, settings.part_budgets if settings is not None else None)
    yield meter
    answer = firestore.requests_since(mark)
    if answer["truncated"]:
        raise RuntimeError(
            "too many requests in one `with query_cost()` block: the meter has dropped the first"
        )
    counted = context.invocations - invocations
    # The log has those too that Storage and Auth events ran; what it lacks yet, the others have.
    meter.close(answer["requests"], counted | log.runs() if log is not None else counted)
    if name is not None:
        keep(meter)
    if settings is not None:
        over = meter.over(settings.budgets.get(name) if name is not None else None)
        if over:
            pytest.fail("\n".join(over), pytrace=False)
