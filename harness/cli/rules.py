"""`harness rules`: the security rules engine by itself."""

from __future__ import annotations

import click

from harness.cli import (
    rules_check,
    rules_coverage,
    rules_diff,
    rules_explain,
    rules_lint,
    rules_matrix,
    rules_mutate,
)


@click.group("rules")
def command() -> None:
    """The security rules engine by itself."""


command.add_command(rules_check.command)
command.add_command(rules_matrix.command)
command.add_command(rules_diff.command)
command.add_command(rules_coverage.command)
command.add_command(rules_lint.command)
command.add_command(rules_explain.command)
command.add_command(rules_mutate.command)
