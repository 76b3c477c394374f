"""`harness begin`: a new document from a phase file, and what it refuses to do."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Ran

Harness = Callable[..., Ran]

PHASE = """\
# Phase 2: Chat

## 1. Messages
People write to each other.

- [x] [Backend] Collection for messages, see [model](model.md)
- [ ] [Frontend] Message list
- [ ] [Docs] Describe it

## 2. Screens
- [ ] [Frontend] Chat screen
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "phases").mkdir()
    (tmp_path / "phases" / "p2.md").write_text(PHASE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_document_is_begun_and_every_line_is_accounted_for(
    folder: Path, harness: Harness
) -> None:
    ran = harness("begin", "--phase", "phases/p2.md", "--feature", "messages")
    assert ran.status == 0
    assert ran.out.splitlines() == [
        'workflow/backend-workflow.md: begun for "Messages" (phases/p2.md:3)',
        "  description from line 4: People write to each other.",
        "1 line taken",
        "  line 6: [Backend] Collection for messages, see [model](model.md)  (it says back-end)",
        "1 line left out",
        "  line 7: [Frontend] Message list  (it says front-end)",
        "1 line not taken, and a question to you: is it backend work?",
        "  line 8: [Docs] Describe it  (tagged Docs)",
        "those that are: harness begin … --overwrite --take 8",
        "1 line taken is done, says the phase file; boxes are empty all the same: what supports a "
        "tick is evidence",
    ]
    text = (folder / "workflow" / "backend-workflow.md").read_text()
    assert (
        "- [ ] Messages\n  - [ ] Collection for messages, see [model](../phases/model.md)\n" in text
    )
    assert "[x]" not in text
    again = harness(
        "begin", "--phase", "phases/p2.md", "--feature", "messages", "--take", "8", "--overwrite"
    )
    assert again.status == 0
    assert (
        "  - [ ] [Docs] Describe it\n" in (folder / "workflow" / "backend-workflow.md").read_text()
    )


def test_a_document_that_is_there_is_never_overwritten_unasked(
    folder: Path, harness: Harness
) -> None:
    document = folder / "mine.md"
    document.write_text("mine")
    ran = harness("begin", "--phase", "phases/p2.md", "--feature", "messages", "-o", "mine.md")
    assert ran.status == 2
    assert ran.err == (
        "harness: mine.md exists already\n"
        "  fix: name another file (-o messages.md), or replace it with --overwrite\n"
    )
    assert document.read_text() == "mine"
    document.unlink()
    document.symlink_to(folder / "gone.md")  # a name is taken, though nothing is behind it
    ran = harness("begin", "--phase", "phases/p2.md", "--feature", "messages", "-o", "mine.md")
    assert ran.status == 2
    assert not (folder / "gone.md").exists()
    assert sorted(path.name for path in folder.iterdir()) == ["mine.md", "phases"]


def test_the_document_of_harness_yaml_is_the_one_that_is_made(
    folder: Path, harness: Harness
) -> None:
    (folder / "firebase.json").write_text("{}")
    (folder / "harness.yaml").write_text("workflow: [docs/a.md, docs/b.md]\n")
    (folder / "docs").mkdir()
    (folder / "docs" / "a.md").write_text("- [ ] a\n")
    ran = harness("begin", "--phase", "phases/p2.md", "--feature", "messages")
    assert ran.status == 0
    assert (folder / "docs" / "b.md").is_file()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--feature", "mesages"], 'did you mean "Messages" (line 3)?'),
        ([], '"Messages" (line 3), "Screens" (line 10)'),
        (["--feature", "screens"], "has no backend task; line 11 is left out"),
        (["--feature", "messages", "--take", "x"], '--take: "x" is not a line'),
        (["--feature", "messages", "--template", "none.md"], "there is no file none.md"),
        (["--feature", "messages", "--template", "phases/p2.md"], 'no list under a heading "Comp'),
    ],
)
def test_what_cannot_be_begun_says_why(
    folder: Path, harness: Harness, arguments: list[str], words: str
) -> None:
    ran = harness("begin", "--phase", "phases/p2.md", *arguments)
    assert ran.status == 2
    assert words in ran.err
    assert not (folder / "workflow").exists()


def test_a_missing_phase_file_is_named(folder: Path, harness: Harness) -> None:
    ran = harness("begin", "--phase", "phases/p9.md", "--feature", "x")
    assert (ran.status, "phases/p9.md" in ran.err) == (2, True)
