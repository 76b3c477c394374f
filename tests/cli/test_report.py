"""`harness report` and `harness next`, before and after a run."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.project import load_template
from tests.cli.conftest import RULES, WORKFLOW, ProjectFolder, Ran

Harness = Callable[..., Ran]


def test_before_any_run_every_item_of_the_template_has_a_reason_and_a_need(
    harness: Harness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ran = harness("report", "--unchecked")
    assert ran.status == 0
    assert "template" in ran.err
    items = load_template().items
    assert ran.out.splitlines()[0] == f"0 of {len(items)} items verified, {len(items)} not verified"
    assert ran.out.count("  why:   ") == len(items)
    assert ran.out.count("  needs: ") == len(items)
    flat = " ".join(ran.out.split())
    for item in items:
        assert " ".join(item.text.split()) in flat


def test_before_any_run_the_projects_document_is_reported(
    harness: Harness, project: ProjectFolder
) -> None:
    ran = harness("report", "--unchecked")
    assert ran.status == 0
    assert ran.err == ""
    assert "workflow/feature.md" in ran.out
    assert "ticked by hand: nothing supports it" in ran.out


def test_json_and_markdown(harness: Harness, project: ProjectFolder) -> None:
    report = json.loads(harness("report", "--format", "json").out)
    assert [item["text"] for item in report["items"]] == [
        "Verify security rules",
        "Test Cloud Functions",
        "Performance testing",
        "Nobody checks this",
    ]
    assert "Verify security rules" in harness("report", "--format", "markdown", "--unchecked").out


def test_only_what_is_left_in_json_and_junit(harness: Harness, project: ProjectFolder) -> None:
    harness("sign-off", "Nobody checks this", "--by", "Ana")
    report = json.loads(harness("report", "--format", "json", "--unchecked").out)
    assert [item["text"] for item in report["items"]] == [
        "Verify security rules",
        "Test Cloud Functions",
        "Performance testing",
    ]
    assert report["counts"]["total"] == 4
    assert "Nobody" not in harness("report", "--format", "junit", "--unchecked").out
    assert "Nobody" in harness("report", "--format", "junit").out


def test_the_report_can_go_to_a_file(harness: Harness, project: ProjectFolder) -> None:
    ran = harness("report", "--format", "json", "-o", "out.json")
    assert (ran.status, ran.out) == (0, "")
    assert json.loads(project.read("out.json"))["workflow_path"] == "workflow/feature.md"


def test_html_and_annotations(harness: Harness, project: ProjectFolder) -> None:
    page = harness("report", "--format", "html").out
    assert page.startswith("<!DOCTYPE html>")
    assert "Verify security rules" in page
    assert harness("report", "--format", "github").out == (
        "::warning file=workflow/feature.md,line=8,title=Testing/Performance testing"
        "::ticked by hand: nothing supports it, no check is mapped to this item\n"
    )


def test_next_is_the_first_open_item_and_what_it_needs(
    harness: Harness, project: ProjectFolder
) -> None:
    ran = harness("next")
    assert ran.status == 0
    first, now, needs, command = ran.out.splitlines()
    assert first == "workflow/feature.md:6: Testing/Verify security rules"
    assert now == "  now:   no check is mapped to this item"
    assert needs.startswith("  needs: checks that ")
    assert command == "  run:   harness verify --item testing/verify-security-rules"


def test_next_passes_over_what_a_person_ticked(harness: Harness, project: ProjectFolder) -> None:
    project.write("workflow/feature.md", WORKFLOW.replace("[ ]", "[x]", 2))
    assert "Nobody checks this" in harness("next").out
    project.write("workflow/feature.md", WORKFLOW.replace("[ ]", "[x]"))
    assert harness("next").out == "workflow/feature.md: every item is done.\n"


def test_the_document_is_found_anywhere_by_its_name_but_not_in_other_peoples_folders(
    harness: Harness, project: ProjectFolder
) -> None:
    (project.path / "workflow" / "feature.md").unlink()
    project.write("docs/deep/backend-workflow-login.md", "- [ ] Found\n")
    project.write("node_modules/x/backend-workflow.md", "- [ ] Not this\n")
    project.write(".git/backend-workflow.md", "- [ ] Nor this\n")
    project.write(".venv/lib/backend-workflow.md", "- [ ] Nor this\n")
    ran = harness("next")
    assert ran.out.startswith("docs/deep/backend-workflow-login.md:1: Found\n")


def test_harness_yaml_names_the_document(harness: Harness, project: ProjectFolder) -> None:
    project.write("plans/login.md", "- [ ] Named\n")
    project.write("harness.yaml", "workflow: plans/login.md\n")
    assert harness("next").out.startswith("plans/login.md:1: Named\n")


def test_a_folder_below_the_project_is_in_the_project(
    harness: Harness, project: ProjectFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.write("app/lib/main.dart", "")
    monkeypatch.chdir(project.path / "app" / "lib")
    assert harness("next").out.startswith("workflow/feature.md:6: ")


def test_formats_for_machines(harness: Harness, project: ProjectFolder) -> None:
    junit = harness("report", "--format", "junit")
    assert junit.status == 0
    assert junit.out.startswith('<?xml version="1.0" encoding="UTF-8"?>\n<testsuites ')
    badge = json.loads(harness("report", "--format", "badge").out)
    assert badge["message"] == "0 of 4 items"


def test_next_goes_through_nested_items_first(harness: Harness, project: ProjectFolder) -> None:
    project.write("workflow/feature.md", "- [ ] whole\n  - [ ] part\n")
    assert harness("next").out.startswith("workflow/feature.md:2: whole/part\n")


BAD = [
    ("no such document", {}, ["--workflow", "none.md"], "there is no workflow document none.md"),
    ("not UTF-8", {"workflow/feature.md": b"- [ ] \xff\n"}, [], "UTF-8"),
    ("no such folder", {}, ["--project", "none"], "there is no folder none"),
    ("unknown setting", {"harness.yaml": "wokflow: a.md\n"}, [], "harness.yaml:1:1"),
    ("setting names no file", {"harness.yaml": "workflow: a.md\n"}, [], "a.md"),
    ("not YAML", {"harness.yaml": "a: [\n"}, [], "harness.yaml:"),
    ("last run is no report", {".harness/last-run.json": "{}"}, [], "last-run.json"),
]


@pytest.mark.parametrize(
    ("files", "words", "said"), [row[1:] for row in BAD], ids=[row[0] for row in BAD]
)
def test_bad_input_is_status_2_and_says_where_and_what_to_do(
    harness: Harness,
    project: ProjectFolder,
    files: dict[str, str | bytes],
    words: list[str],
    said: str,
) -> None:
    for name, text in files.items():
        project.write(name, text)
    ran = harness("report", *words)
    assert ran.status == 2
    assert ran.out == ""
    assert said in ran.err
    assert "\n  fix: " in ran.err
    assert len(ran.err.splitlines()) <= 4


def test_rules_that_load_are_status_0(harness: Harness, project: ProjectFolder) -> None:
    ran = harness("rules", "check", "firestore.rules")
    assert (ran.status, ran.out) == (0, "firestore.rules: loads\n")


def test_rules_that_do_not_load_are_shown_with_a_caret(
    harness: Harness, project: ProjectFolder
) -> None:
    project.write("bad.rules", RULES.replace("== uid;", "== ;"))
    ran = harness("rules", "check", "firestore.rules", "bad.rules")
    assert ran.status == 2
    lines = ran.out.splitlines()
    assert lines[0] == "firestore.rules: loads"
    assert lines[1].startswith("bad.rules:5:")
    assert ": error: " in lines[1]
    assert "request.auth.uid == ;" in lines[2]
    assert lines[3].strip("^ ") == ""
    assert "^" in lines[3]


def test_rules_with_a_warning_are_status_1(harness: Harness, project: ProjectFolder) -> None:
    project.write(
        "unused.rules",
        RULES.replace("    match /users", "    function f() { return true; }\n    match /users"),
    )
    ran = harness("rules", "check", "unused.rules")
    assert ran.status == 1
    assert ": warning: " in ran.out


def test_rules_that_are_not_there(harness: Harness, project: ProjectFolder) -> None:
    ran = harness("rules", "check", "none.rules")
    assert ran.status == 2
    assert "there is no file none.rules" in ran.err
