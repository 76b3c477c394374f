"""The linter's front door: a ruleset that loads, to findings.

    findings = lint_ruleset(source, tree, resolved, issues, today=date(2030, 1, 1))

Each of the modules in `_FAMILIES` holds lint rules of one subject, and a `check` that finds them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import date

from harness.rules import nodes
from harness.rules.issues import Issue
from harness.rules.lint import access, logic, lookups, names, overlaps, type_errors, writes
from harness.rules.lint.model import Finding, LintRule
from harness.rules.lint.program import Program
from harness.rules.lint.suppressions import RULES as SUPPRESSION_RULES
from harness.rules.lint.suppressions import apply, find_suppressions, nearest
from harness.rules.scope import ResolvedRuleset
from harness.source import SourceText

_FAMILIES = (access, writes, overlaps, lookups, logic, type_errors, names)

# By name, in the order of the documentation.
LINT_RULES: dict[str, LintRule] = {
    rule.name: rule
    for rules in (*(family.RULES for family in _FAMILIES), SUPPRESSION_RULES)
    for rule in rules
}


def lint_ruleset(
    source: SourceText,
    tree: nodes.Ruleset,
    resolved: ResolvedRuleset,
    issues: Sequence[Issue],
    *,
    today: date,
    off: Collection[str] = (),
) -> tuple[Finding, ...]:
    """Return what the lint rules find in a ruleset, in the order of the text.

    Args:
        source: Its text.
        tree: Its syntax tree.
        resolved: Its names.
        issues: What the compiler warns of.
        today: The day for which rules with dates are judged.
        off: Names of lint rules that are not wanted.
    """
    program = Program(source, resolved, issues, today)
    found = [finding for finding in _found(program) if finding.rule.name not in off]
    kept = apply(found, find_suppressions(source, tree), LINT_RULES, off)
    return tuple(
        sorted(
            (finding for finding in kept if finding.rule.name not in off),
            key=lambda finding: (finding.span, finding.rule.name),
        )
    )


def _found(program: Program) -> Iterator[Finding]:
    for family in _FAMILIES:
        yield from family.check(program)


def unknown_rules(names: Collection[str]) -> list[str]:
    """Return what is wrong with names of lint rules, a sentence each."""
    return [
        f"there is no lint rule {name}{nearest(name, LINT_RULES)}"
        for name in names
        if name not in LINT_RULES
    ]
