"""`harness evidence show` and `harness evidence merge`."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.workflow.evidence import Outcome
from tests.cli.conftest import ProjectFolder, Ran
from tests.cli.evidence_files import DOCUMENT, leave_evidence

Harness = Callable[..., Ran]
TEXT = "# T\n- [ ] a\n- [ ] b\n- [ ] c\n"


@pytest.fixture
def sharded(project: ProjectFolder) -> ProjectFolder:
    """A project with old evidence for two items."""
    project.write(DOCUMENT, TEXT)
    for item in ("a", "b"):
        leave_evidence(project, f"t/{item}", Outcome.FAILED)
    return project


def machine(project: ProjectFolder, folder: Path) -> ProjectFolder:
    """Return another machine's copy of a project."""
    shutil.copytree(project.path, folder)
    return ProjectFolder(folder)


def test_evidence_reads_well(project: ProjectFolder, harness: Harness) -> None:
    project.write(DOCUMENT, TEXT)
    path = leave_evidence(project, "t/a", states="The owner reads their profile")
    leave = project.read(path).replace('"metrics": {}', '"metrics": {"reads_billed": 21}')
    project.write(path, leave)
    ran = harness("evidence", "show", "T/a")
    assert ran.status == 0
    lines = ran.out.splitlines()
    assert lines[:7] == [
        f"{DOCUMENT}:2: T/a",
        "verified: The owner reads their profile",
        "",
        "Checks (Firestore: embedded, harness 0)",
        "  passed checks/test_a.py::test",
        "      The owner reads their profile",
        "      reads billed 21",
    ]
    assert [line[2:14].isalnum() for line in lines[9:]] == [True, True]
    assert [line[16:] for line in lines[9:]] == ["firestore.rules", "harness"]

    project.write("firestore.rules", "x")
    ran = harness("evidence", "show", "T/a")
    assert ran.status == 1
    assert "stale: firestore.rules has changed since it was verified" in ran.out
    assert "firestore.rules  changed\n" in ran.out
    (project.path / "firestore.rules").unlink()
    assert "firestore.rules  gone\n" in harness("evidence", "show", "T/a").out


def test_an_item_without_evidence_says_so(project: ProjectFolder, harness: Harness) -> None:
    ran = harness("evidence", "show", "Nobody checks this")
    assert ran.status == 1
    assert ran.out.endswith("open: no check is mapped to this item\n")
    assert harness("evidence", "show", "Nobdy checks this").status == 2


def test_nothing_in_evidence_reaches_the_terminal_as_anything_but_text(
    project: ProjectFolder, harness: Harness
) -> None:
    project.write(DOCUMENT, TEXT)
    path = leave_evidence(project, "t/a", Outcome.FAILED)
    text = project.read(path)
    for word in ("it says so", "embedded", "checks/test_a.py"):
        text = text.replace(word, f"{word}\\u001b[31m\\n\\u202ex")
    project.write(path, text)
    ran = harness("evidence", "show", "T/a")
    assert "\x1b" not in ran.out
    assert "\u202e" not in ran.out


def test_machines_that_did_some_of_the_items_each_are_joined(
    sharded: ProjectFolder, harness: Harness, tmp_path: Path
) -> None:
    first, second = machine(sharded, tmp_path / "1"), machine(sharded, tmp_path / "2")
    leave_evidence(first, "t/a")
    leave_evidence(second, "t/b")
    leave_evidence(second, "t/c")
    ran = harness("evidence", "merge", first.path, second.path / ".harness/evidence")
    assert ran.status == 0
    assert ran.out.startswith("3 items have new evidence")
    assert harness("audit", "--fix").status == 0
    assert sharded.workflow == TEXT.replace("[ ]", "[x]")


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_what_is_committed_is_what_machines_began_with_so_merging_twice_changes_nothing(
    sharded: ProjectFolder, harness: Harness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    for words in (
        ["init", "--quiet"],
        ["add", "."],
        ["-c", "user.name=A", "-c", "user.email=a@b", "commit", "--quiet", "-m", "old"],
    ):
        subprocess.run(["git", *words], cwd=sharded.path, check=True, timeout=60)
    first, second = machine(sharded, tmp_path / "1"), machine(sharded, tmp_path / "2")
    leave_evidence(first, "t/a")
    leave_evidence(second, "t/b")
    merged = harness("evidence", "merge", first.path, second.path)
    assert merged.out.startswith("2 items have new evidence")
    for folders in ([first.path, second.path], [first.path], [second.path]):
        assert harness("evidence", "merge", *folders).out == "0 items have new evidence\n"
    # Of our own there is other evidence for the item by now.
    leave_evidence(sharded, "t/a", Outcome.SKIPPED)
    refused = harness("evidence", "merge", first.path)
    assert refused.status == 1
    assert "the same inputs gave different results" in refused.err


def test_what_two_machines_made_differently_is_refused_and_nothing_is_written(
    sharded: ProjectFolder, harness: Harness, tmp_path: Path
) -> None:
    first, second = machine(sharded, tmp_path / "1"), machine(sharded, tmp_path / "2")
    leave_evidence(first, "t/a")
    leave_evidence(first, "t/b")
    second.write("firestore.rules", "x")
    path = leave_evidence(second, "t/a")
    before = sharded.read(path)
    ran = harness("evidence", "merge", first.path, second.path)
    assert ran.status == 1
    assert f"{first.path / path} and {second.path / path} disagree about t/a" in ran.err
    assert "they are for different inputs: firestore.rules" in ran.err
    assert "t/b" not in ran.err
    assert "fix: " in ran.err
    assert sharded.read(path) == before


def test_merging_what_is_no_evidence_is_refused(
    sharded: ProjectFolder, harness: Harness, tmp_path: Path
) -> None:
    ran = harness("evidence", "merge", tmp_path / "none")
    assert ran.status == 2
    assert "there is no folder" in ran.err
    other = machine(sharded, tmp_path / "1")
    path = leave_evidence(other, "t/a")
    other.write(path.replace("t.a.json", "t.z.json"), other.read(path))
    ran = harness("evidence", "merge", other.path)
    assert ran.status == 2
    assert "t.z.json holds evidence of t/a in workflow/feature.md" in ran.err
