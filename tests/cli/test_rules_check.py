"""`harness rules check --format firebase`: the lines that `firebase deploy` prints."""

from __future__ import annotations

from collections.abc import Callable

from tests.cli.conftest import ProjectFolder, Ran

Harness = Callable[..., Ran]
UNUSED = """\
rules_version = '2';
service cloud.firestore {
  match /databases/{database}/documents {
    function isAdmin() { return true; }
    match /a/{id} { allow get; }
  }
}
"""


def test_warnings_are_printed_as_on_deployment(project: ProjectFolder, harness: Harness) -> None:
    project.write("firestore.rules", UNUSED)
    ran = harness("rules", "check", "--format", "firebase", "firestore.rules")
    assert (ran.status, ran.out) == (
        1,
        "[W] 4:14 - Unused function: isAdmin.\nrules file firestore.rules compiled successfully\n",
    )


def test_errors_are_printed_as_on_deployment(project: ProjectFolder, harness: Harness) -> None:
    project.write("firestore.rules", UNUSED.replace("allow get;", "allow get: if 1 is bogus;"))
    ran = harness("rules", "check", "--format", "firebase", "firestore.rules")
    assert (ran.status, ran.out) == (
        2,
        "[W] 4:14 - Unused function: isAdmin.\n"
        "Compilation error in firestore.rules:\n"
        "[E] 5:40 - Invalid type name: bogus.\n",
    )


def test_rules_without_issues_compile_successfully(
    project: ProjectFolder, harness: Harness
) -> None:
    ran = harness("rules", "check", "--format", "firebase", "firestore.rules")
    assert (ran.status, ran.out) == (0, "rules file firestore.rules compiled successfully\n")
