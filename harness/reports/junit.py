"""RunReport -> JUnit XML, which CI systems show: a suite for each section, a case for each check,
and one for each item without checks.

An item that nothing supports is a skipped case, also one that a person ticked: that is no failure
of a run. A tick that has lost the support of its checks is a failure.

Source: the schema that Jenkins reads such files by, `junit-10.xsd` of its xunit plugin."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from harness.reports.escaping import one_line
from harness.reports.model import ReportedItem, RunReport, by_section
from harness.workflow.evidence import CheckResult, Outcome

_FAILURES = (Outcome.FAILED, Outcome.XFAILED)
_SKIPS = (Outcome.SKIPPED, Outcome.NOT_RUN, Outcome.DESELECTED)


def report_to_junit(*reports: RunReport) -> str:
    """Return the reports on all documents as an XML document, with a line feed at the end."""
    names = ", ".join(report.workflow_path for report in reports)
    root = Element("testsuites", name=_text(names) or "workflow")
    for report in reports:
        of = f"{report.workflow_path}: " if len(reports) > 1 else ""
        for path, items in by_section(report.items):
            name = _text(of + (" / ".join(path) or "workflow"))
            _fill(SubElement(root, "testsuite", name=name), items)
    _sum_up(root, list(root))
    indent(root)
    xml = tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{xml}\n'


def _fill(suite: Element, items: Iterable[ReportedItem]) -> None:
    cases: list[Element] = []
    for item in items:
        title = _text(item.title.replace("/", ".")) or f"line {item.line}"
        cases += [_case_of_check(check, title) for check in item.checks]
        if not item.checks or (item.has_lost_support and not _fails(item.checks)):
            cases.append(_case_of_item(item, title))
    suite.extend(cases)
    suite.set("tests", str(len(cases)))
    for kind, name in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
        suite.set(name, str(sum(case.find(kind) is not None for case in cases)))
    suite.set("time", _seconds(sum(float(case.get("time", "0")) for case in cases)))


def _case_of_check(check: CheckResult, title: str) -> Element:
    case = Element(
        "testcase", classname=title, name=_text(check.nodeid), time=_seconds(check.duration_s)
    )
    if check.outcome is Outcome.PASSED:
        if check.states:
            SubElement(case, "system-out").text = _text(check.states)
        return case
    kind = "skipped" if check.outcome in _SKIPS else "error"
    kind = "failure" if check.outcome in _FAILURES else kind
    message = _text(check.reason.strip().partition("\n")[0])
    SubElement(case, kind, type=check.outcome.value, message=message)
    return case


def _case_of_item(item: ReportedItem, title: str) -> Element:
    """Return the case of an item as a whole: of one without checks, or of a tick that its checks
    leave without support.
    """
    case = Element("testcase", classname=title, name=_text(item.text) or f"line {item.line}")
    case.set("time", _seconds(0))
    if item.has_lost_support:
        SubElement(case, "failure", type=item.state.value, message=_text(item.why))
    elif not item.state.supports_tick:
        SubElement(case, "skipped", type=item.state.value, message=_text(item.why))
    else:
        SubElement(case, "system-out").text = _text(item.why)
    return case


def _fails(checks: Sequence[CheckResult]) -> bool:
    return any(check.outcome in (*_FAILURES, Outcome.ERROR) for check in checks)


def _sum_up(root: Element, suites: Sequence[Element]) -> None:
    for name in ("tests", "failures", "errors"):
        root.set(name, str(sum(int(suite.get(name, "0")) for suite in suites)))
    root.set("time", _seconds(sum(float(suite.get("time", "0")) for suite in suites)))


def _seconds(duration_s: float) -> str:
    return f"{duration_s:.3f}"


def _text(text: str) -> str:
    """Return a text without what XML 1.0 cannot hold."""
    return one_line(text)
