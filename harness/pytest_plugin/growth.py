"""How the cost of a scenario grows: it is run at several sizes of the data, billed each time."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import pytest

from harness.billing.growth import ORDERS, Growth, Order, growth_of, growth_of_time
from harness.billing.scenarios import GrowthCost
from harness.config import Budget
from harness.pytest_plugin.context import CheckContext
from harness.pytest_plugin.meter import CostMeter, metered

SIZES = (10, 100, 1_000)
_BILLED = ("reads", "writes", "index entries")
_NOTHING_TIMES = 5


@dataclass(frozen=True, slots=True)
class MeasuredGrowth:
    """How each figure of a scenario grew.

    Attributes:
        time: Of one run, as a multiple of a read of one missing document at the same moment; only
            its order means something.
        costs: The bill at each size.
    """

    name: str
    reads: Growth
    writes: Growth
    index_entries: Growth
    requests: Growth
    time: Growth
    costs: tuple[CostMeter, ...]

    @property
    def order(self) -> Order:
        """The fastest growth among what is billed or scanned: reads, writes, index entries."""
        return max(self.reads.order, self.writes.order, self.index_entries.order)

    @property
    def figures(self) -> dict[str, Growth]:
        """Every figure by its name in reports."""
        return {
            "reads": self.reads,
            "writes": self.writes,
            "index entries": self.index_entries,
            "requests": self.requests,
            "time": self.time,
        }

    def faster_than(self, allowed: str) -> list[str]:
        """Return a line for each billed figure that grows faster than is allowed, each followed by
        the requests of the largest size that it is made of.

        Args:
            allowed: `constant`, `page`, `result` or `collection`.
        """
        lines = []
        for name, growth in self.figures.items():
            if name in _BILLED and growth.order > ORDERS[allowed]:
                lines.append(
                    f'"{self.name}": {name} grow {growth}; allowed: {ORDERS[allowed].words}'
                )
                largest = self.costs[-1]
                figure = getattr(largest, name.replace(" ", "_"))
                lines += [f"  {line}" for line in figure.breakdown]
        return lines

    def to_cost(self, check: str, allowed: str | None) -> GrowthCost:
        """Return it as it is kept for reports."""
        return GrowthCost(self.name, check, self.figures, allowed)


def measure_growth(
    context: CheckContext,
    name: str,
    seed: Callable[[int, int], Any],
    run: Callable[[], Any],
    sizes: Sequence[int],
) -> MeasuredGrowth:
    """Run a scenario at several sizes of the data.

    Args:
        seed: Adds the documents numbered from its first argument on to its second one, left out;
            no function hears of them.
        run: The scenario.
        sizes: How many documents there shall be: at least three, ascending.
    """
    costs, ratios, present = [], [], 0
    for size in sizes:
        with context.without_events():
            seed(present, size)
        present = size
        nothing = median(_time_of_nothing(context) for _ in range(_NOTHING_TIMES))
        started = time.perf_counter()
        with metered(context) as cost:
            run()
        ratios.append((time.perf_counter() - started) / max(nothing, 1e-6))
        cost.name = name
        costs.append(cost)
    returned = [cost.total.documents_returned for cost in costs]
    return MeasuredGrowth(
        name,
        reads=growth_of(sizes, [cost.reads for cost in costs], returned),
        writes=growth_of(sizes, [cost.writes for cost in costs]),
        index_entries=growth_of(sizes, [cost.index_entries for cost in costs], returned),
        requests=growth_of(sizes, [len(cost.requests) for cost in costs]),
        time=growth_of_time(sizes, ratios),
        costs=tuple(costs),
    )


def hold_to(budget: Budget | None, growth: MeasuredGrowth) -> None:
    """Fail the check when something grows faster than its budget allows."""
    __tracebackhide__ = True
    if budget is not None and budget.growth is not None:
        lines = growth.faster_than(budget.growth)
        if lines:
            pytest.fail("\n".join(lines), pytrace=False)


def _time_of_nothing(context: CheckContext) -> float:
    started = time.perf_counter()
    context.admin_client.document("harness-nothing/here").get()
    return time.perf_counter() - started
