"""Evidence in a project folder, as runs would have left it."""

from __future__ import annotations

from collections.abc import Sequence

from harness.cli.records import record_path
from harness.project import Project, load_project
from harness.project_inputs import HARNESS, ProjectInputs
from harness.workflow.evidence import CheckResult, Evidence, Outcome, evidence_to_statement
from tests.cli.conftest import ProjectFolder

VERDICTS = {Outcome.PASSED: "VERIFIED", Outcome.FAILED: "REFUTED", Outcome.SKIPPED: "NOT_VERIFIED"}
DOCUMENT = "workflow/feature.md"


def loaded(folder: ProjectFolder) -> Project:
    return load_project(folder.path)


def leave_evidence(
    folder: ProjectFolder,
    item_id: str,
    outcome: Outcome = Outcome.PASSED,
    inputs: Sequence[str] = ("firestore.rules",),
    *,
    document: str = DOCUMENT,
    states: str = "",
) -> str:
    """Write an item's evidence for the inputs as they are; returns its path in the project."""
    project = loaded(folder)
    check = CheckResult(
        f"checks/test_{item_id.rpartition('/')[2].replace('-', '_')}.py::test",
        outcome,
        item_id,
        "" if outcome is Outcome.PASSED else "it says so",
        states,
    )
    evidence = Evidence(
        item_id,
        VERDICTS[outcome],
        (check,),
        ProjectInputs(project).digests([HARNESS, *inputs]),
        "embedded",
        document,
        "0",
    )
    path = project.relative(record_path(project, document, item_id))
    folder.write(path, evidence_to_statement(evidence))
    return path
