"""What mutation testing found, as text and as JSON.

Survivors come as diffs of the user's own text, each with the request that it answers otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from harness.review.mutants import Effect
from harness.review.scoring import Finding, Standing, Tally, by_operator, tally
from harness.source import SourceText

# Writes a request as a row of the access matrix; None where it cannot be one.
RowWriter = Callable[[Finding], str | None]


def no_row(finding: Finding) -> str | None:
    """Write no row."""
    return None


def survivors(findings: Sequence[Finding]) -> list[Finding]:
    """Return those that nothing noticed, those first that are known to allow something."""
    found = [each for each in findings if each.standing is Standing.SURVIVED]
    found.sort(key=_rank)
    return found


def _rank(finding: Finding) -> int:
    if finding.example is not None:
        return 0 if finding.example.allowed else 1
    return 3 if finding.mutant.effect is Effect.NARROWS else 2


def survivor_text(finding: Finding, source: SourceText, row: RowWriter = no_row) -> str:
    """Return one survivor: where and what it is, the diff, the request."""
    mutant = finding.mutant
    lines = [
        f"{mutant.position}: survived: {mutant.description} [{mutant.operator}, {mutant.id}]",
        *(f"  {line}" for line in mutant.diff(source).splitlines()),
    ]
    example = finding.example
    if example is None:
        what = "allows" if mutant.effect is Effect.WIDENS else "answers otherwise"
        lines.append(f"  no request was found that it {what}: it may mean the same")
    else:
        answer = "allowed" if example.allowed else "denied"
        lines.append(f"  would now be {answer}: {example.recorded.title}")
        text = row(finding)
        if text is not None:
            lines.append("  as a row of the access matrix:")
            lines += [f"    {line}" for line in text.splitlines()]
    if finding.changed:
        lines.append(f"  asked by, and not minded: {', '.join(finding.changed[:3])}")
    return "\n".join(lines)


def operator_table(findings: Sequence[Finding]) -> list[str]:
    """Return the counts by operator, a line each, under a heading."""
    rows = [("operator", "killed", "survived", "open", "timed out")]
    rows += [
        (name, str(one.killed), str(one.survived), str(one.open), str(one.timed_out))
        for name, one in by_operator(findings).items()
    ]
    widths = [max(len(row[index]) for row in rows) for index in range(len(rows[0]))]
    return [
        "  ".join(
            cell.ljust(width) if index == 0 else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]


def score_text(counted: Tally) -> str:
    """Return the score in one line, and what is not in it."""
    decided = counted.killed + counted.survived
    if counted.score is None:
        text = "no mutant was decided"
    else:
        text = (
            f"mutation score {floor_percent(counted.score)} %: {counted.killed} of {decided}"
            " mutants noticed"
        )
    if counted.open:
        text += (
            f"; {counted.open} not counted, which change answers only of checks that were not run"
            " against them"
        )
    if counted.timed_out:
        text += f"; {counted.timed_out} not counted, against which the checks did not end"
    return text


def floor_percent(score: float) -> str:
    """Write a percentage so that it is never more than it is."""
    return f"{int(score * 10) / 10:.1f}"


def report_json(
    runs: Sequence[tuple[SourceText, Sequence[Finding]]], row: RowWriter = no_row
) -> Mapping[str, Any]:
    """Return everything as JSON: `{"score": 81.5, "killed": …, "files": [{"mutants": […]}]}`."""
    return {
        **_tally_json(tally(each for _, findings in runs for each in findings)),
        "files": [
            {
                "file": source.file_name,
                **_tally_json(tally(findings)),
                "operators": {
                    name: _tally_json(one) for name, one in by_operator(findings).items()
                },
                "mutants": [_finding_json(each, source, row) for each in findings],
            }
            for source, findings in runs
        ],
    }


def _tally_json(counted: Tally) -> dict[str, Any]:
    return {
        "score": None if counted.score is None else round(counted.score, 2),
        "killed": counted.killed,
        "survived": counted.survived,
        "open": counted.open,
        "timed_out": counted.timed_out,
    }


def _finding_json(finding: Finding, source: SourceText, row: RowWriter) -> dict[str, Any]:
    mutant, example = finding.mutant, finding.example
    answer: dict[str, Any] = {
        "id": mutant.id,
        "operator": mutant.operator,
        "line": mutant.position.line,
        "column": mutant.position.column,
        "description": mutant.description,
        "effect": mutant.effect.value,
        "standing": finding.standing.value,
        "noticed_by": finding.noticed_by,
    }
    if finding.standing is not Standing.KILLED:
        answer["diff"] = mutant.diff(source)
        answer["asked_by"] = list(finding.changed)
    if example is not None:
        answer["example"] = {
            "request": example.recorded.title,
            "allowed": example.allowed,
            "row": row(finding),
        }
    return answer
