"""How the cost of a scenario grows, and which of its requests make it grow: its requests at several
sizes of the data -> Growth of each figure, and of each shape of requests and function.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from harness.billing.budgets import FIGURES, budget_of_query
from harness.billing.growth import ORDERS, Growth, growth_of
from harness.billing.usage import RequestUse, by_shape
from harness.config import Budget, PartBudgets

BILLED = ("reads", "writes", "index entries")
"""The figures that a budget's `growth` holds for."""
_OF: Mapping[str, Callable[[RequestUse], float]] = {
    name.replace("_", " "): of for name, of in FIGURES.items()
}
_SHOWN = 6


@dataclass(frozen=True, slots=True)
class SizedRun:
    """One run of the scenario.

    Attributes:
        size: How much data there was.
        runs: How often each function ran in it.
    """

    size: int
    requests: tuple[RequestUse, ...]
    runs: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class PartGrowth:
    """How one shape of requests grew.

    Attributes:
        figure: One of `BILLED`.
        at: Lines that sent them, where they are known.
        functions: Functions that sent them.
    """

    label: str
    figure: str
    growth: Growth
    at: tuple[str, ...] = ()
    functions: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Return it in a line: `2 → 6 → 20 reads: RunQuery posts  at checks/test_feed.py:7`."""
        by = f" (function {', '.join(self.functions)})" if self.functions else ""
        where = f"  at {', '.join(self.at)}" if self.at else ""
        return f"{self.growth.course} {self.figure}: {self.label}{by}{where}"


def figures_growth(runs: Sequence[SizedRun]) -> dict[str, Growth]:
    """Return how each of `BILLED`, and the number of `requests`, grew."""
    sizes = [run.size for run in runs]
    returned = [_returned(run.requests) for run in runs]
    return {
        **{figure: _growth(runs, figure, results=returned) for figure in BILLED},
        "requests": growth_of(sizes, [len(run.requests) for run in runs]),
    }


def growing_parts(runs: Sequence[SizedRun], figure: str) -> list[PartGrowth]:
    """Return the shapes of requests of which there is more in the largest run than in the smallest,
    those that grew most first.
    """
    groups: dict[str, list[list[RequestUse]]] = {}
    for index, run in enumerate(runs):
        for request in run.requests:
            groups.setdefault(request.label, [[] for _ in runs])[index].append(request)
    parts = []
    for label, by_run in groups.items():
        growth = _growth(_only(runs, by_run), figure)
        if growth.figures[-1] > growth.figures[0]:
            (shape,) = by_shape(by_run[-1])
            parts.append(PartGrowth(label, figure, growth, shape.at, shape.functions))
    parts.sort(key=lambda part: (part.growth.figures[0] - part.growth.figures[-1], part.label))
    return parts[:_SHOWN]


def grows_too_fast(
    name: str, budget: Budget | None, parts: PartBudgets, runs: Sequence[SizedRun]
) -> list[str]:
    """Return a line for each figure that grows faster than a budget allows, each followed by the
    requests that it is made of.

    Args:
        budget: The scenario's own.
        parts: Those of functions, for one run on average, and of queries, for one request.
    """
    lines = []
    if budget is not None and budget.growth is not None:
        growths = figures_growth(runs)
        for figure in BILLED:
            if growths[figure].order > ORDERS[budget.growth]:
                lines.append(_too_fast(f'"{name}"', figure, growths[figure], budget.growth))
                lines += [f"  {part}" for part in growing_parts(runs, figure)]
    lines += _functions_too_fast(parts.functions, runs)
    lines += _queries_too_fast(parts.queries, runs)
    return lines


def _functions_too_fast(budgets: Mapping[str, Budget], runs: Sequence[SizedRun]) -> Iterator[str]:
    for name, budget in budgets.items():
        own = _only(runs, [[use for use in run.requests if use.function == name] for run in runs])
        if budget.growth is None or not all(run.requests for run in own):
            continue
        for figure in BILLED:
            growth = _growth(own, figure, shares=[run.runs.get(name) or 1 for run in own])
            if growth.order > ORDERS[budget.growth]:
                yield _too_fast(f"the function {name}", figure, growth, budget.growth)
                yield from (f"  {part}" for part in growing_parts(own, figure))


def _queries_too_fast(budgets: Mapping[str, Budget], runs: Sequence[SizedRun]) -> Iterator[str]:
    for label in dict.fromkeys(use.label for run in runs for use in run.requests):
        own = _only(runs, [[use for use in run.requests if use.label == label] for run in runs])
        if not all(run.requests for run in own):
            continue
        budget = budget_of_query(own[0].requests[0], budgets)
        if budget is None or budget.growth is None:
            continue
        times = [len(run.requests) for run in own]
        returned = [
            sum(use.returned for use in run.requests) / count
            for run, count in zip(own, times, strict=True)
        ]
        for figure in BILLED:
            growth = _growth(own, figure, results=returned, shares=times)
            if growth.order > ORDERS[budget.growth]:
                query = own[0].requests[0].shape
                yield _too_fast(f"the query {query}", figure, growth, budget.growth)
                yield from (f"  {part}" for part in growing_parts(own, figure))


def _only(runs: Sequence[SizedRun], requests: Sequence[Sequence[RequestUse]]) -> list[SizedRun]:
    return [
        SizedRun(run.size, tuple(own), run.runs) for run, own in zip(runs, requests, strict=True)
    ]


def _growth(
    runs: Sequence[SizedRun],
    figure: str,
    *,
    results: Sequence[float] | None = None,
    shares: Sequence[int] | None = None,
) -> Growth:
    """Judge one of `BILLED`, of each run's as many shares as there were."""
    shares = shares or [1] * len(runs)
    return growth_of(
        [run.size for run in runs],
        [_total(run.requests, figure) / share for run, share in zip(runs, shares, strict=True)],
        results,
        ahead=[_ahead(run, figure) / share for run, share in zip(runs, shares, strict=True)],
    )


def _ahead(run: SizedRun, figure: str) -> int:
    if figure != "index entries":
        return 0
    return sum(
        use.limit is not None and use.index_entries == use.returned + use.skipped + 1
        for use in run.requests
    )


def _too_fast(subject: str, figure: str, growth: Growth, allowed: str) -> str:
    return f"{subject}: {figure} grow {growth}; allowed: {ORDERS[allowed].words}"


def _total(requests: Sequence[RequestUse], figure: str) -> float:
    return sum(map(_OF[figure], requests))


def _returned(requests: Sequence[RequestUse]) -> int:
    """Return how many documents came back to who ran the scenario.

    What a function reads comes back to no one; and one get for each result of a query is no result
    of its own, but N+1.
    """
    return sum(
        request.returned
        for request in requests
        if request.function is None and (request.is_query or request.returned > 1)
    )
