"""What a run and people leave in the project's `.harness` folder: evidence, one file an item, and
the last run's report.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import TypeAlias

from harness.config import HARNESS_YAML
from harness.errors import HarnessError, WorkflowError
from harness.files import read_text_file, write_text_file
from harness.project import Project, workflow_paths
from harness.project_inputs import HARNESS, ProjectInputs, harness_version, without_covered
from harness.reports.json import reports_from_json, reports_to_json
from harness.reports.model import RunReport
from harness.workflow.evidence import Evidence, evidence_to_statement
from harness.workflow.patterns import CheckMap
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
    patterns = CheckMap(project.settings.check_items, project.settings.checks_folder)
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
            inputs.digests(_input_names(verdict, patterns)),
            suite=suite,
            document=document,
            harness_version=harness_version(),
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text_file(path, evidence_to_statement(evidence))


def _input_names(verdict: Verdict, patterns: CheckMap) -> Collection[str]:
    """Return the names of what an item's checks looked at, their own files included, and what says
    that they are its checks.
    """
    names = {HARNESS}
    for check in verdict.checks:
        names |= {check.nodeid.partition("::")[0], *check.inputs}
        if patterns.addresses(check.nodeid) is not None:
            names.add(HARNESS_YAML)
    return without_covered(names)


def write_last_run(project: Project, reports: Sequence[RunReport]) -> None:
    """Keep a run's reports, one a document, for `harness report`. Documents of the project that the
    run was not about keep theirs.
    """
    project.record_folder.mkdir(exist_ok=True)
    ignore = project.record_folder / ".gitignore"
    if not ignore.exists():
        write_text_file(ignore, _IGNORED)
    known = [project.relative(path) for path in workflow_paths(project.folder, project.settings)]
    new = {report.workflow_path for report in reports}
    try:
        before = read_last_run(project.record_folder)
    except HarnessError:
        before = ()
    kept = [old for old in before if old.workflow_path in known and old.workflow_path not in new]
    order = {name: at for at, name in enumerate(known)}
    both = sorted((*reports, *kept), key=lambda report: order.get(report.workflow_path, len(order)))
    write_text_file(project.record_folder / _LAST_RUN, reports_to_json(both))


def read_last_run(record_folder: Path) -> tuple[RunReport, ...]:
    """Return the last run's report on each document; none before the first.

    Raises:
        WorkflowError: The file is none.
    """
    path = record_folder / _LAST_RUN
    return reports_from_json(read_text_file(path)) if path.is_file() else ()
