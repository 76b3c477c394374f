"""`harness rules diff`, in real git repositories."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import ProjectFolder, Ran

OPEN = """\
rules_version = '2';
service cloud.firestore {
  match /databases/{database}/documents {
    match /users/{uid} {
      allow read, write: if request.auth != null;
    }
  }
}
"""
CLOSED = OPEN.replace("request.auth != null", "request.auth.uid == uid")
COMMENTED = CLOSED.replace("    match /users", "    // Only oneself.\n    match /users")
BROKEN = OPEN.replace("request.auth != null", "request.auth !=")

STORAGE_RULES = """\
rules_version = '2';
service firebase.storage {
  match /b/{bucket}/o {
    match /pics/{uid}/{file} {
      allow read: if request.auth.uid == uid;
    }
  }
}
"""

MATRIX = """\
personas:
  alice: {uid: alice}
  bob: {uid: bob}
  anonymous: {uid: null}
access:
  documents:
    users/alice: {name: Alice}
  rows:
    - {name: a profile, method: get, path: users/alice, allow: [ALLOWED]}
    - {name: all profiles, method: list, path: users, limit: 5, allow: []}
"""


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=Test", "-c", "user.email=test@example.com")
    process = subprocess.run(
        ["git", *identity, *arguments],
        cwd=folder,
        check=True,
        capture_output=True,
        text=True,
        timeout=30,
    )
    return process.stdout


@pytest.fixture
def repository(project: ProjectFolder) -> ProjectFolder:
    """A project whose first commit has closed rules; the working directory."""
    project.write("firestore.rules", CLOSED)
    git(project.path, "init", "--quiet", "--initial-branch=main")
    commit(project)
    return project


def commit(project: ProjectFolder) -> None:
    git(project.path, "add", "--all")
    git(project.path, "commit", "--quiet", "--message", "x")


Run = Callable[..., Ran]


def test_the_same_rules_have_no_change_of_meaning(repository: ProjectFolder, harness: Run) -> None:
    repository.write("firestore.rules", COMMENTED)
    ran = harness("rules", "diff", "HEAD")
    assert ran.status == 0
    assert "firestore.rules against HEAD: no change of meaning" in ran.out


def test_newly_allowed_requests_fail(repository: ProjectFolder, harness: Run) -> None:
    repository.write("firestore.rules", OPEN)
    ran = harness("rules", "diff", "HEAD")
    assert ran.status == 1
    assert "Newly allowed" in ran.out
    assert "before denied:  HEAD:firestore.rules:5:29: request.auth.uid == uid => false" in ran.out
    assert "now allowed:    firestore.rules:5:7: allow read, write: if request.auth" in ran.out
    assert "the access matrix does not say so" in ran.err


def test_newly_denied_requests_are_listed_and_fail_only_if_strict(
    repository: ProjectFolder, harness: Run
) -> None:
    repository.write("firestore.rules", OPEN)
    commit(repository)
    repository.write("firestore.rules", CLOSED)
    assert harness("rules", "diff", "HEAD").status == 0
    ran = harness("rules", "diff", "HEAD", "--strict")
    assert ran.status == 1
    assert "Newly denied" in ran.out


def test_it_says_how_many_requests_of_each_kind_it_asked(
    repository: ProjectFolder, harness: Run
) -> None:
    repository.write("firestore.rules", OPEN)
    repository.write("harness.yaml", MATRIX.replace("ALLOWED", "alice"))
    ran = harness("rules", "diff", "HEAD", "--neighbours", "3")
    assert "asked: 6 of the access matrix, 10 generated from the rules" in ran.out
    assert "neighbours of these" in ran.out
    ran = harness("rules", "diff", "HEAD", "--neighbours", "0", "--no-generated")
    assert "asked: 6 of the access matrix\n" in ran.out


def test_what_the_access_matrix_declares_may_be_newly_allowed(
    repository: ProjectFolder, harness: Run
) -> None:
    shared = CLOSED.replace(
        "allow read, write", "allow get: if request.auth != null;\n      allow read, write"
    )
    repository.write("firestore.rules", shared)
    # Without neighbours: they would find more of the same rule.
    quiet = ("--neighbours", "0", "--no-generated")
    repository.write("harness.yaml", MATRIX.replace("ALLOWED", "alice"))
    ran = harness("rules", "diff", "HEAD", *quiet)
    assert ran.status == 1
    assert "get users/alice as bob" in ran.out
    repository.write("harness.yaml", MATRIX.replace("ALLOWED", "alice, bob"))
    ran = harness("rules", "diff", "HEAD", *quiet)
    assert ran.status == 0
    assert "Newly allowed, as the access matrix declares" in ran.out
    assert "declared by access: a profile / bob" in ran.out


def test_neighbours_of_a_declared_request_are_declared_only_where_they_are_like_it(
    repository: ProjectFolder, harness: Run
) -> None:
    shared = CLOSED.replace(
        "allow read, write", "allow get: if request.auth != null;\n      allow read, write"
    )
    repository.write("firestore.rules", shared)
    repository.write("harness.yaml", MATRIX.replace("ALLOWED", "alice, bob"))
    assert harness("rules", "diff", "HEAD").status == 0
    everybody = shared.replace("allow get: if request.auth != null", "allow get: if true")
    repository.write("firestore.rules", everybody)
    ran = harness("rules", "diff", "HEAD")
    assert ran.status == 1
    assert "as anonymous" in ran.out


def test_json_and_markdown_hold_the_same_changes(repository: ProjectFolder, harness: Run) -> None:
    repository.write("firestore.rules", OPEN)
    repository.write("summary.md", "# Before\n")
    harness("rules", "diff", "HEAD", "--json", "diff.json", "--markdown", "summary.md")
    (file,) = json.loads(repository.read("diff.json"))["files"]
    assert (file["path"], file["base"], file["same_meaning"]) == ("firestore.rules", "HEAD", False)
    change = file["changes"][0]
    assert change["kind"] == "newly_allowed"
    assert change["now"][0]["line"] == 5
    assert change["before"][0]["file"] == "HEAD:firestore.rules"
    markdown = repository.read("summary.md")
    assert markdown.startswith("# Before\n### Rules diff: firestore.rules against HEAD\n")
    assert "| Request | Count | Before | Now |" in markdown
    assert "`HEAD:firestore.rules:5:29: request.auth.uid == uid => false" in markdown


def test_rules_that_were_moved_are_found_by_the_old_firebase_json(
    repository: ProjectFolder, harness: Run
) -> None:
    git(repository.path, "mv", "firestore.rules", "other.rules")
    repository.write("firebase.json", '{"firestore": {"rules": "other.rules"}}')
    ran = harness("rules", "diff", "HEAD")
    assert ran.out.startswith("other.rules against HEAD: no change of meaning")


def test_a_project_below_the_top_of_its_repository(tmp_path: Path, harness: Run) -> None:
    git(tmp_path, "init", "--quiet")
    project = ProjectFolder(tmp_path / "apps" / "backend")
    project.write("firebase.json", '{"firestore": {"rules": "../shared/firestore.rules"}}')
    project.write("../shared/firestore.rules", CLOSED)
    git(tmp_path, "add", "--all")
    git(tmp_path, "commit", "--quiet", "--message", "x")
    project.write("../shared/firestore.rules", OPEN)
    ran = harness("rules", "diff", "HEAD", "--project", str(project.path))
    assert ran.status == 1
    assert "request.auth.uid == uid => false" in ran.out


def test_without_rules_in_base_everything_is_new(repository: ProjectFolder, harness: Run) -> None:
    git(repository.path, "rm", "--quiet", "--cached", "firestore.rules")
    git(repository.path, "commit", "--quiet", "--message", "x")
    ran = harness("rules", "diff", "HEAD")
    assert ran.status == 1
    assert "HEAD has no such rules: everything that is allowed is new" in ran.out
    assert "before denied:  there are no rules" in ran.out


def test_rules_that_are_gone_are_said(repository: ProjectFolder, harness: Run) -> None:
    repository.write("firebase.json", "{}")
    ran = harness("rules", "diff", "HEAD")
    assert ran.status == 0
    assert "the rules are gone: everything is denied" in ran.out


def test_every_rules_file_is_compared_and_storage_alone_if_asked(
    repository: ProjectFolder, harness: Run
) -> None:
    both = '{"firestore": {"rules": "firestore.rules"}, "storage": {"rules": "storage.rules"}}'
    repository.write("firebase.json", both)
    repository.write("storage.rules", STORAGE_RULES)
    commit(repository)
    repository.write("storage.rules", STORAGE_RULES.replace(".uid == uid", " != null"))
    ran = harness("rules", "diff", "HEAD")
    assert ran.status == 1
    assert "firestore.rules against HEAD: no change of meaning" in ran.out
    assert "storage.rules against HEAD: " in ran.out
    assert "get pics/stranger" in ran.out or "as stranger" in ran.out
    assert "firestore.rules" not in harness("rules", "diff", "HEAD", "--storage").out


def test_two_files_can_be_compared_without_git(project: ProjectFolder, harness: Run) -> None:
    project.write("firestore.rules", OPEN)
    project.write("old.rules", CLOSED)
    ran = harness("rules", "diff", "old.rules")
    assert ran.status == 1
    assert "firestore.rules against old.rules" in ran.out
    assert harness("rules", "diff", "old.rules", "--rules", "old.rules").status == 0


def test_a_chosen_file_is_compared_with_what_it_was(
    repository: ProjectFolder, harness: Run
) -> None:
    repository.write("other.rules", CLOSED)
    commit(repository)
    repository.write("other.rules", OPEN)
    assert harness("rules", "diff", "HEAD").status == 0
    assert harness("rules", "diff", "HEAD", "--rules", "other.rules").status == 1


@pytest.mark.parametrize(
    ("base", "words"),
    [
        ("no-such-branch", "no-such-branch: there is no such revision here, and no file"),
        ("HEAD~7", "HEAD~7: there is no such revision here"),
        ("HEAD:firestore.rules", "there is no such revision here"),
        ("", "there is no such revision here"),
    ],
)
def test_a_base_that_is_not_there_is_wrong_usage(
    repository: ProjectFolder, harness: Run, base: str, words: str
) -> None:
    ran = harness("rules", "diff", base)
    assert ran.status == 2
    assert words in ran.err
    assert "fix: name a branch, tag or commit" in ran.err


def test_a_base_that_looks_like_an_option_never_reaches_git(
    repository: ProjectFolder, harness: Run
) -> None:
    ran = harness("rules", "diff", "--", "--output=harm")
    assert ran.status == 2
    assert "a revision does not begin with -" in ran.err
    assert not (repository.path / "harm").exists()


def test_outside_a_repository_a_revision_is_wrong_usage(
    project: ProjectFolder, harness: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The temporary folder itself could lie in a repository.
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(project.path.parent))
    ran = harness("rules", "diff", "main")
    assert ran.status == 2
    assert "is in no git repository that can be read" in ran.err


def test_without_git_the_machine_lacks_something(
    repository: ProjectFolder, harness: Run, without_node: None
) -> None:
    ran = harness("rules", "diff", "HEAD")
    assert ran.status == 3
    assert "there is no git on the PATH" in ran.err


@pytest.mark.parametrize("is_base", [False, True], ids=["now", "in base"])
def test_rules_that_do_not_load_are_named_with_their_place(
    repository: ProjectFolder, harness: Run, is_base: bool
) -> None:
    repository.write("firestore.rules", BROKEN)
    if is_base:
        commit(repository)
        repository.write("firestore.rules", OPEN)
    ran = harness("rules", "diff", "HEAD")
    assert ran.status == 2
    assert ("HEAD:firestore.rules:5:" if is_base else "harness: firestore.rules:5:") in ran.err
    assert ("compare with another revision" if is_base else "correct the rules") in ran.err


def test_a_git_that_does_not_answer_is_not_waited_for(
    repository: ProjectFolder, harness: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    slow = tmp_path / "bin" / "git"
    slow.parent.mkdir()
    slow.write_text("#!/bin/sh\nexec sleep 60\n")
    slow.chmod(0o755)
    monkeypatch.setenv("PATH", f"{slow.parent}:/usr/bin:/bin")
    monkeypatch.setattr("harness.git.TIMEOUT_S", 0.2)
    ran = harness("rules", "diff", "HEAD")
    assert ran.status == 2
    assert "git rev-parse took longer than" in ran.err
