"""`harness sign-off`: a person's word for an item that no check can verify."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from harness.cli import options, render
from harness.cli.documents import ProjectDocument, find_item
from harness.cli.git_history import checked_out_commit
from harness.cli.records import read_records, record_path, write_sign_off
from harness.cli.supports import audit_project, files_by_item
from harness.errors import HarnessError, WorkflowError
from harness.files import update_workflow
from harness.project_inputs import BACK_END, ProjectInputs
from harness.reports.escaping import one_line
from harness.workflow.audit import Audit, gate_reason
from harness.workflow.document import ChecklistItem, WorkflowDocument
from harness.workflow.edit import set_ticks
from harness.workflow.sign_off import SignOff


@click.command("sign-off")
@click.argument("address", metavar="ITEM")
@click.option("--by", metavar="NAME", help="Who says so.")
@click.option("--note", metavar="TEXT", default="", help="What was looked at, or decided.")
@click.option("--withdraw", is_flag=True, help="Take a sign-off back.")
@options.project
@options.workflow
def command(
    address: str,
    by: str | None,
    note: str,
    withdraw: bool,
    project_dir: Path | None,
    workflow: Path | None,
) -> int:
    """Record that a person stands for ITEM, and tick it. Evidence of it goes below .harness.

    ITEM is named as "Heading/Item text" or its slug. It must be one that no check names.
    """
    document, item = find_item(project_dir, workflow, address)
    if withdraw:
        _withdraw(document, item)
    else:
        _sign(document, item, one_line(by or ""), one_line(note))
    return 0


def _sign(document: ProjectDocument, item: ChecklistItem, by: str, note: str) -> None:
    if not by:
        raise HarnessError("a sign-off needs a name", fix="say who signs: --by NAME")
    _refuse_what_checks_verify(document, item)
    project = document.project
    inputs = ProjectInputs(project)
    sign_off = SignOff(
        item.item_id,
        by,
        datetime.now(UTC).isoformat(timespec="seconds"),
        inputs.digests(inputs.names_of(BACK_END)),
        note,
        checked_out_commit(project.folder),
        document.name,
    )
    path = write_sign_off(project, sign_off)
    audit = _bring_into_line(document, item)
    render.text(f"{one_line(item.title)}: signed off by {by}, kept in {project.relative(path)}")
    if audit.wanted[item.item_id]:
        return
    held_by = audit.order.held.get(item.item_id)
    reason = (
        audit.states[item.item_id].reason
        if held_by is None
        else gate_reason(audit.document, held_by)
    )
    render.note(f"the box stays empty: {one_line(reason)}")


def _withdraw(document: ProjectDocument, item: ChecklistItem) -> None:
    record = read_records(document.project, document.name).get(item.item_id)
    if not isinstance(record, SignOff):
        raise WorkflowError(
            f'nobody has signed off "{item.text}"', fix="harness report shows who signed what"
        )
    record_path(document.project, document.name, item.item_id).unlink(missing_ok=True)
    audit = _bring_into_line(document, item)
    render.text(f"{one_line(item.title)}: the sign-off by {one_line(record.by)} is withdrawn")
    others = [found for found in audit.wrong_boxes if found.item_id != item.item_id]
    if others:
        render.note("other boxes are not as they should be: harness audit shows them")


def _refuse_what_checks_verify(document: ProjectDocument, item: ChecklistItem) -> None:
    if item.is_empty:
        raise WorkflowError(
            f"nothing is written at {document.name}:{item.line}", fix="write what is to be done"
        )
    files = files_by_item(document.project, document.load()).get(item.item_id)
    if files:
        raise WorkflowError(
            f'{", ".join(files)} verifies "{item.text}": a person\'s word does not replace it',
            fix=f"harness verify --item {item.item_id}",
        )


def _bring_into_line(document: ProjectDocument, item: ChecklistItem) -> Audit:
    """Make the item's own box as it should be; returns what is known now."""
    audits: list[Audit] = []

    def transform(read: WorkflowDocument) -> str:
        audit = audit_project(document.project, document.named(read), document.name)
        wanted = {item.item_id: audit.wanted[item.item_id]}
        text = set_ticks(read, wanted)
        audits.append(audit.of_text(text))
        return text

    update_workflow(document.path, transform)
    return audits[-1]
