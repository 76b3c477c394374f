"""What counts say of a ruleset: the official JSON report, and percentages with what is missing.

Source of the JSON: observed: emulator 1.22.0, `GET /emulator/v1/projects/P:ruleCoverage`. Extra
here: values that were not kept are `{"elidedValue": {"type": "map"}}`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.rules.coverage import FALSE, TRUE, CoverageCounts
from harness.rules.coverage_layout import CoverageLayout, CoverageNode, CoverageRoot
from harness.source import SourcePosition, SourceText, Span

# --- the official report ----------------------------------------------------------------------


def official_report(layout: CoverageLayout, counts: CoverageCounts) -> dict[str, Any]:
    """Return the JSON of `:ruleCoverage`: the rules, and a tree for each condition and function.

    `{"rules": {"files": [{"content": ..., "name": ...}]}, "report": [{"sourcePosition": ...,
    "values": [{"value": {"boolValue": true}, "count": 2}], "children": [...]}]}`. What is empty is
    left out.
    """
    writer = _ReportWriter(layout, counts)
    files = [{"content": counts.text, "name": counts.file_name}]
    report = [writer.node(root.node, 0) for root in layout.roots if root.node is not None]
    report.sort(key=lambda node: node["sourcePosition"]["currentOffset"])
    return {"rules": {"files": files}, **({"report": report} if report else {})}


class _ReportWriter:
    def __init__(self, layout: CoverageLayout, counts: CoverageCounts) -> None:
        self._counts = counts
        self._source = SourceText(counts.file_name, counts.text)
        # Errors say where they arose by the expression's own span.
        self._blamed = {node.span: node.blamed for node in layout.expressions()}

    def node(self, node: CoverageNode, skipped: int) -> dict[str, Any]:
        """Write a node; `skipped` times something around it was decided without it."""
        result: dict[str, Any] = {"sourcePosition": self._position(node.reported)}
        values = self._values(node.span)
        if skipped:
            values.append({"value": {}, "count": skipped})
        if values:
            result["values"] = values
        count = self._counts.count(node.span)
        children = [
            self.node(
                child,
                skipped
                + (max(0, count - self._counts.count(child.span)) if child.is_optional else 0),
            )
            for child in node.children
        ]
        if children:
            result["children"] = children
        return result

    def _values(self, span: Span) -> list[dict[str, Any]]:
        found = []
        for text, count in self._counts.of(span).items():
            value = json.loads(text)
            undefined = value.get("undefined")
            if undefined is not None and "sourcePosition" in undefined:
                at = Span(*undefined["sourcePosition"])
                position = self._position(self._blamed.get(at, at))
                value = {"undefined": {**undefined, "sourcePosition": position}}
            found.append({"value": value, "count": count})
        return found

    def _position(self, span: Span) -> dict[str, int]:
        at = self._source.position(span.start)
        return {
            "line": at.line,
            "column": at.column,
            "currentOffset": span.start,
            "endOffset": max(span.start, span.end - 1),
        }


# --- percentages ------------------------------------------------------------------------------

NEVER_EVALUATED = "never evaluated"


@dataclass(frozen=True, slots=True)
class Share:
    """How many of how many."""

    part: int
    whole: int

    @property
    def percent(self) -> float:
        """The part in percent; of nothing, all is there."""
        return 100.0 * self.part / self.whole if self.whole else 100.0

    def __add__(self, other: Share) -> Share:
        return Share(self.part + other.part, self.whole + other.whole)

    def __str__(self) -> str:
        return f"{percent_text(self.percent)} ({self.part} of {self.whole})"


def percent_text(percent: float) -> str:
    """Return a percentage rounded down, so that 100 % means all."""
    tenths = int(percent * 10 + 1e-9)
    return f"{tenths // 10} %" if tenths % 10 == 0 else f"{tenths / 10:.1f} %"


@dataclass(frozen=True, slots=True)
class Gap:
    """An expression that was not fully seen.

    Args:
        position: Where it begins.
        span: As it was read.
        text: The expression, in one line.
        what: What was not seen: `never evaluated`, `never true`, ....
    """

    position: SourcePosition
    span: Span
    text: str
    what: str

    @property
    def is_total(self) -> bool:
        """Whether the expression was never evaluated."""
        return self.what == NEVER_EVALUATED


@dataclass(frozen=True, slots=True)
class RootSummary:
    """What was seen of one allow statement or function.

    Args:
        title: `allow get` or `function isOwner`.
        place: The path of an allow; a function's name.
        is_function: Which of the two it is.
        position: Where the statement begins.
        count: How often it was evaluated.
        evaluated: Expressions that were evaluated, of all.
        both: Boolean expressions that were both true and false, of all boolean ones.
        gaps: What is missing; parts of something that was never evaluated are not listed again.
    """

    title: str
    place: str
    is_function: bool
    position: SourcePosition
    count: int
    evaluated: Share
    both: Share
    gaps: tuple[Gap, ...]


@dataclass(frozen=True, slots=True)
class CoverageSummary:
    """What was seen of one ruleset."""

    file_name: str
    roots: tuple[RootSummary, ...]

    @property
    def evaluated(self) -> Share:
        """Expressions that were evaluated, of all: the percentage that a threshold is for."""
        return sum((root.evaluated for root in self.roots), Share(0, 0))

    @property
    def both(self) -> Share:
        """Boolean expressions that were both true and false, of all boolean ones."""
        return sum((root.both for root in self.roots), Share(0, 0))

    @property
    def unevaluated(self) -> Sequence[Gap]:
        """What was never evaluated."""
        return [gap for root in self.roots for gap in root.gaps if gap.is_total]


def summarize(layout: CoverageLayout, counts: CoverageCounts) -> CoverageSummary:
    """Work out the percentages of a ruleset."""
    source = SourceText(counts.file_name, counts.text)
    return CoverageSummary(
        counts.file_name, tuple(_root_summary(source, root, counts) for root in layout.roots)
    )


def _root_summary(source: SourceText, root: CoverageRoot, counts: CoverageCounts) -> RootSummary:
    nodes = list(root.expressions())
    boolean = [node for node in nodes if node.is_boolean]
    seen = [counts.of(node.span) for node in boolean]
    return RootSummary(
        root.title,
        root.place,
        root.is_function,
        source.position(root.span.start),
        counts.count(root.counted),
        Share(sum(counts.count(node.span) > 0 for node in nodes), len(nodes)),
        Share(sum(TRUE in visits and FALSE in visits for visits in seen), len(boolean)),
        tuple(_gaps(source, root.node, counts)) if root.node is not None else (),
    )


def _gaps(source: SourceText, node: CoverageNode, counts: CoverageCounts) -> Iterator[Gap]:
    what = None if node.is_function else _missing(node, counts.of(node.span))
    if what is not None:
        text = " ".join(source.text[node.span.start : node.span.end].split())
        yield Gap(source.position(node.span.start), node.span, text, what)
    if what != NEVER_EVALUATED:
        for child in node.children:
            yield from _gaps(source, child, counts)


def _missing(node: CoverageNode, visits: Mapping[str, int]) -> str | None:
    if not visits:
        return NEVER_EVALUATED
    if not node.is_boolean:
        return None
    if TRUE not in visits and FALSE not in visits:
        return "neither true nor false, only errors"
    if TRUE not in visits:
        return "never true"
    return "never false" if FALSE not in visits else None
