"""`harness cost`: what the app's actions cost, will cost, and what makes that grow."""

from __future__ import annotations

import click

from harness.cli import cost_diff, cost_growth, cost_report


@click.group("cost")
def command() -> None:
    """What the app's actions cost, will cost, and what makes that grow."""


command.add_command(cost_report.command)
command.add_command(cost_growth.command)
command.add_command(cost_diff.command)
