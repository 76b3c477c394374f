"""Checks that settle reviews of the project's files: their outcomes, and their inputs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

PROJECT = Path(__file__).parent.parent / "corpus" / "readiness" / "project"
CHECK = """\
import pytest

pytestmark = pytest.mark.workflow(
    "documentation-review/tech-stack-guidelines-tech-stack-tech-stack-rules"
)

def test_links(readiness, settle): settle(readiness.links)
def test_target(readiness, settle): settle(readiness.deploy_target)
def test_functions(readiness, settle): settle(readiness.functions_documented, ["shareNote"], "docs")
def test_indexes(readiness, settle): settle(readiness.indexes_complete)
"""


@pytest.fixture
def project(pytester: pytest.Pytester) -> Path:
    shutil.copytree(PROJECT, pytester.path, dirs_exist_ok=True)
    (pytester.path / "firebaserc.json").rename(pytester.path / ".firebaserc")
    (pytester.path / "checks").mkdir()
    (pytester.path / "checks/test_a.py").write_text(CHECK)
    return pytester.path


def all_results(pytester: pytest.Pytester) -> list[dict]:
    ran = pytester.runpytest_subprocess(
        "checks", f"--rootdir={pytester.path}", "--harness-evidence=records"
    )
    records = pytester.path / "records/checks.jsonl"
    assert records.is_file(), str(ran.outlines)
    return list(map(json.loads, records.read_text().splitlines()))


def results(pytester: pytest.Pytester) -> dict[str, dict]:
    return {line["nodeid"].partition("::")[2]: line for line in all_results(pytester)}


def test_a_review_that_finds_nothing_passes_and_is_the_proof(
    pytester: pytest.Pytester, project: Path
) -> None:
    found = results(pytester)
    assert {line["outcome"] for line in found.values()} == {"PASSED"}
    assert ".firebaserc names notes-live (production)" in found["test_target"]["states"]
    always = {"harness", "firebase.json", "checks/test_a.py"}
    inputs = {name: set(line["inputs"]) - always for name, line in found.items()}
    assert inputs["test_target"] == {".firebaserc"}
    assert inputs["test_links"] == {
        "workflow/*",  # no harness.yaml says which document it is: it was looked for
        "workflow/backend-workflow.md#without-ticks",
        "workflow/phases/phase-1.md",
        "docs/api.md",
        "tech-stack.md",
        "tech-stack-rules.md",
    }
    assert inputs["test_functions"] == {"docs/api.md", "docs/*", "workflow/*"}
    assert inputs["test_indexes"] >= {"firestore.indexes.json", "app/lib/notes.dart"}


def test_a_problem_fails_a_lack_is_not_verified_and_a_bad_file_is_said(
    pytester: pytest.Pytester, project: Path
) -> None:
    (project / ".firebaserc").unlink()
    (project / "app/pubspec.yaml").unlink()
    found = results(pytester)
    assert found["test_target"]["outcome"] == "FAILED"
    assert "there is none, so no project to deploy to" in found["test_target"]["reason"]
    assert found["test_indexes"]["outcome"] == "SKIPPED"
    assert "no Flutter app was found" in found["test_indexes"]["reason"]
    (project / "firestore.indexes.json").write_text("{")
    (project / "app/pubspec.yaml").write_text("name: notes\n")
    found = results(pytester)
    assert found["test_indexes"]["outcome"] == "FAILED"
    assert found["test_indexes"]["reason"].startswith("Failed: firestore.indexes.json:1:1")


def test_of_several_documents_each_that_has_the_item_must_hold(
    pytester: pytest.Pytester, project: Path
) -> None:
    """A tick in a document stands for that document: a fit one does not vouch for another."""
    document = (project / "workflow/backend-workflow.md").read_text()
    (project / "workflow/other.md").write_text("# Something else\n- [ ] of the team's own\n")
    assert results(pytester)["test_links"]["outcome"] == "PASSED"
    (project / "workflow/second.md").write_text(document.replace("../docs/api.md", "../gone.md"))
    found = [line for line in all_results(pytester) if line["nodeid"].endswith("::test_links")]
    assert {line["outcome"] for line in found} == {"FAILED"}
    assert "workflow/second.md:19" in found[0]["reason"]
