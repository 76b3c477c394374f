"""How the cost of a scenario grows: it is run at several sizes of the data, billed each time."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import pytest

from harness.billing.growth import Growth, Order, growth_of_time
from harness.billing.scenario_growth import (
    BILLED,
    SizedRun,
    figures_growth,
    growing_parts,
    grows_too_fast,
)
from harness.billing.scenarios import GrowthCost
from harness.config import Settings
from harness.pytest_plugin.context import CheckContext
from harness.pytest_plugin.meter import CostMeter, metered

SIZES = (10, 100, 1_000)
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

    @property
    def runs(self) -> tuple[SizedRun, ...]:
        """What was asked at each size."""
        return tuple(
            SizedRun(size, cost.uses, cost.runs)
            for size, cost in zip(self.reads.sizes, self.costs, strict=True)
        )

    def too_fast(self, settings: Settings) -> list[str]:
        """Return a line for each billed figure that grows faster than the budgets of the scenario,
        its functions and its queries allow, each followed by the requests that make it grow.
        """
        budget = settings.budgets.get(self.name)
        return grows_too_fast(self.name, budget, settings.part_budgets, self.runs)

    def to_cost(self, check: str, allowed: str | None) -> GrowthCost:
        """Return it as it is kept for reports."""
        runs = self.runs
        return GrowthCost(
            self.name,
            check,
            self.figures,
            allowed,
            tuple(str(part) for figure in BILLED for part in growing_parts(runs, figure)),
            tuple(map(str, self.costs[-1].findings())),
        )


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
        nothing = median(time_of_nothing(context) for _ in range(_NOTHING_TIMES))
        started = time.perf_counter()
        with metered(context) as cost:
            run()
        ratios.append((time.perf_counter() - started) / max(nothing, 1e-6))
        cost.name = name
        costs.append(cost)
    figures = figures_growth(
        [SizedRun(size, cost.uses, cost.runs) for size, cost in zip(sizes, costs, strict=True)]
    )
    return MeasuredGrowth(
        name,
        reads=figures["reads"],
        writes=figures["writes"],
        index_entries=figures["index entries"],
        requests=figures["requests"],
        time=growth_of_time(sizes, ratios),
        costs=tuple(costs),
    )


def hold_to(settings: Settings, growth: MeasuredGrowth) -> None:
    """Fail the check when something grows faster than a budget allows."""
    __tracebackhide__ = True
    lines = growth.too_fast(settings)
    if lines:
        pytest.fail("\n".join(lines), pytrace=False)


def time_of_nothing(context: CheckContext) -> float:
    """Return how many seconds a read of a missing document takes."""
    started = time.perf_counter()
    context.admin_client.document("harness-nothing/here").get()
    return time.perf_counter() - started
