"""Rules coverage as text for a terminal."""

from __future__ import annotations

import re
from collections.abc import Sequence

from harness.reports.escaping import one_line
from harness.rules.coverage_report import CoverageSummary, Gap, RootSummary, percent_text

# What every path of a service begins with.
_ROOT_MATCH = re.compile(r"^(/databases/[^/]+/documents|/b/[^/]+/o)(?=/)")
_MAX_GAPS = 40
_MAX_TEXT = 100


def summary_line(summary: CoverageSummary) -> str:
    """Return one line: `backend/firestore.rules: 87 % of expressions evaluated …`."""
    return (
        f"{one_line(summary.file_name)}: {percent_text(summary.evaluated.percent)} of"
        f" {summary.evaluated.whole} expressions evaluated,"
        f" {percent_text(summary.both.percent)} of {summary.both.whole} boolean ones"
        " both true and false"
    )


def coverage_lines(summary: CoverageSummary, *, all_gaps: bool = False) -> list[str]:
    """Return a table of statements and functions, and what was never evaluated.

    Args:
        all_gaps: List what was never true or never false as well, and all of it.
    """
    lines = [summary_line(summary), ""]
    rows = [_row(root) for root in summary.roots]
    header = ("line", "statement", "times", "evaluated", "true and false")
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    for row in (header, *rows):
        cells = [
            cell.ljust(width) if index == 1 else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append(f"  {'  '.join(cells)}".rstrip())
    gaps = [gap for root in summary.roots for gap in root.gaps] if all_gaps else summary.unevaluated
    if gaps:
        lines += ["", "  not seen:" if all_gaps else "  never evaluated:"]
        lines += [f"    {gap_line(gap)}" for gap in (gaps if all_gaps else gaps[:_MAX_GAPS])]
        if not all_gaps and len(gaps) > _MAX_GAPS:
            lines.append(f"    … and {len(gaps) - _MAX_GAPS} more (--all lists them)")
    return lines


def gap_line(gap: Gap) -> str:
    """Return a gap with its place, `file:line:column: text`, with what is missing if it is less
    than all.
    """
    text = one_line(gap.text)
    if len(text) > _MAX_TEXT:
        text = f"{text[: _MAX_TEXT - 1]}…"
    what = "" if gap.is_total else f"{gap.what}: "
    return f"{one_line(str(gap.position))}: {what}{text}"


def shortfalls(summaries: Sequence[CoverageSummary], minimum: float) -> list[str]:
    """Return a line for each file of which less than that many percent was evaluated."""
    return [
        f"{one_line(summary.file_name)}: {percent_text(summary.evaluated.percent)} of expressions"
        f" evaluated, less than {minimum:g} %"
        for summary in summaries
        if summary.evaluated.percent < minimum
    ]


def _row(root: RootSummary) -> tuple[str, ...]:
    title = root.title
    if not root.is_function:
        title += f" {_ROOT_MATCH.sub('', root.place) or root.place}"
    return (
        str(root.position.line),
        one_line(title),
        str(root.count),
        percent_text(root.evaluated.percent) if root.evaluated.whole else "-",
        percent_text(root.both.percent) if root.both.whole else "-",
    )
