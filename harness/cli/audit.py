"""`harness audit`: ticks against evidence, from files alone."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import click

from harness.cli import options, render
from harness.cli.documents import ProjectDocument, all_documents
from harness.cli.supports import audit_project
from harness.files import update_workflow
from harness.reports.escaping import one_line
from harness.workflow.audit import Audit, Finding, FindingKind
from harness.workflow.document import WorkflowDocument
from harness.workflow.edit import set_ticks
from harness.workflow.states import State

_WORDS = {
    FindingKind.UNSUPPORTED_TICK: "ticked, and nothing supports it",
    FindingKind.HELD_TICK: "ticked, behind a gate",
    FindingKind.MISSING_TICK: "supported, and not ticked",
    FindingKind.OUT_OF_ORDER: "out of order",
    FindingKind.CHANGED_SINCE_SIGNED: "changed since it was signed off",
    FindingKind.STRAY_EVIDENCE: "evidence without an item",
}


@click.command("audit")
@options.project
@options.workflow
@click.option("--strict", is_flag=True, help="Fail for remarks too: order, changes, strays.")
@click.option("--fix", is_flag=True, help="Tick and untick, so that each box is as it should be.")
@click.option(
    "--lost",
    is_flag=True,
    help="Fail only for ticks whose checks do not support them any more, as found before --fix.",
)
def command(
    project_dir: Path | None, workflow: Path | None, strict: bool, fix: bool, lost: bool
) -> int:
    """Compare each box with its evidence. Nothing is run: no checks, no emulators, no network.

    Exit status: 0 all boxes are as they should be, or were brought there; 1 some are not (with
    --strict also for remarks); 2 wrong usage or a malformed file.
    """
    status = 0
    for document in all_documents(project_dir, workflow):
        audit = _fixed(document) if fix else _audited(document, document.load())
        render.text(_text(audit, is_fixed=fix))
        wrong = audit.lost_ticks if lost else () if fix else audit.wrong_boxes
        is_wrong = wrong or (strict and audit.remarks)
        status = 1 if is_wrong else status
    return status


def _audited(document: ProjectDocument, read: WorkflowDocument) -> Audit:
    return audit_project(document.project, read, document.name)


def _fixed(document: ProjectDocument) -> Audit:
    """Bring the boxes into line; returns what was wrong with them."""
    audits: list[Audit] = []

    def transform(read: WorkflowDocument) -> str:
        audits.append(_audited(document, document.named(read)))
        return set_ticks(read, audits[-1].wanted)

    update_workflow(document.path, transform)
    return audits[-1]


def _text(audit: Audit, *, is_fixed: bool) -> str:
    name = audit.document.source.file_name
    counts = Counter(found.state for found in audit.states.values())
    states = ", ".join(f"{counts[state]} {state.words}" for state in State if counts[state])
    lines = [f"{one_line(name)}: {states or 'no items'}"]
    for finding in (*audit.wrong_boxes, *audit.remarks):
        lines += _finding_lines(audit, finding)
    wrong = len(audit.wrong_boxes)
    boxes = "1 box" if wrong == 1 else f"{wrong} boxes"
    if not wrong:
        lines.append("every box is as it should be")
    elif is_fixed:
        lines.append(f"{boxes} brought into line")
    else:
        verb = "is" if wrong == 1 else "are"
        lines.append(f"{boxes} {verb} not as they should be: harness audit --fix brings into line")
    return "\n".join(lines)


def _finding_lines(audit: Audit, finding: Finding) -> list[str]:
    document = audit.document
    words = _WORDS[finding.kind]
    if finding.item_id not in audit.states:
        return [f"  {words}: {one_line(finding.item_id)}", f"      {one_line(finding.reason)}"]
    item = document.item(finding.item_id)
    state = audit.states[finding.item_id].state.words
    where = f"{document.source.file_name}:{item.line}"
    title = item.title or "(nothing is written here)"
    return [
        f"  {one_line(where)}: {words} ({state}): {one_line(title)}",
        f"      {one_line(finding.reason)}",
    ]
