"""The rules linter: its tables, its documentation, and that it ends on any ruleset."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from harness.rules.issues import Severity
from harness.rules.lint.documentation import lint_documentation
from harness.rules.lint.linter import LINT_RULES, lint_ruleset, unknown_rules
from harness.rules.lint.model import Finding, Level, LintRule
from harness.rules.lint.overlaps import covers
from harness.rules.request import FIRESTORE, STORAGE
from harness.rules.ruleset import load_ruleset
from harness.source import SourceText
from tests.rules.corpus import load_cases
from tests.rules.lint_corpus import TODAY, LintCase, load_lint_cases, wrapped

ROOT = Path(__file__).parent.parent.parent


def lint(
    text: str, *, today: date = TODAY, off: tuple[str, ...] = (), may_refuse: bool = False
) -> tuple[Finding, ...]:
    source = SourceText("firestore.rules", text)
    loaded = load_ruleset(source)
    if loaded.ruleset is None:
        assert may_refuse, loaded.issues
        return ()
    ruleset = loaded.ruleset
    return lint_ruleset(source, ruleset.tree, ruleset.resolved, loaded.issues, today=today, off=off)


@pytest.mark.parametrize("case", load_lint_cases(), ids=lambda case: case.id)
def test_the_linter_finds_what_the_table_says(case: LintCase) -> None:
    found = [
        f"{finding.level.value}: {finding.message}"
        for finding in lint(case.ruleset, today=case.today)
        if finding.rule.name == case.rule
    ]
    assert len(found) == len(case.found), found
    for text, beginning in zip(found, case.found, strict=True):
        assert text.startswith(beginning)


def test_every_lint_rule_has_a_table_with_both_answers() -> None:
    cases = load_lint_cases()
    assert {case.rule for case in cases} == LINT_RULES.keys()
    for name in LINT_RULES:
        assert any(case.found for case in cases if case.rule == name), name
        assert any(not case.found for case in cases if case.rule == name), name


@pytest.mark.parametrize("rule", LINT_RULES.values(), ids=lambda rule: rule.name)
def test_the_example_of_a_lint_rule_has_what_the_rule_finds(rule: LintRule) -> None:
    ruleset = wrapped(rule.example, STORAGE if rule.in_storage else FIRESTORE)
    if rule.name in ("wrong-root", "rules-version"):
        ruleset = f"service cloud.firestore {{ {rule.example} }}"
    assert rule.name in {finding.rule.name for finding in lint(ruleset)}


def test_names_are_in_kebab_case_and_texts_are_in_one_form() -> None:
    for name, rule in LINT_RULES.items():
        assert name == rule.name
        assert set(name) <= set("abcdefghijklmnopqrstuvwxyz-")
        assert not rule.title.endswith("."), name
        assert rule.why.endswith("."), name
        assert not rule.fix.endswith("."), name
        assert rule.reference.startswith("https://"), name


def test_the_documentation_is_what_the_rules_say_of_themselves() -> None:
    written = (ROOT / "docs" / "rules-lint.md").read_text(encoding="utf-8")
    assert lint_documentation(LINT_RULES.values()) in written


@pytest.mark.parametrize("case", load_cases(), ids=lambda case: case.id)
def test_the_linter_ends_on_every_ruleset_of_the_corpus(case: object) -> None:
    text = case.ruleset  # type: ignore[attr-defined]
    for finding in lint(text, may_refuse=True):
        assert 0 <= finding.span.start < finding.span.end <= len(text)
        assert finding.message
        assert not finding.message.endswith(("\n", " "))


@pytest.mark.parametrize("name", ["firestore.rules", "storage.rules"])
def test_the_sample_backend_has_nothing_at_warning_level(name: str) -> None:
    text = (ROOT / "backend" / name).read_text(encoding="utf-8")
    assert [each.message for each in lint(text) if each.level.reaches(Level.WARNING)] == []


def test_a_rule_that_is_off_finds_nothing_and_its_comments_are_not_unused() -> None:
    ruleset = wrapped("match /a/{id} {\n// harness: allow open-rules\nallow get;\n}")
    assert lint(ruleset, off=("open-rules",)) == ()


def test_names_that_are_off_and_do_not_exist_are_told_with_the_nearest() -> None:
    assert unknown_rules(["open-rules", "open-rule", "xyzzy"]) == [
        "there is no lint rule open-rule; do you mean open-rules?",
        "there is no lint rule xyzzy",
    ]


def test_findings_are_in_the_order_of_the_text() -> None:
    spans = [each.span for each in lint((ROOT / "backend/firestore.rules").read_text("utf-8"))]
    assert spans == sorted(spans)


def test_functions_that_call_each_other_in_many_ways_take_no_time() -> None:
    """2 ** 20 terms could come of these calls: the linter stops following them, and ends."""
    links = "\n".join(
        f"function f{n}(x) {{ return f{n + 1}(x + 1) || f{n + 1}(x + 2); }}" for n in range(19)
    )
    ruleset = wrapped(
        f"{links}\nfunction f19(x) {{ return x == resource.data.x; }}\n"
        "match /a/{id} { allow get: if f0(1); allow write; }"
    )
    assert "open-rules" in {finding.rule.name for finding in lint(ruleset)}


def test_deep_conditions_are_not_followed_and_do_no_harm() -> None:
    deep = " || ".join(f"resource.data.x == {n}" for n in range(95))
    nested = "".join(f"let v{n} = v{n - 1} || resource.data.y == {n}; " for n in range(1, 10))
    ruleset = wrapped(
        f"function f(p) {{ let v0 = p || {deep}; {nested}return v9; }}\n"
        "match /a/{id} { allow get: if f(f(f(resource.data.z))); }"
    )
    assert {finding.rule.name for finding in lint(ruleset)} <= {"expression-budget"}


@pytest.mark.parametrize(
    ("wide", "narrow", "version", "expected"),
    [
        ("/a/{x}", "/a/{y}", 2, True),
        ("/a/{x}", "/a/b", 2, True),
        ("/a/b", "/a/{x}", 2, False),
        ("/a/{x}", "/a/{x}/b/{y}", 2, False),
        ("/a/{x}", "/a/{x=**}", 2, False),
        ("/{x=**}", "/a/{y}", 2, True),
        ("/a/{x=**}", "/a/{y}/b/{z}", 2, True),
        ("/a/{x}/{r=**}", "/a/{x}", 2, True),
        ("/a/{x}/{r=**}", "/a/{x}", 1, False),
        ("/{p=**}/b/{x}", "/b/{x}", 2, True),
        ("/{p=**}/b/{x}", "/a/{y}/b/{x}", 2, True),
        ("/{p=**}/b/{x}", "/a/{y}/c/{x}", 2, False),
        ("/{p=**}/b/{x}", "/a/{r=**}", 2, False),
        ("/a/{r=**}", "/a/{q=**}/b/{x}", 2, True),
        ("/a/{x}/{r=**}", "/a/{r=**}", 2, False),
        ("/a/{r=**}", "/a/{x}/{r=**}", 1, True),
    ],
)
def test_a_pattern_covers_another(wide: str, narrow: str, version: int, expected: bool) -> None:
    text = (
        f"rules_version = '{version}'; service cloud.firestore {{ match {wide} {{ allow get; }} "
        f"match {narrow} {{ allow get; }} }}"
    )
    loaded = load_ruleset(SourceText("firestore.rules", text))
    if loaded.ruleset is None:
        pytest.fail(str([issue for issue in loaded.issues if issue.severity is Severity.ERROR]))
    first, second = loaded.ruleset.resolved.rules[FIRESTORE]
    assert covers(first.pattern, second.pattern, version) is expected
