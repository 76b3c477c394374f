"""Patterns that cost, found in requests."""

from pathlib import Path

import pytest
import yaml

from harness.billing.findings import findings_of
from tests.billing.uses import use

CASES = yaml.safe_load(
    (Path(__file__).parent.parent / "corpus/billing/findings.yaml").read_text(encoding="utf-8")
)["cases"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_a_run_has_its_findings(case):
    requests = [
        use(**{key: value for key, value in request.items() if key != "times"})
        for request in case["requests"]
        for _ in range(request.get("times", 1))
    ]
    found = {finding.id: finding.saves.to_json() for finding in findings_of(requests)}
    assert found == case["found"]


def test_a_finding_names_the_line_and_the_function():
    requests = [use(reads=1, skipped=30, limit=1, returned=1, at="checks/a.py:7", function="feed")]
    (finding,) = findings_of(requests)
    assert str(finding).startswith("checks/a.py:7: PERF-07 pages by offset: RunQuery orders (in f")


def test_the_dearest_comes_first():
    requests = [use(reads=130, skipped=30, returned=100), use(reads=500, returned=500, shape="b")]
    assert [finding.saves.reads for finding in findings_of(requests)] == [480, 80, 30]
