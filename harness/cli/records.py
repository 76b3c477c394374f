"""What a run leaves in the project's `.harness` folder: evidence, one file an item, and the last
run's report.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from harness.files import read_text_file, write_text_file
from harness.project import Project, check_digests, input_digests
from harness.reports.json import report_from_json, report_to_json
from harness.reports.model import RunReport
from harness.workflow.evidence import (
    Evidence,
    Outcome,
    evidence_file_name,
    evidence_from_statement,
    evidence_to_statement,
)
from harness.workflow.verdict import Verdict

_LAST_RUN = "last-run.json"
_IGNORED = f"# Evidence is committed; what only concerns this machine is not.\n{_LAST_RUN}\n*.log\n"


def items_with_evidence(project: Project) -> frozenset[str]:
    """Return the ids of the items that evidence files exist for.

    Raises:
        WorkflowError: A file is no evidence.
    """
    files = sorted(_evidence_folder(project).glob("*.json"))
    return frozenset(evidence_from_statement(read_text_file(path)).item_id for path in files)


def write_evidence(project: Project, verdicts: Iterable[Verdict], suite: str) -> None:
    """Write the evidence of each item whose checks came to a result; take away that of items
    without checks.

    What was left out of this run keeps the evidence that it has.
    """
    inputs = input_digests(project)
    folder = _evidence_folder(project)
    for verdict in verdicts:
        path = folder / evidence_file_name(verdict.item_id)
        if verdict.wants_tick is None:
            continue
        if not verdict.checks:
            path.unlink(missing_ok=True)
            continue
        files = {
            project.folder / check.nodeid.partition("::")[0]
            for check in verdict.checks
            if check.outcome is not Outcome.DESELECTED
        }
        subjects = {**inputs, **check_digests(project, sorted(files))}
        evidence = Evidence(
            verdict.item_id, verdict.kind.value, verdict.checks, subjects, suite=suite
        )
        folder.mkdir(parents=True, exist_ok=True)
        write_text_file(path, evidence_to_statement(evidence))


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


def _evidence_folder(project: Project) -> Path:
    return project.record_folder / "evidence"
