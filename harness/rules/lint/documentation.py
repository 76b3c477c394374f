"""What each lint rule says of itself, as a chapter of the documentation."""

from __future__ import annotations

from collections.abc import Iterable

from harness.rules.lint.model import LintRule


def lint_documentation(rules: Iterable[LintRule]) -> str:
    """Return a Markdown section for each lint rule; docs/rules-lint.md holds them."""
    return "\n".join(_section(rule) for rule in rules)


def _section(rule: LintRule) -> str:
    example = "\n".join(f"    {line}" for line in rule.example.splitlines())
    where = "In Storage, an" if rule.in_storage else "An"
    return (
        f"### `{rule.name}` ({rule.level.value})\n\n"
        f"**{rule.title}.** {rule.why}\n\n"
        f"To mend it: {rule.fix}. [Documentation]({rule.reference})\n\n"
        f"{where} example that has it:\n\n{example}\n"
    )
