"""The report as JUnit XML, held to the rules of the schema that Jenkins reads it by.

source: jenkinsci/xunit-plugin, junit-10.xsd: which elements hold which, which attributes there are.
"""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.reports.junit import report_to_junit
from harness.workflow.evidence import CheckResult, Outcome
from tests.reports.test_reports import HOSTILE, plain_report, report

# Element -> attributes that it must have, those that it may have, and the elements in it.
_SUITES = ({}, {"name", "time", "tests", "failures", "errors"}, {"testsuite"})
_SUITE = (
    {"name", "tests", "failures", "errors"},
    {"name", "tests", "failures", "errors", "skipped", "time", "timestamp", "hostname", "id"},
    {"testsuite", "properties", "testcase", "system-out", "system-err"},
)
_CASE = (
    {"name"},
    {"name", "time", "classname", "group"},
    {"skipped", "error", "failure", "system-out", "system-err"},
)
_RESULT = (set(), {"type", "message"}, set())
RULES = {
    "testsuites": _SUITES,
    "testsuite": _SUITE,
    "testcase": _CASE,
    "skipped": _RESULT,
    "failure": _RESULT,
    "error": _RESULT,
    "system-out": (set(), set(), set()),
}
TIME = re.compile(r"(([0-9]{0,3},)*[0-9]{3}|[0-9]{0,3})*(\.[0-9]*)?")


def checked(text: str) -> ElementTree.Element:
    root = ElementTree.fromstring(text)
    assert root.tag == "testsuites"
    for element in root.iter():
        required, allowed, children = RULES[element.tag]
        assert set(required) <= set(element.attrib) <= set(allowed), element.attrib
        assert {child.tag for child in element} <= set(children)
        if "time" in element.attrib:
            assert TIME.fullmatch(element.attrib["time"])
    for suite in root:
        cases = list(suite)
        assert int(suite.attrib["tests"]) == len(cases) > 0
        for kind, name in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
            found = [case for case in cases if case.find(kind) is not None]
            assert int(suite.attrib[name]) == len(found)
    for name in ("tests", "failures", "errors"):
        assert int(root.attrib[name]) == sum(int(suite.attrib[name]) for suite in root)
    return root


def test_each_check_is_a_case_and_each_item_without_checks_one() -> None:
    root = checked(report_to_junit(report()))
    cases = {
        (case.attrib["classname"], case.attrib["name"]): [child.tag for child in case]
        for case in root.iter("testcase")
    }
    assert [suite.attrib["name"] for suite in root] == ["Quality Check", "Testing"]
    assert cases[("Testing.Verify security rules", "checks/test_rules.py::test_owner_reads")] == [
        "system-out"
    ]
    failed = ("Quality Check.Test coverage", "checks/test_coverage.py::test_threshold")
    assert cases[failed] == ["failure"]
    assert cases[("Testing.Verify security rules.for every persona", "for every persona")] == [
        "skipped"
    ]
    assert cases[("Quality Check.Documentation", "Documentation")] == ["skipped"]


def test_a_tick_that_has_lost_its_support_is_a_failure() -> None:
    skipped = CheckResult("t", Outcome.SKIPPED, "a", "Node is not installed")
    root = checked(report_to_junit(report("- [x] a\n", [skipped], ticked=False)))
    results = [[child.tag for child in case] for case in root.iter("testcase")]
    assert results == [["skipped"], ["failure"]]


def test_a_report_without_items_is_well_formed() -> None:
    assert list(checked(report_to_junit(report("", [])))) == []


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_reaches_the_xml_as_markup(text: str) -> None:
    checked(report_to_junit(plain_report(text)))


@given(st.text())
def test_any_text_makes_well_formed_xml(text: str) -> None:
    checked(report_to_junit(plain_report(text)))
