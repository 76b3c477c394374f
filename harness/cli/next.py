"""`harness next`: the first item, in the document's order, that nothing supports yet."""

from __future__ import annotations

from pathlib import Path

import click

from harness.cli import options, render
from harness.cli.report import last_report
from harness.reports.model import VERIFIER_TITLES, ReportedItem
from harness.workflow.verdict import VerdictKind


@click.command("next")
@options.project
@options.workflow
def command(project_dir: Path | None, workflow: Path | None) -> int:
    """Show the next item of the workflow document, and what it needs."""
    report = last_report(project_dir, workflow)
    item = next((item for item in report.items if _is_open(item)), None)
    if item is None:
        render.text(f"{report.workflow_path}: every item is done.")
        return 0
    way = item.would_verify
    render.text(
        f"{report.workflow_path}:{item.line}: {item.title or '(nothing is written here)'}\n"
        f"  now:   {item.reason}\n"
        f"  needs: {way.sentence} ({VERIFIER_TITLES[way.by].lower()})"
    )
    return 0


def _is_open(item: ReportedItem) -> bool:
    if item.verdict is VerdictKind.VERIFIED:
        return False
    # A person's tick is a person's decision; one that a check refutes is open all the same.
    return not item.is_ticked or item.verdict is VerdictKind.REFUTED
