"""What requests cost, how that grows, and how long calls take under a load."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol

import pytest

if TYPE_CHECKING:
    from harness.config import Settings
    from harness.load.result import LoadResult
    from harness.pytest_plugin.context import CheckContext
    from harness.pytest_plugin.growth import MeasuredGrowth
    from harness.pytest_plugin.meter import CostMeter


class MeasureCost(Protocol):
    """How `query_cost` is called."""

    def __call__(self, name: str | None = None) -> AbstractContextManager[CostMeter]:
        """Return the block whose requests are billed."""


class MeasureCostGrowth(Protocol):
    """How `cost_growth` is called."""

    def __call__(
        self,
        name: str,
        seed: Callable[[int, int], Any],
        run: Callable[[], Any],
        sizes: Sequence[int] = ...,
    ) -> MeasuredGrowth:
        """Return how the cost of `run` grows."""


class MakeLoad(Protocol):
    """How `steady_load` is called."""

    def __call__(
        self,
        name: str,
        work: Callable[[int], Any],
        *,
        noop: Callable[[], Any] | None = None,
        per_second: float = ...,
        seconds: float = ...,
        callers: int = ...,
        warm_up: int = ...,
        timeout_s: float = ...,
        cold: float | None = None,
        p50: float | None = None,
        p95: float | None = None,
    ) -> LoadResult:
        """Return the latencies of `work` under a steady load."""


@pytest.fixture
def query_cost(
    request: pytest.FixtureRequest, harness_check: CheckContext, harness_settings: Settings
) -> MeasureCost:
    """A function that gives a context manager: what the Firestore bills for the requests within
    it.

    `query_cost("open a group")` names a scenario: its cost goes into the reports, and the check
    fails when it is over the budget of that name in harness.yaml. Budgets of functions and queries
    hold in every block.
    """
    from harness.billing.scenarios import metrics_of
    from harness.pytest_plugin.costs import keep_cost
    from harness.pytest_plugin.meter import metered
    from harness.pytest_plugin.recorder import findings_of

    def keep(meter: CostMeter) -> None:
        measured = meter.scenario(request.node.nodeid)
        keep_cost(request.config, measured)
        for name, value in metrics_of(measured).items():
            findings_of(request.node).add_metric(name, value)

    return lambda name=None: metered(harness_check, name, harness_settings, keep)


@pytest.fixture
def cost_growth(
    request: pytest.FixtureRequest, harness_check: CheckContext, harness_settings: Settings
) -> MeasureCostGrowth:
    """A function that runs a scenario at several sizes of the data and says how its cost grows.

    `cost_growth("open a group", seed, run)`: `seed(start, end)` adds the documents numbered so. The
    check fails when the budget of that name in harness.yaml allows less growth.
    """
    from harness.billing.scenarios import metrics_of_growth
    from harness.pytest_plugin.costs import keep_cost
    from harness.pytest_plugin.growth import SIZES, hold_to, measure_growth
    from harness.pytest_plugin.recorder import findings_of

    def measure(
        name: str,
        seed: Callable[[int, int], Any],
        run: Callable[[], Any],
        sizes: Sequence[int] = SIZES,
    ) -> MeasuredGrowth:
        __tracebackhide__ = True
        budget = harness_settings.budgets.get(name)
        wanted = request.config.getoption("--harness-growth-name")
        if wanted and name not in wanted:
            pytest.skip(f"only the growth of {', '.join(wanted)} is asked for")
        asked = request.config.getoption("--harness-growth-sizes")
        sizes = tuple(map(int, asked.split(","))) if asked else sizes
        growth = measure_growth(harness_check, name, seed, run, sizes)
        allowed = budget.growth if budget is not None else None
        measured = growth.to_cost(request.node.nodeid, allowed)
        keep_cost(request.config, measured)
        for metric, value in metrics_of_growth(measured).items():
            findings_of(request.node).add_metric(metric, value)
        hold_to(harness_settings, growth)
        return growth

    return measure


@pytest.fixture
def steady_load(request: pytest.FixtureRequest, harness_check: CheckContext) -> MakeLoad:
    """A function that makes calls at a steady rate and says how long they take, as multiples of a
    call that does nothing: `steady_load("settle up", work, noop=nothing, p95=15)`.

    The check fails when a call fails or is not answered, and when a ratio is surely over its limit.
    With a limit for `cold`, functions are loaded anew before the first call.
    """
    from harness.load.schedule import Schedule
    from harness.pytest_plugin.growth import time_of_nothing
    from harness.pytest_plugin.load import run_load, table_of
    from harness.pytest_plugin.recorder import findings_of

    def load(
        name: str,
        work: Callable[[int], Any],
        *,
        noop: Callable[[], Any] | None = None,
        per_second: float = 10,
        seconds: float = 3,
        callers: int = 16,
        warm_up: int = 0,
        timeout_s: float = 30,
        cold: float | None = None,
        p50: float | None = None,
        p95: float | None = None,
    ) -> LoadResult:
        __tracebackhide__ = True
        wanted = {"cold": cold, "p50": p50, "p95": p95}
        limits = {key: limit for key, limit in wanted.items() if limit is not None}
        result = run_load(
            harness_check,
            name,
            work,
            noop or (lambda: time_of_nothing(harness_check)),
            Schedule(per_second, seconds),
            callers=callers,
            warm_up=warm_up,
            cold_start=cold is not None,
            timeout_s=timeout_s,
        )
        findings_of(request.node).tables.append(table_of(result, limits))
        over = result.over(limits)
        if over:
            pytest.fail("\n".join(over), pytrace=False)
        return result

    return load
