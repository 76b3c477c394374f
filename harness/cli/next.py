"""`harness next`: the first item, in the order in which they come due, that is not done."""

from __future__ import annotations

from pathlib import Path

import click

from harness.cli import options, render
from harness.cli.report import known_report
from harness.reports.escaping import one_line
from harness.reports.model import VERIFIER_TITLES

_NOTHING = "(nothing is written here)"


@click.command("next")
@options.project
@options.workflow
def command(project_dir: Path | None, workflow: Path | None) -> int:
    """Show the next item of the workflow document, what it needs, and what to run.

    What is nested in an item comes before it. An item that a person ticked counts as done, unless
    checks say otherwise or it is a gate of an enforced order.
    """
    report = known_report(project_dir, workflow)
    item = next((item for item in report.items if item.item_id == report.next_id), None)
    if item is None:
        render.text(f"{report.workflow_path}: every item is done.")
        return 0
    way = item.would_verify
    lines = [
        f"{one_line(report.workflow_path)}:{item.line}: {one_line(item.title) or _NOTHING}",
        f"  now:   {one_line(item.why)}",
        f"  needs: {one_line(way.sentence)} ({VERIFIER_TITLES[way.by].lower()})",
    ]
    if item.command:
        lines.append(f"  run:   {one_line(item.command)}")
    render.text("\n".join(lines))
    return 0
