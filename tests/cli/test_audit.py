"""`harness audit`: from files alone, on documents with an item in each state."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Callable
from typing import NoReturn

import pytest

from harness.workflow.evidence import Outcome
from tests.cli.conftest import RULES, ProjectFolder, Ran
from tests.cli.evidence_files import DOCUMENT, leave_evidence

Harness = Callable[..., Ran]

NAMES = ["verified", "failed", "stale", "not run", "signed", "claimed", "open"]
TICKED = "# T\n" + "".join(f"- [x] {name}\n" for name in NAMES[:-1]) + "- [ ] open\n"
EMPTY = TICKED.replace("[x]", "[ ]")
RIGHT = EMPTY.replace("[ ] verified", "[x] verified").replace("[ ] signed", "[x] signed")
SUMMARY = "1 verified, 1 failed, 1 stale, 1 not run, 1 signed"


@pytest.fixture
def nothing_but_files(monkeypatch: pytest.MonkeyPatch, without_node: None) -> None:
    """No network and no other process: whoever tries fails."""

    def refuse(*_: object, **__: object) -> NoReturn:
        raise AssertionError("an audit reads files, and does nothing else")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(subprocess, "Popen", refuse)


@pytest.fixture
def audited(project: ProjectFolder, harness: Harness) -> ProjectFolder:
    """A project whose document has an item in each state."""
    project.write(DOCUMENT, EMPTY)
    project.write("harness.yaml", "order: off\n")
    project.write("storage.rules", "x")
    leave_evidence(project, "t/verified")
    leave_evidence(project, "t/failed", Outcome.FAILED)
    leave_evidence(project, "t/stale", inputs=["firestore.rules", "storage.rules"])
    leave_evidence(project, "t/not-run", Outcome.SKIPPED)
    project.write("storage.rules", "y")
    assert harness("sign-off", "T/signed", "--by", "Ana").status == 0
    return project


def test_every_tick_that_nothing_supports_is_found(
    audited: ProjectFolder, harness: Harness, nothing_but_files: None
) -> None:
    audited.write(DOCUMENT, TICKED)
    ran = harness("audit")
    assert ran.status == 1
    lines = ran.out.splitlines()
    assert lines[0] == f"{DOCUMENT}: {SUMMARY}, 1 claimed, 1 open"
    assert lines[1:-1] == [
        f"  {DOCUMENT}:3: ticked, and nothing supports it (failed): T/failed",
        "      test failed: it says so",
        f"  {DOCUMENT}:4: ticked, and nothing supports it (stale): T/stale",
        "      storage.rules has changed since it was verified",
        f"  {DOCUMENT}:5: ticked, and nothing supports it (not run): T/not run",
        "      test was skipped: it says so",
        f"  {DOCUMENT}:7: ticked, and nothing supports it (claimed): T/claimed",
        "      ticked by hand: nothing supports it, no check is mapped to this item",
    ]
    assert lines[-1].startswith("4 boxes are not as they should be")
    assert audited.workflow == TICKED


def test_every_item_that_is_supported_and_not_ticked_is_found(
    audited: ProjectFolder, harness: Harness, nothing_but_files: None
) -> None:
    audited.write(DOCUMENT, EMPTY)
    ran = harness("audit")
    assert ran.status == 1
    assert [line for line in ran.out.splitlines() if DOCUMENT in line] == [
        f"{DOCUMENT}: {SUMMARY}, 2 open",
        f"  {DOCUMENT}:2: supported, and not ticked (verified): T/verified",
        f"  {DOCUMENT}:6: supported, and not ticked (signed): T/signed",
    ]


@pytest.mark.parametrize("text", [TICKED, EMPTY, RIGHT], ids=["ticked", "empty", "right"])
def test_fix_brings_the_boxes_into_line_and_nothing_else(
    audited: ProjectFolder, harness: Harness, text: str, nothing_but_files: None
) -> None:
    audited.write(DOCUMENT, text)
    assert harness("audit", "--fix").status == 0
    assert audited.workflow == RIGHT
    ran = harness("audit")
    assert ran.status == 0
    assert ran.out.splitlines()[-1] == "every box is as it should be"
    assert harness("audit", "--fix").status == 0
    assert audited.workflow == RIGHT


def test_one_byte_makes_exactly_the_items_stale_whose_inputs_contain_it(
    project: ProjectFolder, harness: Harness
) -> None:
    project.write("functions/index.js", "")
    project.write("docs/api.md", "")
    project.write(
        "firebase.json",
        '{"firestore": {"rules": "firestore.rules"}, "functions": {"source": "functions"}}',
    )
    inputs = {
        "rules": ["firestore.rules"],
        "functions": ["functions/"],
        "both": ["functions/", "firestore.rules"],
        "docs": ["docs/api.md"],
    }
    project.write(DOCUMENT, "# T\n" + "".join(f"- [x] {name}\n" for name in inputs))
    for name, names in inputs.items():
        leave_evidence(project, f"t/{name}", inputs=names)
    assert harness("audit").status == 0

    changes = {
        "firestore.rules": ["rules", "both"],
        "functions/index.js": ["functions", "both"],
        "docs/api.md": ["docs"],
        "firebase.json": [],
        "README.md": [],
        "docs/other.md": [],
    }
    for path, stale in changes.items():
        before = project.read(path) if (project.path / path).exists() else None
        project.write(path, f"{before or ''} ")
        out = harness("audit").out
        assert [name for name in inputs if f"(stale): T/{name}\n" in out] == stale, path
        if before is not None:
            project.write(path, before)
    assert harness("audit").status == 0


def test_a_new_check_that_names_an_item_makes_it_stale(
    project: ProjectFolder, harness: Harness
) -> None:
    project.write(DOCUMENT, "# T\n- [x] a\n- [ ] b\n")
    leave_evidence(project, "t/a")
    assert harness("audit").status == 0
    project.write(
        "checks/test_new.py", 'import pytest\npytestmark = pytest.mark.workflow("T/a", "T/b")\n'
    )
    ran = harness("audit")
    assert ran.status == 1
    assert "checks/test_new.py names this item since it was verified" in ran.out
    assert "1 stale, 1 not run" in ran.out


def test_strict_fails_for_remarks_too(project: ProjectFolder, harness: Harness) -> None:
    project.write(DOCUMENT, "# T\n- [ ] first\n- [x] second\n- [ ] third\n")
    leave_evidence(project, "t/second")
    leave_evidence(project, "t/gone")
    harness("sign-off", "T/third", "--by", "Ana")
    project.write("firestore.rules", RULES + "\n")
    leave_evidence(project, "t/second")
    ran = harness("audit")
    assert ran.status == 0
    assert 'ticked before "first" (line 2), which comes due earlier' in ran.out
    assert "changed since it was signed off (signed): T/third" in ran.out
    assert "evidence without an item: t/gone" in ran.out
    assert harness("audit", "--strict").status == 1
    assert harness("audit", "--strict", "--fix").status == 1


def test_in_an_enforced_order_a_tick_behind_an_unsigned_gate_is_wrong(
    project: ProjectFolder, harness: Harness
) -> None:
    text = "# T\n- [x] a\n- [ ] PAUSE, Check in with user\n- [x] b\n"
    project.write(DOCUMENT, text)
    leave_evidence(project, "t/a")
    leave_evidence(project, "t/b")
    assert harness("audit").status == 0
    project.write("harness.yaml", "order: enforce\n")
    ran = harness("audit")
    assert ran.status == 1
    assert "ticked, behind a gate (verified): T/b" in ran.out
    assert 'held back until "PAUSE, Check in with user" (line 3) is signed off' in ran.out
    assert harness("audit", "--fix").status == 0
    assert project.workflow == text.replace("[x] b", "[ ] b")
    assert harness("next").out.splitlines()[0].endswith("T/PAUSE, Check in with user")

    assert harness("sign-off", "T/PAUSE, Check in with user", "--by", "Ana").status == 0
    assert harness("audit", "--fix").status == 0
    assert project.workflow == text.replace("[ ]", "[x]")


def test_every_document_of_a_project_is_audited_with_its_own_evidence(
    project: ProjectFolder, harness: Harness
) -> None:
    for name in ("one", "two"):
        project.write(f"plans/{name}.md", "# T\n- [x] a\n")
    project.write("harness.yaml", "workflow: [plans/one.md, plans/two.md]\n")
    first = leave_evidence(project, "t/a", document="plans/one.md")
    ran = harness("audit")
    assert ran.status == 1
    assert "plans/one.md: 1 verified\nevery box" in ran.out
    assert "plans/two.md: 1 claimed" in ran.out
    assert harness("audit", "--workflow", "plans/one.md").status == 0
    assert leave_evidence(project, "t/a", document="plans/two.md") != first
    assert harness("audit").status == 0


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("t.a.json", "{}", "not evidence"),
        ("t.a.json", "{", "not JSON"),
        ("t.b.json", None, "holds evidence of t/a"),
    ],
)
def test_evidence_that_is_none_is_named(
    project: ProjectFolder, harness: Harness, name: str, text: str | None, said: str
) -> None:
    project.write(DOCUMENT, "# T\n- [ ] a\n- [ ] b\n")
    path = leave_evidence(project, "t/a")
    project.write(f".harness/evidence/workflow.feature/{name}", text or project.read(path))
    ran = harness("audit")
    assert ran.status == 2
    assert said in ran.err
    assert name in ran.err
    assert "fix: " in ran.err


def test_inputs_in_evidence_do_not_lead_out_of_the_project(
    project: ProjectFolder, harness: Harness
) -> None:
    project.write(DOCUMENT, "# T\n- [x] a\n")
    path = leave_evidence(project, "t/a")
    outside = project.path.parent / "outside"
    outside.write_text(RULES)
    project.write(path, project.read(path).replace('"firestore.rules"', '"../outside"'))
    assert "../outside has changed" in harness("audit").out


def test_there_is_nothing_to_audit_without_a_document(
    project: ProjectFolder, harness: Harness
) -> None:
    (project.path / DOCUMENT).unlink()
    ran = harness("audit")
    assert ran.status == 2
    assert "no workflow document" in ran.err
