"""Rules coverage as an LCOV tracefile, for genhtml, editors and coverage services.

Source: geninfo(1), "FILES": the tracefile format.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from harness.rules.coverage import FALSE, TRUE, CoverageCounts
from harness.rules.coverage_layout import CoverageLayout
from harness.source import SourceText


def lcov_text(rulesets: Iterable[tuple[CoverageLayout, CoverageCounts]]) -> str:
    """Return a tracefile with one section for each ruleset.

    A line counts as often as the expression or allow statement that begins on it and was evaluated
    most. Each boolean expression is a branch with two ways, true and false. A function counts its
    calls.
    """
    return "".join(_section(layout, counts) for layout, counts in rulesets)


def _section(layout: CoverageLayout, counts: CoverageCounts) -> str:
    source = SourceText(counts.file_name, counts.text)
    lines: Counter[int] = Counter()
    functions: list[tuple[int, str, int]] = []
    names: Counter[str] = Counter()
    for root in layout.roots:
        line = source.position(root.span.start).line
        count = counts.count(root.counted)
        if root.is_function:
            names[root.place] += 1
            # A name may be declared in several places, and a tracefile has each name once.
            again = f"@{line}" if names[root.place] > 1 else ""
            functions.append((line, root.place + again, count))
            line = source.position(root.counted.start).line
        _raise_to(lines, line, count)
    branches = []
    for node in layout.expressions():
        line = source.position(node.reported.start).line
        count = counts.count(node.span)
        _raise_to(lines, line, count)
        if node.is_boolean:
            visits = counts.of(node.span)
            ways = [visits.get(TRUE, 0), visits.get(FALSE, 0)]
            branches.append((line, ways if count else None))
    branches.sort(key=lambda branch: branch[0])
    return "\n".join(
        [
            "TN:",
            f"SF:{counts.file_name}",
            *(f"FN:{line},{name}" for line, name, _ in functions),
            *(f"FNDA:{count},{name}" for _, name, count in functions),
            f"FNF:{len(functions)}",
            f"FNH:{sum(count > 0 for _, _, count in functions)}",
            *_branch_lines(branches),
            *(f"DA:{line},{count}" for line, count in sorted(lines.items())),
            f"LF:{len(lines)}",
            f"LH:{sum(count > 0 for count in lines.values())}",
            "end_of_record",
            "",
        ]
    )


def _raise_to(lines: Counter[int], line: int, count: int) -> None:
    lines[line] = max(lines[line], count)


def _branch_lines(branches: list[tuple[int, list[int] | None]]) -> list[str]:
    """Return BRDA lines; `-` for an expression that was never evaluated."""
    found = []
    blocks: Counter[int] = Counter()
    taken = 0
    for line, ways in branches:
        for way in (0, 1):
            count = "-" if ways is None else str(ways[way])
            taken += count not in ("-", "0")
            found.append(f"BRDA:{line},{blocks[line]},{way},{count}")
        blocks[line] += 1
    return [*found, f"BRF:{2 * len(branches)}", f"BRH:{taken}"]
