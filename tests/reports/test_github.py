"""Annotations: a line each, at the place of the failure, that text from outside cannot break."""

import re
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from harness.reports.github import render_annotations
from harness.workflow.evidence import CheckResult, Outcome
from tests.reports.test_reports import plain_report, report

COMMAND = re.compile(r"::(error|warning) [a-z]+=[^:,\n\r]*(,[a-z]+=[^:,\n\r]*)*::[^\n\r]*")
FAILED = CheckResult(
    "checks/test_a.py::TestA::test_it[x]",
    Outcome.FAILED,
    "a",
    "assert 1 == 2",
    place="checks/more.py:12",
)


def test_what_fails_is_shown_where_it_failed_and_what_is_only_open_is_not() -> None:
    assert render_annotations([report()]).splitlines() == [
        "::warning title=not everything could run::Node is not installed",
        "::error file=checks/test_coverage.py,title=Quality Check/Test coverage"
        "::test_threshold: 71 %25 of rules expressions, 80 %25 asked for",
        "::warning file=docs/workflow.md,line=4,title=Quality Check/Documentation"
        "::ticked by hand: nothing supports it, no check is mapped to this item",
        "::error file=docs/workflow.md,line=5,title=Quality Check/Error handling"
        "::the tick was taken back: test_errors was skipped: Node is not installed",
    ]
    assert render_annotations([report("- [ ] a\n", [], missing=[])]) == ""


def test_the_place_is_that_of_the_failure_from_the_repositorys_folder() -> None:
    made = report("- [x] a\n", [FAILED], ticked=False, missing=[])
    assert render_annotations([made], folder="apps/shop/").splitlines() == [
        "::error file=apps/shop/checks/more.py,line=12,title=a::TestA::test_it[x]: assert 1 == 2",
        f"::error file=apps/shop/docs/workflow.md,line=1,title=a"
        f"::ticked, and its checks do not support that: {made.items[0].why}",
    ]


def test_a_tick_that_was_taken_back_is_an_error() -> None:
    made = report("- [x] a\n", [FAILED])
    assert "line=1,title=a::the tick was taken back: " in render_annotations([made])


def test_a_check_of_two_items_and_of_two_documents_is_shown_once() -> None:
    results = [FAILED, replace(FAILED, item_id="b")]
    made = report("- [ ] a\n- [ ] b\n", results)
    assert render_annotations([made, made]).count("::error") == 1


@given(st.text(min_size=1, max_size=40), st.text(max_size=40))
def test_no_text_makes_another_command(text: str, reason: str) -> None:
    check = replace(FAILED, nodeid=text, reason=reason, place=f"{text}:3")
    made = report(f"- [x] {text}\n- [ ] a\n", [check])
    for line in render_annotations([made, plain_report(f"- [x] {text}\n")]).splitlines():
        assert COMMAND.fullmatch(line), line
