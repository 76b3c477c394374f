"""Several workflow documents in one project, and documents that checks were not written for."""

import json
from collections.abc import Callable

import pytest

from tests.cli.conftest import RULES_CHECK, WORKFLOW, ProjectFolder, Ran

Harness = Callable[..., Ran]

CHAT = """\
# Chat

## Testing
- [ ] Verify security rules

## Release
- [x] Rules hold
- [ ] Speed
"""
FEATURE_TICKED = WORKFLOW.replace("- [ ] Verify", "- [x] Verify")
SPEED_CHECK = 'def test_slow():\n    """It is slow."""\n\n\ndef test_fast():\n    assert 1 == 2\n'


@pytest.fixture
def two(project: ProjectFolder, without_node: None) -> ProjectFolder:
    """A project with two documents, one of which has an item that the other has too."""
    project.write("workflow/chat.md", CHAT)
    project.write("checks/test_rules.py", RULES_CHECK)
    return project


def test_all_documents_are_verified_reported_and_audited_at_once(
    harness: Harness, two: ProjectFolder
) -> None:
    ran = harness("verify", "--json", "report.json")

    assert ran.status == 0
    assert two.workflow == FEATURE_TICKED
    assert two.read("workflow/chat.md") == CHAT.replace("- [ ] Verify", "- [x] Verify")
    assert "1 of 3 items verified" in ran.out
    assert "1 of 4 items verified" in ran.out
    assert [path.name for path in sorted((two.path / ".harness/evidence").iterdir())] == [
        "workflow.chat",
        "workflow.feature",
    ]
    reports = json.loads(two.read("report.json"))["reports"]
    assert [report["workflow_path"] for report in reports] == [
        "workflow/chat.md",
        "workflow/feature.md",
    ]
    assert harness("report").out == ran.out
    assert harness("report", "--workflow", "workflow/chat.md").out in ran.out
    badge = json.loads(harness("report", "--format", "badge").out)
    assert badge["message"] == "2 of 7 items"
    junit = harness("report", "--format", "junit").out
    assert '<testsuite name="workflow/chat.md: Testing"' in junit

    audit = harness("audit")
    assert "workflow/chat.md: 1 verified, 1 claimed, 1 open" in audit.out
    assert "workflow/feature.md: 1 verified, 1 claimed, 2 open" in audit.out
    following = harness("next").out
    assert "workflow/chat.md:8: Release/Speed" in following
    assert "workflow/feature.md:7: Testing/Test Cloud Functions" in following

    # One document alone: the other's evidence, ticks and last report stay.
    two.write("checks/test_rules.py", RULES_CHECK.replace('"bob"', '"alice"'))
    assert harness("verify", "--workflow", "workflow/chat.md").status == 1
    assert two.workflow == FEATURE_TICKED
    assert two.read("workflow/chat.md") == CHAT
    both = harness("report").out
    assert "test_stranger failed" in " ".join(both.split())
    assert "stale" in both


def test_a_mark_can_name_one_document(harness: Harness, two: ProjectFolder) -> None:
    marked = RULES_CHECK.replace('workflow("', 'workflow("chat.md#')
    two.write("checks/test_rules.py", marked)
    assert harness("verify").status == 0
    assert two.workflow == WORKFLOW
    assert "- [x] Verify" in two.read("workflow/chat.md")
    assert harness("audit", "--workflow", "workflow/feature.md").status == 1  # the old claim
    assert "not run" not in harness("audit").out


def test_an_item_is_chosen_in_one_document_or_in_all(harness: Harness, two: ProjectFolder) -> None:
    assert harness("verify", "--item", "chat.md#Testing/Verify security rules").status == 0
    assert two.workflow == WORKFLOW
    assert "- [x] Verify" in two.read("workflow/chat.md")
    assert harness("verify", "--item", "Testing/Verify security rules").status == 0
    assert two.workflow == FEATURE_TICKED


def test_a_sign_off_is_for_one_document(harness: Harness, two: ProjectFolder) -> None:
    two.write("workflow/chat.md", "# Chat\n- [ ] Nobody checks this\n")
    ran = harness("sign-off", "Nobody checks this", "--by", "Ana")
    assert ran.status == 2
    assert '"workflow/chat.md#chat/nobody-checks-this"' in ran.err
    assert harness("sign-off", "chat.md#Nobody checks this", "--by", "Ana").status == 0
    assert two.read("workflow/chat.md") == "# Chat\n- [x] Nobody checks this\n"
    assert "- [ ] Nobody" in two.workflow
    assert harness("evidence", "show", "chat.md#Nobody checks this").status == 0


