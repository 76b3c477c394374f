"""`harness next`: the first item, in the order in which they come due, that is not done."""

from __future__ import annotations

from pathlib import Path

import click

from harness.cli import options, render
from harness.cli.report import known_reports
from harness.reports.escaping import one_line
from harness.reports.model import VERIFIER_TITLES, RunReport

_NOTHING = "(nothing is written here)"


@click.command("next")
@options.project
@options.workflow
def command(project_dir: Path | None, workflow: Path | None) -> int:
    """Show the next item of each workflow document, what it needs, and what to run.

    What is nested in an item comes before it. An item that a person ticked counts as done, unless
    checks say otherwise or it is a gate of an enforced order.
    """
    for report in known_reports(project_dir, workflow):
        render.text("\n".join(_lines(report)))
    return 0


def _lines(report: RunReport) -> list[str]:
    item = next((item for item in report.items if item.item_id == report.next_id), None)
    if item is None:
        return [f"{one_line(report.workflow_path)}: every item is done."]
    way = item.would_verify
    lines = [
        f"{one_line(report.workflow_path)}:{item.line}: {one_line(item.title) or _NOTHING}",
        f"  now:   {one_line(item.why)}",
        f"  needs: {one_line(way.sentence)} ({VERIFIER_TITLES[way.by].lower()})",
    ]
    if item.command:
        lines.append(f"  run:   {one_line(item.command)}")
    return lines
