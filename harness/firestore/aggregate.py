"""Count, sum and average over the result of a query."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import assert_never

from harness.firestore.documents import DocumentSnapshot
from harness.firestore.execute import Execution
from harness.firestore.query import Aggregation, AggregationKind
from harness.firestore.values import Value, get_field

_INT64_MIN = -(1 << 63)
_INT64_MAX = (1 << 63) - 1


def aggregate(execution: Execution, aggregations: Sequence[Aggregation]) -> dict[str, Value]:
    """Compute aggregations over one execution of their query, and return them by alias.

    A document that lacks a field of any sum or average is left out of all of them; the plan's index
    sees to that. A count alone is taken from the index without walking it.

    Source: observed: emulator 1.22.0; google.firestore.v1 StructuredAggregationQuery.
    """
    query, counts = execution.plan.query, execution.counts
    cap = _cap(query.limit, aggregations)
    wanted = None if cap is None else query.offset + cap
    only_counts = all(item.kind is AggregationKind.COUNT for item in aggregations)
    countable = execution.countable() if only_counts else None
    totals = {item.alias: _Total() for item in aggregations}
    if query.limit == 0:
        found = 0
    elif countable is not None:
        scanned = countable if wanted is None else min(countable, wanted)
        counts.index_entries = counts.documents = scanned
        found = max(0, scanned - query.offset)
    else:
        found = 0
        for document in execution.matching(wanted):
            counts.documents += 1
            if counts.documents > query.offset:
                found += 1
                _take_in(document, aggregations, totals)
    counts.skipped = min(counts.documents, query.offset)
    if not counts.documents and cap != 0:
        counts.index_entries = max(1, counts.index_entries)  # the probe that found nothing
    return {item.alias: _result(item, found, totals[item.alias]) for item in aggregations}


def _cap(limit: int | None, aggregations: Sequence[Aggregation]) -> int | None:
    """Return after how many results the walk may stop: at the limit, or where every count ends."""
    ups = [item.up_to for item in aggregations if item.kind is AggregationKind.COUNT]
    caps = [] if limit is None else [limit]
    if len(ups) == len(aggregations) and all(up is not None for up in ups):
        caps.append(max(up for up in ups if up is not None))
    return min(caps, default=None)


@dataclass(slots=True)
class _Total:
    """A running sum: integers exactly, doubles as doubles."""

    integers: int = 0
    doubles: float = 0.0
    has_doubles: bool = False
    count: int = 0


def _take_in(
    document: DocumentSnapshot,
    aggregations: Sequence[Aggregation],
    totals: dict[str, _Total],
) -> None:
    for item in aggregations:
        if item.field is None:
            continue
        value = get_field(document.fields, item.field)
        total = totals[item.alias]
        if type(value) is int:
            total.integers += value
        elif type(value) is float:
            total.doubles += value
            total.has_doubles = True
        else:
            continue
        total.count += 1


def _result(item: Aggregation, found: int, total: _Total) -> Value:
    match item.kind:
        case AggregationKind.COUNT:
            return found if item.up_to is None else min(found, item.up_to)
        case AggregationKind.SUM:
            if total.has_doubles:
                return float(total.integers) + total.doubles
            if _INT64_MIN <= total.integers <= _INT64_MAX:
                return total.integers
            return float(total.integers)
        case AggregationKind.AVG:
            if not total.count:
                return None
            if total.has_doubles:
                return (float(total.integers) + total.doubles) / total.count
            return total.integers / total.count
        case _:
            assert_never(item.kind)
