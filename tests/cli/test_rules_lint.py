"""`harness rules lint`: what it lints, what it prints, its exit status."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.cli.conftest import ProjectFolder, Ran

Harness = Callable[..., Ran]
RULES = """\
rules_version = '2';
service cloud.firestore {{
  match /databases/{{database}}/documents {{
    match /posts/{{id}} {{ allow {0}; }}
  }}
}}
"""
NOTE = RULES.format("get: if request.auth != null")
WARNING = RULES.format("update: if request.auth != null")
ERROR = RULES.format("write")
DATED = RULES.format("write: if request.time < timestamp.date(2030, 1, 1)")
STORAGE = """\
rules_version = '2';
service firebase.storage { match /b/{bucket}/o { match /{all=**} { allow write; } } }
"""


def test_the_rules_of_firebase_json_are_linted(project: ProjectFolder, harness: Harness) -> None:
    project.write(
        "firebase.json",
        '{"firestore": {"rules": "firestore.rules"}, "storage": {"rules": "storage.rules"}}',
    )
    project.write("firestore.rules", WARNING)
    project.write("storage.rules", STORAGE)
    ran = harness("rules", "lint")
    assert ran.status == 1
    assert "firestore.rules:4:25: warning: any signed-in user may update /posts/{id}" in ran.out
    assert "storage.rules:2:68: error: anyone may create, update and delete" in ran.out
    assert ran.out.endswith("1 error, 1 warning in 2 files\n")


def test_named_files_need_no_project(
    project: ProjectFolder, harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = project.path.parent / "alone"
    alone.mkdir()
    (alone / "x.rules").write_text(ERROR)
    monkeypatch.chdir(alone)
    ran = harness("rules", "lint", "x.rules")
    assert ran.status == 1
    assert "x.rules:4:25: error: anyone may" in ran.out


@pytest.mark.parametrize(
    ("rules", "fail_on", "status"),
    [
        (NOTE, None, 0),
        (NOTE, "note", 1),
        (WARNING, None, 1),
        (WARNING, "error", 0),
        (ERROR, "error", 1),
        (ERROR, "never", 0),
    ],
)
def test_the_level_decides_the_exit_status(
    project: ProjectFolder, harness: Harness, rules: str, fail_on: str | None, status: int
) -> None:
    project.write("firestore.rules", rules)
    words = [] if fail_on is None else ["--fail-on", fail_on]
    assert harness("rules", "lint", *words).status == status


def test_a_rule_is_switched_off_in_harness_yaml(project: ProjectFolder, harness: Harness) -> None:
    project.write("firestore.rules", ERROR)
    project.write("harness.yaml", "rules: {lint: {off: [open-rules]}}\n")
    ran = harness("rules", "lint")
    assert (ran.status, ran.out) == (0, "nothing found in 1 file\n")
    assert harness("rules", "lint", "firestore.rules").status == 0


def test_a_rule_that_does_not_exist_cannot_be_switched_off(
    project: ProjectFolder, harness: Harness
) -> None:
    project.write("harness.yaml", "rules: {lint: {off: [open-rule]}}\n")
    ran = harness("rules", "lint")
    assert ran.status == 2
    assert "rules.lint.off: there is no lint rule open-rule; do you mean open-rules?" in ran.err


def test_rules_that_do_not_load_are_not_linted(project: ProjectFolder, harness: Harness) -> None:
    project.write("firestore.rules", "service cloud.firestore { oops }")
    ran = harness("rules", "lint")
    assert ran.status == 2
    assert "firestore.rules:1:27: Unexpected 'oops'." in ran.err


def test_dates_are_judged_as_of_a_day(project: ProjectFolder, harness: Harness) -> None:
    project.write("firestore.rules", DATED)
    early = harness("rules", "lint", "--today", "2029-12-31")
    assert "until 2030-01-01, in 1 day [test-mode]" in early.out
    late = harness("rules", "lint", "--today", "2030-01-02")
    assert "until 2030-01-01, 1 day ago [expired-test-mode]" in late.out


def test_findings_go_to_a_file_and_their_number_to_the_screen(
    project: ProjectFolder, harness: Harness
) -> None:
    project.write("firestore.rules", ERROR)
    ran = harness("rules", "lint", "--format", "sarif", "-o", "lint.sarif")
    assert (ran.status, ran.out) == (1, "1 error in 1 file\n")
    (run,) = json.loads(project.read("lint.sarif"))["runs"]
    location = run["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]
    assert location["uri"] == "firestore.rules"


@pytest.mark.parametrize(
    ("form", "beginning"),
    [("json", "{"), ("github", "::error file=firestore.rules,line=4,"), ("sarif", "{")],
)
def test_other_forms_are_printed(
    project: ProjectFolder, harness: Harness, form: str, beginning: str
) -> None:
    project.write("firestore.rules", ERROR)
    assert harness("rules", "lint", "--format", form).out.startswith(beginning)


def test_a_project_without_rules_is_told_what_to_do(
    project: ProjectFolder, harness: Harness
) -> None:
    project.write("firebase.json", "{}")
    ran = harness("rules", "lint")
    assert ran.status == 2
    assert "firebase.json names no rules" in ran.err
