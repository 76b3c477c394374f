"""Tables of checks in reports: whole in Markdown, what is wrong in a terminal."""

from __future__ import annotations

import json

import pytest

from harness.reports.json import report_from_json, report_to_json
from harness.reports.markdown import render_markdown
from harness.reports.model import RunReport, build_report
from harness.reports.terminal import render_terminal
from harness.source import SourceText
from harness.workflow.document import parse_workflow
from harness.workflow.evidence import CheckResult, Outcome, ResultTable
from harness.workflow.verdict import decide

TABLE = ResultTable(
    "Access matrix: 3 of 4 decisions agree",
    ("request", "method", "ana", "bob|x"),
    (("a note", "get", "✓", "✗"), ("all notes\x1b[2J", "list", "✗", "✓!")),
    flagged=(1,),
    notes=("all notes, as bob: allowed, expected denied; granted at r:4:7",),
)


def report(*tables: ResultTable) -> RunReport:
    document = parse_workflow(SourceText("w.md", "# W\n\n## Testing\n\n- [ ] Rules\n- [ ] More\n"))
    ids = [item.item_id for item in document.items]
    results = [
        CheckResult("checks/t.py::t", Outcome.FAILED, item_id, reason="x", tables=tables)
        for item_id in ids
    ]
    verdicts = decide(document, results)
    return build_report(document, verdicts, project="demo-x", started_at="now", suite="embedded")


def test_markdown_has_the_whole_table_once() -> None:
    text = render_markdown(report(TABLE))
    assert text.count("| a note | get | ✓ | ✗ |") == 1
    assert "| **all notes" in text
    assert "| request | method | ana | bob\\|x |" in text
    assert "- all notes, as bob: allowed, expected denied" in text
    assert "\x1b" not in text


def test_a_terminal_shows_the_rows_that_are_wrong() -> None:
    text = render_terminal(report(TABLE))
    assert "all notes" in text
    assert "a note " not in text
    assert "granted at r:4:7" in text.replace("\n    ", " ")
    assert "a note " in render_terminal(report(TABLE), verbose=True)
    assert "\x1b" not in text


def test_tables_survive_json() -> None:
    first = report(TABLE)
    text = report_to_json(first)
    assert report_from_json(SourceText("r.json", text)) == first


@pytest.mark.parametrize(
    "change",
    [{"rows": [["too few"]]}, {"rows": 1}, {"columns": [1, 2, 3, 4]}, {"notes": [1]}],
)
def test_a_malformed_table_is_refused(change: dict[str, object]) -> None:
    value = json.loads(json.dumps(TABLE.to_json() | change))
    with pytest.raises(ValueError, match="table"):
        ResultTable.from_json(value)
