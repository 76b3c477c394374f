"""What a run leaves in the project's `.harness` folder: evidence, one file an item, and the last
run's report.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from harness.access_table import access_files
from harness.files import read_text_file, write_text_file
from harness.project import (
    Project,
    check_digests,
    digests_of,
    input_digests,
    is_check_file,
)
from harness.reports.json import report_from_json, report_to_json
from harness.reports.model import RunReport
from harness.workflow.evidence import (
    Evidence,
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


@dataclass(frozen=True, slots=True)
class Inputs:
    """Digests of what a run looks at, by name: what the emulators run, and what checks read: their
    folder and the access matrix.
    """

    emulated: Mapping[str, str]
    checks: Mapping[str, str]

    @classmethod
    def of(cls, project: Project) -> Self:
        """Digest the files as they are now."""
        matrix = digests_of(project, (project.folder / name for name in access_files(project)))
        return cls(input_digests(project), {**check_digests(project), **matrix})

    def changed(self, later: Inputs) -> list[str]:
        """Return the names of what is not the same later: changed, gone, or new."""
        before = {**self.emulated, **self.checks}
        after = {**later.emulated, **later.checks}
        return sorted(name for name in {*before, *after} if before.get(name) != after.get(name))

    def of_checks(self, files: Collection[str]) -> dict[str, str]:
        """Return the digests that the checks in these files depend on."""
        checks = {
            name: digest
            for name, digest in self.checks.items()
            if name in files or not is_check_file(name)
        }
        return {**self.emulated, **checks}


def write_evidence(
    project: Project, verdicts: Iterable[Verdict], suite: str, inputs: Inputs
) -> None:
    """Write the evidence of each item whose checks came to a result; remove it without checks.

    What was left out of this run keeps the evidence that it has.

    Args:
        suite: Whose Firestore it was.
        inputs: As they were for the whole run.
    """
    folder = _evidence_folder(project)
    for verdict in verdicts:
        path = folder / evidence_file_name(verdict.item_id)
        if verdict.wants_tick is None:
            continue
        if not verdict.checks:
            path.unlink(missing_ok=True)
            continue
        files = {check.nodeid.partition("::")[0] for check in verdict.checks}
        evidence = Evidence(
            verdict.item_id,
            verdict.kind.value,
            verdict.checks,
            inputs.of_checks(files),
            suite=suite,
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