def test_checks_are_mapped_to_a_document_that_they_were_not_written_for(
    harness: Harness, two: ProjectFolder
) -> None:
    two.write(
        "harness.yaml",
        "workflow: workflow/chat.md\n"
        "checks:\n"
        "  test_rules.py: Release/Rules hold\n"  # its marks fit the document too, and do not count
        '  "test_speed.py::test_slow": [Speed]\n',
    )
    two.write("checks/test_speed.py", SPEED_CHECK)

    ran = harness("verify")

    assert ran.status == 1  # test_fast is mapped to nothing, and fails
    assert "Mapped to no item" in ran.out
    assert two.read("workflow/chat.md") == CHAT.replace("- [ ] Speed", "- [x] Speed")
    evidence = json.loads(two.read(".harness/evidence/workflow.chat/release.rules-hold.json"))
    assert "harness.yaml" in [subject["name"] for subject in evidence["subject"]]
    assert harness("audit").status == 0

    # What says that they are its checks is gone: the ticks have lost their support.
    two.write("harness.yaml", "workflow: workflow/chat.md\n")
    audit = harness("audit")
    assert audit.status == 1
    assert "harness.yaml has changed since it was verified" in audit.out


def test_a_mapping_to_an_item_that_no_document_has_is_an_error_with_the_nearest(
    harness: Harness, two: ProjectFolder
) -> None:
    two.write("harness.yaml", "checks:\n  test_rules.py: Release/Rules holds\n")
    ran = harness("verify")
    assert ran.status == 2
    assert "`checks:` of harness.yaml: no item of" in ran.err
    assert '"Release/Rules hold"' in ran.err


def test_two_items_of_the_same_text_are_told_apart_by_their_headings(
    harness: Harness, two: ProjectFolder
) -> None:
    text = "# A\n## One\n- [ ] It holds\n## Two\n- [ ] It holds\n"
    two.write("workflow/chat.md", text)
    check = 'import pytest\n\n@pytest.mark.workflow("{}")\ndef test_it():\n    pass\n'
    two.write("checks/test_it.py", check.format("It holds"))
    ran = harness("verify")
    assert ran.status == 2
    assert "fits 2 items of workflow/chat.md" in ran.err
    assert '"one/it-holds" (line 3); "two/it-holds" (line 5)' in ran.err
    two.write("checks/test_it.py", check.format("Two/It holds"))
    assert harness("verify", "--item", "Two/It holds").status == 0
    assert two.read("workflow/chat.md") == text[::-1].replace("] [", "]x[", 1)[::-1]


def test_a_renamed_item_is_reported_and_not_guessed(harness: Harness, two: ProjectFolder) -> None:
    assert harness("sign-off", "Release/Speed", "--by", "Ana").status == 0
    two.write("workflow/chat.md", two.read("workflow/chat.md").replace("Speed", "Speeds"))
    ran = harness("audit", "--fix", "--workflow", "workflow/chat.md")
    assert 'if "Release/Speeds" (line 8) is it under a new name' in " ".join(ran.out.split())
    assert "- [ ] Speeds" in two.read("workflow/chat.md")


def test_shards_together_find_what_one_run_does(harness: Harness, two: ProjectFolder) -> None:
    two.write(
        "harness.yaml",
        "checks:\n  '*test_slow': chat.md#Speed\n  '*test_fast': Performance testing\n",
    )
    two.write("checks/test_speed.py", SPEED_CHECK)
    statuses = [harness("verify", "--shard", f"{number}/3").status for number in (1, 2, 3)]
    assert sorted(statuses) == [0, 0, 1]
    parts = two.read("workflow/chat.md"), two.workflow
    assert parts[0] == CHAT.replace("- [ ]", "- [x]").replace("- [x] Rules", "- [x] Rules")
    assert parts[1] == FEATURE_TICKED.replace("* [x]", "* [ ]")
    evidence = {
        path.relative_to(two.path): path.read_bytes()
        for path in (two.path / ".harness/evidence").rglob("*.json")
    }
    assert len(evidence) == 4

    assert harness("verify").status == 1
    assert (two.read("workflow/chat.md"), two.workflow) == parts
    assert {
        path.relative_to(two.path): path.read_bytes()
        for path in (two.path / ".harness/evidence").rglob("*.json")
    } == evidence
    assert harness("verify", "--shard", "4/3").status == 2
