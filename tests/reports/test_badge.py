"""The endpoint badge. source: shields.io, "Endpoint Badge": its fields and which are required."""

from __future__ import annotations

import json

import pytest

from harness.reports.badge import report_to_badge
from harness.workflow.evidence import CheckResult, Outcome
from tests.reports.test_reports import report

PASSED, FAILED = CheckResult("t", Outcome.PASSED, "a"), CheckResult("t", Outcome.FAILED, "a")


@pytest.mark.parametrize(
    ("text", "results", "message", "color"),
    [
        ("", [], "no items", "lightgrey"),
        ("- [ ] a\n", [PASSED], "1 of 1 items", "brightgreen"),
        ("- [ ] a\n- [ ] b\n", [PASSED], "1 of 2 items", "green"),
        ("- [ ] a\n- [ ] b\n- [ ] c\n", [PASSED], "1 of 3 items", "yellow"),
        ("- [ ] a\n", [FAILED], "0 of 1 items", "red"),
        ("- [ ] a\n- [x] b\n", [PASSED], "1 of 2 items", "green"),  # ticked by a person
    ],
)
def test_the_badge_counts_what_is_supported(text, results, message, color) -> None:
    badge = json.loads(report_to_badge(report(text, results)))
    assert badge == {"schemaVersion": 1, "label": "workflow", "message": message, "color": color}
