"""What is over its budget: requests and budgets -> lines that say so, each followed by its causes.

A scenario's budget holds for one run of it, a function's for one run of the function on average,
and a query's for each single request.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence

from harness.billing.breakdown import breakdown
from harness.billing.usage import RequestUse
from harness.config import Budget, PartBudgets

FIGURES: Mapping[str, Callable[[RequestUse], float]] = {
    "reads": lambda use: use.operations.reads,
    "writes": lambda use: use.operations.writes,
    "deletes": lambda use: use.operations.deletes,
    "ttl_deletes": lambda use: use.operations.ttl_deletes,
    "index_entries": lambda use: use.index_entries,
}
"""What a budget limits of requests, by its key; a request's part of it."""


# Source: `query_shape` in backend/metering.py.
_PAGING = re.compile(r" (?:start (?:at|after)|end (?:at|before)|offset \d+|limit \d+)(?= |$)")


def scenario_over(
    name: str, budget: Budget, requests: Sequence[RequestUse], invocations: int
) -> list[str]:
    """Return what one run of a scenario has too much of."""
    lines = [
        line
        for key, figure, allowed in _exceeded(budget, requests)
        for line in (
            f'"{name}" costs {figure:g} {_words(key)}; its budget is {allowed}',
            *_causes(requests, key),
        )
    ]
    if budget.invocations is not None and invocations > budget.invocations:
        lines.append(
            f'"{name}" costs {invocations} invocations; its budget is {budget.invocations}'
        )
    return lines


def parts_over(
    requests: Sequence[RequestUse], runs: Mapping[str, int], budgets: PartBudgets
) -> list[str]:
    """Return what functions and single queries have too much of.

    Args:
        runs: How often each function ran; see `with_uncounted`.
    """
    return [
        *_functions_over(requests, runs, budgets.functions),
        *_queries_over(requests, budgets.queries),
    ]


def with_uncounted(requests: Sequence[RequestUse], runs: Mapping[str, int]) -> dict[str, int]:
    """Return how often each function ran, those among them that nobody has counted and that asked
    for something: once each.

    Storage and Auth events are delivered by the official emulators, which tell only in their log.
    """
    asked = {request.function: 1 for request in requests if request.function is not None}
    return {**asked, **{name: times for name, times in runs.items() if times}}


def budget_of_query(request: RequestUse, budgets: Mapping[str, Budget]) -> Budget | None:
    """Return a query's budget: that of its shape, or else of its shape without limit and cursors,
    or else of its collection.
    """
    if not request.is_query:
        return None
    names = (request.shape, _PAGING.sub("", request.shape), request.collection)
    return next((budgets[name] for name in names if name in budgets), None)


def without_budget(requests: Sequence[RequestUse], budgets: PartBudgets) -> list[str]:
    """Return the functions and the queries that no budget holds for."""
    functions = {use.function for use in requests if use.function is not None}
    queries = {
        _PAGING.sub("", use.shape)
        for use in requests
        if use.is_query and use.function is None and budget_of_query(use, budgets.queries) is None
    }
    return [*sorted(functions - budgets.functions.keys()), *sorted(queries)]


def _functions_over(
    requests: Sequence[RequestUse], runs: Mapping[str, int], budgets: Mapping[str, Budget]
) -> Iterator[str]:
    for name, budget in budgets.items():
        own = [request for request in requests if request.function == name]
        times = runs.get(name, 0) or 1
        for key, figure, allowed in _exceeded(budget, own, times):
            of = f" in {times} runs, {figure / times:.3g} a run" if times > 1 else ""
            yield (
                f"the function {name} costs {figure:g} {_words(key)}{of}; its budget is {allowed}"
            )
            yield from _causes(own, key)


def _queries_over(requests: Sequence[RequestUse], budgets: Mapping[str, Budget]) -> Iterator[str]:
    told = set()
    for request in requests:
        budget = budget_of_query(request, budgets)
        for key, figure, allowed in _exceeded(budget, [request]) if budget is not None else ():
            if (request.label, key) not in told:
                told.add((request.label, key))
                yield (
                    f"the query {request.shape} costs {figure:g} {_words(key)}; "
                    f"its budget is {allowed}"
                )
                yield from _causes([request], key)


def _exceeded(
    budget: Budget, requests: Sequence[RequestUse], times: int = 1
) -> Iterator[tuple[str, float, int]]:
    for key, of in FIGURES.items():
        allowed, figure = getattr(budget, key), sum(map(of, requests))
        if allowed is not None and figure > allowed * times:
            yield key, figure, allowed


def _causes(requests: Sequence[RequestUse], key: str) -> list[str]:
    return [f"  {line}" for line in breakdown(requests, _words(key), FIGURES[key])]


def _words(key: str) -> str:
    return key.replace("_", " ")
