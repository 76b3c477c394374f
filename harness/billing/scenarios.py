"""What checks have measured, to and from JSON: scenarios with their cost, and how costs grow.

A scenario is what a user does: it has a name, and a check runs it. Reading and writing files is
the caller's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import floor, isclose, log10
from typing import Any

from harness.billing.findings import Finding, findings_of
from harness.billing.growth import Growth, Order
from harness.billing.operations import NOTHING, Operations
from harness.billing.usage import RequestUse, ShapeUse, by_shape, total_of

_BYTE_DIGITS = 2
"""Digits of a number of bytes that the same inputs give again: times in answers vary in length."""
_BYTES = ("egress_bytes", "stored_bytes")
_NEAR, _NEAR_BYTES = 0.1, 32
"""A difference of so much, or of so many bytes, is none."""


@dataclass(frozen=True, slots=True)
class ScenarioCost:
    """What one run of a scenario uses.

    Attributes:
        check: The node id of the check that ran it.
        index_entries: That its queries scanned.
        shapes: Its requests by shape, the dearest first.
    """

    name: str
    check: str
    operations: Operations
    index_entries: int = 0
    shapes: tuple[ShapeUse, ...] = ()
    findings: tuple[Finding, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return it as plain JSON values."""
        return {
            "scenario": self.name,
            "check": self.check,
            "operations": self.operations.to_json(),
            "indexEntries": self.index_entries,
            "requests": [_shape_to_json(shape) for shape in self.shapes],
            "findings": [_finding_to_json(finding) for finding in self.findings],
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> ScenarioCost:
        """Read what `to_json` gave.

        Raises:
            ValueError, KeyError, TypeError: It is something else.
        """
        return cls(
            value["scenario"],
            value["check"],
            Operations.from_json(value["operations"]),
            int(value["indexEntries"]),
            tuple(_shape_from_json(shape) for shape in value["requests"]),
            tuple(_finding_from_json(finding) for finding in value.get("findings", ())),
        )

    def settled(self) -> ScenarioCost:
        """Return what the same inputs give again: without lines, and bytes in round numbers."""
        return replace(
            self,
            operations=_rounded(self.operations),
            shapes=tuple(
                replace(shape, at=(), operations=_rounded(shape.operations))
                for shape in sorted(self.shapes, key=lambda shape: shape.label)
            ),
            findings=(),
        )

    def is_about(self, settled: ScenarioCost) -> bool:
        """Whether it differs from a cost that was settled before in nothing but a few bytes.

        A round number does not do alone: the next run's may be rounded the other way.
        """
        own = self.settled()
        pairs = [(own.operations, settled.operations)]
        pairs += [
            (shape.operations, before.operations)
            for shape, before in zip(own.shapes, settled.shapes, strict=False)
        ]
        return _without_bytes(own) == _without_bytes(settled) and all(
            isclose(getattr(a, name), getattr(b, name), rel_tol=_NEAR, abs_tol=_NEAR_BYTES)
            for a, b in pairs
            for name in _BYTES
        )


@dataclass(frozen=True, slots=True)
class GrowthCost:
    """How the cost of a scenario grows with the data.

    Attributes:
        growth: By figure: `reads`, `writes`, `index entries`, `requests`, `time`.
        allowed: What the budget allows, of the billed figures.
        parts: The shapes of requests that make it grow, a line each.
        findings: What costs more than it must at the largest size, a line each.
    """

    name: str
    check: str
    growth: Mapping[str, Growth]
    allowed: str | None = None
    parts: tuple[str, ...] = ()
    findings: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return it as plain JSON values."""
        return {
            "growth": self.name,
            "check": self.check,
            "allowed": self.allowed,
            "figures": {
                figure: {
                    "order": growth.order.name,
                    "sizes": list(growth.sizes),
                    "figures": list(growth.figures),
                    "exponent": round(growth.exponent, 2),
                }
                for figure, growth in self.growth.items()
            },
            "parts": list(self.parts),
            "findings": list(self.findings),
        }

    def settled(self) -> GrowthCost:
        """Return what the same inputs give again: without times and lines."""
        growth = {figure: each for figure, each in self.growth.items() if figure != "time"}
        return replace(self, growth=growth, parts=(), findings=())

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> GrowthCost:
        """Read what `to_json` gave; raises as `ScenarioCost.from_json`."""
        return cls(
            value["growth"],
            value["check"],
            {
                figure: Growth(
                    Order[part["order"]],
                    tuple(part["sizes"]),
                    tuple(part["figures"]),
                    float(part["exponent"]),
                )
                for figure, part in value["figures"].items()
            },
            value.get("allowed"),
            tuple(map(str, value.get("parts", ()))),
            tuple(map(str, value.get("findings", ()))),
        )


def scenario_cost(
    name: str, check: str, requests: Sequence[RequestUse], invocations: int
) -> ScenarioCost:
    """Return what requests, and functions that ran, make of a scenario."""
    total = total_of(requests) + Operations(invocations=invocations)
    return ScenarioCost(
        name,
        check,
        # What deletes more than it writes cannot do so for months on end.
        replace(total, stored_bytes=max(0, total.stored_bytes)),
        sum(request.index_entries for request in requests),
        tuple(by_shape(requests)),
        tuple(findings_of(requests)),
    )


def metrics_of(cost: ScenarioCost) -> dict[str, int]:
    """Return what of a cost goes into evidence: counts that the same inputs give again."""
    operations = cost.operations
    figures = {
        "reads": operations.reads,
        "writes": operations.writes,
        "deletes": operations.deletes,
        "TTL deletes": operations.ttl_deletes,
        "invocations": operations.invocations,
        "index entries": cost.index_entries,
    }
    return {
        f"{cost.name}: {figure}": int(count)
        for figure, count in figures.items()
        if count or figure == "reads"
    }


def metrics_of_growth(cost: GrowthCost) -> dict[str, str]:
    """Return what of a growth goes into evidence: never that of times."""
    return {
        f"{cost.name}: {figure} grow": growth.order.words
        for figure, growth in cost.growth.items()
        if figure not in ("time", "requests") and any(growth.figures)
    }


def by_name(costs: Iterable[ScenarioCost]) -> dict[str, ScenarioCost]:
    """Return each scenario once, in order of names: of one measured several times, the dearest."""
    found: dict[str, ScenarioCost] = {}
    for cost in costs:
        known = found.get(cost.name)
        if known is None or _rank(cost) > _rank(known):
            found[cost.name] = cost
    return dict(sorted(found.items()))


def _rank(cost: ScenarioCost) -> tuple[float, float, str]:
    return cost.operations.reads, cost.operations.writes, cost.check


def _without_bytes(cost: ScenarioCost) -> ScenarioCost:
    nothing = dict.fromkeys(_BYTES, 0)
    return replace(
        cost,
        operations=replace(cost.operations, **nothing),
        shapes=tuple(
            replace(shape, operations=replace(shape.operations, **nothing)) for shape in cost.shapes
        ),
    )


def _rounded(operations: Operations) -> Operations:
    return replace(
        operations,
        egress_bytes=_two_digits(operations.egress_bytes),
        stored_bytes=_two_digits(operations.stored_bytes),
    )


def _two_digits(number: float) -> float:
    if not number:
        return 0
    return round(number, _BYTE_DIGITS - 1 - floor(log10(abs(number))))


def _shape_to_json(shape: ShapeUse) -> dict[str, Any]:
    value: dict[str, Any] = {
        "request": shape.label,
        "times": shape.requests,
        "operations": shape.operations.to_json(),
        "returned": shape.returned,
        "indexEntries": shape.index_entries,
    }
    if shape.at:
        value["at"] = list(shape.at)
    if shape.functions:
        value["functions"] = list(shape.functions)
    return value


def _shape_from_json(value: Mapping[str, Any]) -> ShapeUse:
    return ShapeUse(
        value["request"],
        int(value["times"]),
        Operations.from_json(value["operations"]),
        int(value["returned"]),
        int(value["indexEntries"]),
        tuple(value.get("at", ())),
        tuple(value.get("functions", ())),
    )


def _finding_to_json(finding: Finding) -> dict[str, Any]:
    value: dict[str, Any] = {
        "id": finding.id,
        "name": finding.name,
        "subject": finding.subject,
        "detail": finding.detail,
        "change": finding.change,
    }
    if finding.saves != NOTHING:
        value["saves"] = finding.saves.to_json()
    if finding.at:
        value["at"] = list(finding.at)
    if finding.functions:
        value["functions"] = list(finding.functions)
    return value


def _finding_from_json(value: Mapping[str, Any]) -> Finding:
    return Finding(
        value["id"],
        value["name"],
        value["subject"],
        value["detail"],
        value["change"],
        Operations.from_json(value.get("saves", {})),
        tuple(value.get("at", ())),
        tuple(value.get("functions", ())),
    )
