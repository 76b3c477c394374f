"""What a run and people leave in the project's `.harness` folder: evidence, one file an item, and
the last run's report.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path
from typing import TypeAlias

from harness.errors import WorkflowError
from harness.files import read_text_file, write_text_file
from harness.project import Project
from harness.project_inputs import HARNESS, ProjectInputs, harness_version, without_covered
from harness.reports.json import report_from_json, report_to_json
from harness.reports.model import RunReport
from harness.workflow.evidence import Evidence, evidence_to_statement
from harness.workflow.sign_off import SignOff, record_from_statement, sign_off_to_statement
from harness.workflow.statement import EVIDENCE_SUFFIX, evidence_path
from harness.workflow.verdict import Verdict

EVIDENCE_FOLDER = "evidence"
_LAST_RUN = "last-run.json"
_IGNORED = f"# Evidence is committed; what only concerns this machine is not.\n{_LAST_RUN}\n*.log\n"

Record: TypeAlias = Evidence | SignOff


def read_records(project: Project, document: str) -> dict[str, Record]:
    """Return the evidence of a document's items, by item id.

    Args:
        project: The project.
        document: The workflow document's path in it.
    Raises:
        WorkflowError: A file is no evidence, or not that of the item whose name it has.
    """
    folder = record_path(project, document, "any").parent
    records: dict[str, Record] = {}
    for path in sorted(folder.glob(f"*{EVIDENCE_SUFFIX}")):
        record = record_from_statement(read_text_file(path))
        if record_path(project, document, record.item_id).name != path.name:
            raise WorkflowError(
                f"{path} holds evidence of {record.item_id}",
                fix="delete the file, or give it back the name it had",
            )
        records[record.item_id] = record
    return records


def record_path(project: Project, document: str, item_id: str) -> Path:
    """Return where an item's evidence is, or would be."""
    return project.record_folder / EVIDENCE_FOLDER / evidence_path(document, item_id)


def write_sign_off(project: Project, sign_off: SignOff) -> Path:
    """Write a sign-off as its item's evidence."""
    path = record_path(project, sign_off.document, sign_off.item_id)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text_file(path, sign_off_to_statement(sign_off))
    return path


def write_evidence(
    project: Project,
    document: str,
    verdicts: Iterable[Verdict],
    suite: str,
    inputs: ProjectInputs,
) -> None:
    """Write the evidence of each item whose checks came to a result; remove it without checks.

    What was left out of this run keeps the evidence that it has, and so does what a person signed
    off.

    Args:
        project: The project.
        document: The workflow document's path in it.
        verdicts: What the run says.
        suite: Whose Firestore it was.
        inputs: As they were for the whole run.
    """
    records = read_records(project, document)
    for verdict in verdicts:
        path = record_path(project, document, verdict.item_id)
        if verdict.wants_tick is None:
            continue
        if not verdict.checks:
            if isinstance(records.get(verdict.item_id), Evidence):
                path.unlink(missing_ok=True)
            continue
        evidence = Evidence(
            verdict.item_id,
            verdict.kind.value,
            verdict.checks,
            inputs.digests(_input_names(verdict)),
            suite=suite,
            document=document,
            harness_version=harness_version(),
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text_file(path, evidence_to_statement(evidence))


def _input_names(verdict: Verdict) -> Collection[str]:
    """Return the names of what an item's checks looked at, their own files included."""
    names = {HARNESS}
    for check in verdict.checks:
        names |= {check.nodeid.partition("::")[0], *check.inputs}
    return without_covered(names)


def write_last_run(project: Project, report: RunReport) -> None:
    """Keep a run's report for `harness report`."""
    project.record_folder.mkdir(exist_ok=True)
    ignore = project.record_folder / ".gitignore"
    if not ignore.exists():
        write_text_file(ignore, _IGNORED)
    write_text_file(project.record_folder / _LAST_RUN, report_to_json(report))


def read_last_run(record_folder: Path) -> RunReport | None:
    """Return the last run's report; None before the first.

    Raises:
        WorkflowError: The file is none.
    """
    path = record_folder / _LAST_RUN
    return report_from_json(read_text_file(path)) if path.is_file() else None
