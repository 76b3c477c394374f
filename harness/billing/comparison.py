"""Two measurements of the same scenarios -> what has become dearer or grows faster, and by which
requests.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from harness.billing.growth import Growth
from harness.billing.scenario_growth import BILLED
from harness.billing.scenarios import GrowthCost, ScenarioCost

COMPARED = ("reads", "writes", "deletes", "TTL deletes", "invocations", "index entries")


@dataclass(frozen=True, slots=True)
class RequestChange:
    """One shape of requests, before and after."""

    label: str
    before: float
    after: float
    at: tuple[str, ...] = ()
    functions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FigureChange:
    """One figure of a scenario.

    Attributes:
        figure: One of `COMPARED`.
        is_regression: Whether it grew by more than is tolerated.
        requests: What caused it, the largest growth first; none for invocations.
    """

    scenario: str
    figure: str
    before: float
    after: float
    is_regression: bool
    requests: tuple[RequestChange, ...] = ()


@dataclass(frozen=True, slots=True)
class GrowthChange:
    """A figure that grows in another order than before.

    Attributes:
        figure: One of `BILLED`.
        parts: The requests that make it grow now, a line each.
    """

    scenario: str
    figure: str
    before: Growth
    after: Growth
    parts: tuple[str, ...] = ()

    @property
    def is_regression(self) -> bool:
        """Whether it grows faster."""
        return self.after.order > self.before.order


@dataclass(frozen=True, slots=True)
class Comparison:
    """All that differs.

    Attributes:
        added: Scenarios that were not measured before.
        gone: Scenarios that are not measured any more.
    """

    changes: tuple[FigureChange, ...]
    growth: tuple[GrowthChange, ...]
    added: tuple[str, ...]
    gone: tuple[str, ...]

    @property
    def has_regressions(self) -> bool:
        """Whether something is not tolerated."""
        return any(change.is_regression for change in self.changes) or any(
            change.is_regression for change in self.growth
        )


def compare(
    before: Mapping[str, ScenarioCost],
    after: Mapping[str, ScenarioCost],
    growth_before: Iterable[GrowthCost] = (),
    growth_after: Iterable[GrowthCost] = (),
    *,
    tolerance_percent: float = 0,
) -> Comparison:
    """Compare measurements.

    Args:
        tolerance_percent: By how much a figure may grow.
    """
    changes = [
        change
        for name in sorted(before.keys() & after.keys())
        for change in _changes(before[name], after[name], tolerance_percent)
    ]
    return Comparison(
        tuple(changes),
        tuple(_growth_changes(growth_before, growth_after)),
        tuple(sorted(after.keys() - before.keys())),
        tuple(sorted(before.keys() - after.keys())),
    )


def _changes(
    before: ScenarioCost, after: ScenarioCost, tolerance_percent: float
) -> Iterator[FigureChange]:
    old, new = _figures(before), _figures(after)
    for figure in COMPARED:
        if old[figure] != new[figure]:
            yield FigureChange(
                before.name,
                figure,
                old[figure],
                new[figure],
                new[figure] > old[figure] * (1 + tolerance_percent / 100),
                _causes(before, after, figure),
            )


def _growth_changes(
    before: Iterable[GrowthCost], after: Iterable[GrowthCost]
) -> Iterator[GrowthChange]:
    known = {(each.name, figure): each.growth[figure] for each in before for figure in each.growth}
    for each in after:
        for figure in BILLED:
            old, new = known.get((each.name, figure)), each.growth.get(figure)
            if old is not None and new is not None and old.order != new.order:
                parts = tuple(part for part in each.parts if f" {figure}: " in part)
                yield GrowthChange(each.name, figure, old, new, parts)


def _figures(cost: ScenarioCost) -> dict[str, float]:
    operations = cost.operations
    return {
        "reads": operations.reads,
        "writes": operations.writes,
        "deletes": operations.deletes,
        "TTL deletes": operations.ttl_deletes,
        "invocations": operations.invocations,
        "index entries": cost.index_entries,
    }


def _causes(before: ScenarioCost, after: ScenarioCost, figure: str) -> tuple[RequestChange, ...]:
    old, new = _by_label(before, figure), _by_label(after, figure)
    shapes = {shape.label: shape for shape in after.shapes}
    changed = [
        RequestChange(
            label,
            old.get(label, 0),
            new.get(label, 0),
            shapes[label].at if label in shapes else (),
            shapes[label].functions if label in shapes else (),
        )
        for label in {**old, **new}
        if old.get(label, 0) != new.get(label, 0)
    ]
    return tuple(sorted(changed, key=lambda each: (each.before - each.after, each.label)))


def _by_label(cost: ScenarioCost, figure: str) -> dict[str, float]:
    if figure == "index entries":
        return {shape.label: shape.index_entries for shape in cost.shapes}
    name = "ttl_deletes" if figure == "TTL deletes" else figure
    return {shape.label: getattr(shape.operations, name) for shape in cost.shapes}
