"""A decided access matrix as text: for a terminal, as Markdown, as JSON.

Personas are columns and requests rows: ✓ for allowed, ✗ for denied, with a `!` where the table says
otherwise. Texts may come from anyone: all of them are escaped.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from harness.access.model import AccessRow, MatrixCell
from harness.access.table import DecidedMatrix, Surprise
from harness.reports.escaping import markdown_text, one_line, width_of
from harness.rules.request import STORAGE
from harness.workflow.evidence import ResultTable

ALLOWED, DENIED, SURPRISE = "✓", "✗", "!"
_LONGEST_NAME = 60
_GAP = "  "


def render_text(decided: DecidedMatrix, *, only_surprises: bool = False) -> str:
    """Return the table for a terminal, the surprises below it, and a line of summary.

    Args:
        only_surprises: Leave out rows in which everything is as expected.
    """
    personas = [one_line(name) for name in decided.matrix.personas]
    rows = [
        (row, cells)
        for row, cells in decided.by_row()
        if not only_surprises or any(cell.is_surprise for cell in cells.values())
    ]
    lines: list[str] = []
    if rows:
        names = [_cut(one_line(row.name)) for row, _ in rows]
        asked = [_request_words(row) for row, _ in rows]
        first = max(map(width_of, names))
        second = max(map(width_of, asked))
        lines.append(_GAP.join([" " * first, " " * second, *personas]).rstrip())
        for name, what, (_, cells) in zip(names, asked, rows, strict=True):
            marks = [
                _padded(_mark(cells[persona]), width_of(title))
                for persona, title in zip(decided.matrix.personas, personas, strict=True)
            ]
            lines.append(_GAP.join([_padded(name, first), _padded(what, second), *marks]).rstrip())
        lines.append("")
    lines += _surprise_lines(decided.surprises)
    lines.append(decided.summary())
    return "\n".join(lines) + "\n"


def render_markdown(decided: DecidedMatrix) -> str:
    """Return the table as GitHub Flavored Markdown, surprises first."""
    personas = [markdown_text(name) for name in decided.matrix.personas]
    lines = [f"## {markdown_text(_headline(decided))}", ""]
    for surprise in decided.surprises:
        lines.append(f"- **{markdown_text(surprise.headline)}**")
        lines += [f"  - {markdown_text(line)}" for line in _grounds(surprise)]
    if decided.surprises:
        lines.append("")
    lines.append("| | | " + " | ".join(personas) + " |")
    lines.append("| --- | --- |" + " :-: |" * len(personas))
    for row, cells in decided.by_row():
        marks = []
        for persona in decided.matrix.personas:
            mark = _mark(cells[persona])
            marks.append(f"**{mark}**" if cells[persona].is_surprise else mark)
        about = [markdown_text(row.name), markdown_text(_request_words(row)), *marks]
        lines.append(f"| {' | '.join(about)} |")
    return "\n".join(lines) + "\n"


def to_table(decided: DecidedMatrix) -> ResultTable:
    """Return the table for a run's report, its surprises as notes."""
    rows = decided.by_row()
    personas = list(decided.matrix.personas)
    return ResultTable(
        title=f"Access matrix: {decided.summary()}",
        columns=("request", "method", *personas),
        rows=tuple(
            (row.name, _request_words(row), *(_mark(cells[persona]) for persona in personas))
            for row, cells in rows
        ),
        flagged=tuple(
            index
            for index, (_, cells) in enumerate(rows)
            if any(cell.is_surprise for cell in cells.values())
        ),
        notes=tuple(
            "; ".join((surprise.headline, *surprise.reasons)) for surprise in decided.surprises
        ),
    )


def to_json(decided: DecidedMatrix) -> str:
    """Return the table as JSON: `{"decisions": 954, "surprises": [...], "personas": [...], "rows":
    [{"name", "service", "method", "path", "cells": {"owner": {"expected", "allowed"}}}]}`.
    """
    content: dict[str, Any] = {
        "file": decided.matrix.files[0],
        "decisions": len(decided.cells),
        "personas": list(decided.matrix.personas),
        "surprises": [
            {
                "row": surprise.row,
                "personas": list(surprise.personas),
                "expected": not surprise.allowed,
                "allowed": surprise.allowed,
                "at": str(surprise.at),
                "reasons": list(surprise.reasons),
            }
            for surprise in decided.surprises
        ],
        "rows": [
            {
                "name": row.name,
                "service": row.service,
                "method": row.method,
                "path": row.path,
                "cells": {
                    persona: {"expected": cell.expected, "allowed": cell.allowed}
                    for persona, cell in cells.items()
                },
            }
            for row, cells in decided.by_row()
        ],
    }
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def _headline(decided: DecidedMatrix) -> str:
    count = len(decided.cells) - decided.agreed
    if not count:
        return decided.summary()
    return f"{count} {'surprise' if count == 1 else 'surprises'}: {decided.summary()}"


def _surprise_lines(surprises: Iterable[Surprise]) -> list[str]:
    lines: list[str] = []
    for surprise in surprises:
        lines += [one_line(surprise.headline), *(f"  {line}" for line in _grounds(surprise)), ""]
    return lines


def _grounds(surprise: Surprise) -> list[str]:
    return [*map(one_line, surprise.reasons), f"the row: {one_line(str(surprise.at))}"]


def _request_words(row: AccessRow) -> str:
    """Return the method, and for what is not a document's the kind of thing."""
    service = "object " if row.service == STORAGE else ""
    return f"{service}{row.method}"


def _mark(cell: MatrixCell) -> str:
    return (ALLOWED if cell.allowed else DENIED) + (SURPRISE if cell.is_surprise else "")


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_NAME else f"{text[: _LONGEST_NAME - 1]}…"


def _padded(text: str, width: int) -> str:
    return text + " " * (width - width_of(text))
