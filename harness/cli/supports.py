"""Gathers what files say about a document's items: evidence, digests of inputs as they are, marks
in the text of checks, and on request the signatures of git commits.

Nothing is run: no pytest, no suite, no Node, no network. What it all means is decided in
`workflow/states.py`.
"""

from __future__ import annotations

from pathlib import Path

from harness.cli.git_history import distrust_of_commit
from harness.cli.records import Record, read_records, record_path
from harness.errors import HarnessError, WorkflowError
from harness.files import read_text_file
from harness.project import Project, files_below
from harness.project_inputs import ProjectInputs
from harness.workflow.audit import Audit, audit_document
from harness.workflow.document import WorkflowDocument
from harness.workflow.documents import WorkflowDocuments
from harness.workflow.evidence import Evidence, changed_subjects
from harness.workflow.marks import addresses_in_source
from harness.workflow.order import OrderMode, gate_ids
from harness.workflow.patterns import CheckMap
from harness.workflow.sign_off import SignOff
from harness.workflow.states import Support


def audit_project(
    project: Project, document: WorkflowDocument, name: str, inputs: ProjectInputs | None = None
) -> Audit:
    """Compare a document's boxes with what files say.

    Args:
        project: The project.
        document: The document as it is.
        name: Its path in the project.
        inputs: Digests that were taken already.
    Raises:
        HarnessError: A file of evidence is none, or harness.yaml names a gate that fits several
            items.
    """
    return audit_document(
        document,
        read_supports(project, document, name, inputs or ProjectInputs(project)),
        order=OrderMode(project.settings.order),
        gates=gate_ids(document, project.settings.gates),
    )


def read_supports(
    project: Project, document: WorkflowDocument, name: str, inputs: ProjectInputs
) -> dict[str, Support]:
    """Return what files say, by item id. Evidence of items that the document does not have is
    there too.
    """
    records = read_records(project, name)
    named = files_by_item(project, document)
    return {
        item_id: _support(project, name, records.get(item_id), named.get(item_id, ()), inputs)
        for item_id in {**records, **named}
    }


def files_by_item(project: Project, document: WorkflowDocument) -> dict[str, tuple[str, ...]]:
    """Return, by item id, the files of checks whose text names the item."""
    found: dict[str, list[str]] = {}
    documents = WorkflowDocuments([document])
    patterns = CheckMap(project.settings.check_items, project.settings.checks_folder)
    for path in files_below(project.checks_folder):
        if path.suffix != ".py":
            continue
        for address in _addresses(path, project.relative(path), patterns):
            try:
                item = documents.find_one(address).item
            except WorkflowError:
                continue  # of another document; `harness verify` refuses what fits none
            found.setdefault(item.item_id, []).append(project.relative(path))
    return {item_id: tuple(dict.fromkeys(files)) for item_id, files in found.items()}


def _addresses(path: Path, name: str, patterns: CheckMap) -> tuple[str, ...]:
    try:
        text = read_text_file(path).text
    except HarnessError:
        return ()
    mapped, is_all = patterns.addresses_of_file(name, text)
    return mapped if is_all else (*mapped, *(addresses_in_source(text) or ()))


def _support(
    project: Project,
    document: str,
    record: Record | None,
    files: tuple[str, ...],
    inputs: ProjectInputs,
) -> Support:
    if record is None:
        return Support(unrun=files)
    changed = changed_subjects(record.subjects, inputs.digests(record.subjects))
    if isinstance(record, Evidence):
        known = {check.nodeid.partition("::")[0] for check in record.checks}
        return Support(record, changed, tuple(name for name in files if name not in known))
    settings = project.settings.sign_off
    distrust = _distrust(project, document, record) if settings.require_signed_commits else ""
    return Support(record, changed, files, distrust, settings.expire_on_change)


def _distrust(project: Project, document: str, sign_off: SignOff) -> str:
    """Return why the commit that brought a sign-off is not one to trust; empty if it is."""
    path = record_path(project, document, sign_off.item_id)
    try:
        return distrust_of_commit(project.folder, path.relative_to(project.folder))
    except HarnessError as error:
        return error.problem
