"""`harness sign-off`: a person's word, with and without git."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import RULES, RULES_CHECK, ProjectFolder, Ran
from tests.cli.evidence_files import DOCUMENT

Harness = Callable[..., Ran]

TEXT = """\
# Feature
## Plan
- [ ] PAUSE, Check in with user
- [ ] [Name]
- [ ]
## Completion
- [ ] User sign-off
"""
GATE = ".harness/evidence/workflow.feature/plan.pause-check-in-with-user.json"

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
needs_ssh = pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="no ssh-keygen")


@pytest.fixture
def signed(project: ProjectFolder) -> ProjectFolder:
    project.write(DOCUMENT, TEXT)
    return project


@pytest.fixture
def git(signed: ProjectFolder, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Run git in the project, which becomes a repository of its own."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", "/dev/null")

    def call(*words: str) -> str:
        done = subprocess.run(
            ["git", *words], cwd=signed.path, capture_output=True, text=True, check=True, timeout=60
        )
        return done.stdout.strip()

    call("init", "--quiet")
    call("config", "user.name", "Ana")
    call("config", "user.email", "ana@example.com")
    call("add", ".")
    call("commit", "--quiet", "-m", "first")
    return call


def test_a_sign_off_ticks_the_box_and_is_kept_as_evidence(
    signed: ProjectFolder, harness: Harness
) -> None:
    ran = harness("sign-off", "Plan/PAUSE, Check in with user", "--by", "Ana", "--note", "go on")
    assert ran.status == 0
    assert ran.out == f"Plan/PAUSE, Check in with user: signed off by Ana, kept in {GATE}\n"
    assert signed.workflow == TEXT.replace("[ ] PAUSE", "[x] PAUSE")
    statement = json.loads(signed.read(GATE))
    assert statement["predicateType"] == "urn:firebase-workflow-harness:sign-off:v1"
    assert (statement["predicate"]["by"], statement["predicate"]["note"]) == ("Ana", "go on")
    assert [subject["name"] for subject in statement["subject"]] == [
        "firebase.json",
        "firestore.rules",
    ]
    assert harness("audit", "--strict").status == 0
    report = harness("report").out
    assert "0 of 4 items verified, 1 signed off, 3 not verified" in report
    assert "1 signed off" in report.partition("Without checks")[2]
    shown = harness("evidence", "show", "plan/pause-check-in-with-user")
    assert shown.status == 0
    assert "signed: signed off by Ana on " in shown.out
    assert "  note:   go on\n" in shown.out


def test_a_sign_off_can_be_withdrawn(signed: ProjectFolder, harness: Harness) -> None:
    harness("sign-off", "User sign-off", "--by", "Ana")
    ran = harness("sign-off", "User sign-off", "--withdraw")
    assert ran.out == "Completion/User sign-off: the sign-off by Ana is withdrawn\n"
    assert signed.workflow == TEXT
    assert list((signed.path / ".harness/evidence").rglob("*.json")) == []
    again = harness("sign-off", "User sign-off", "--withdraw")
    assert again.status == 2
    assert 'nobody has signed off "User sign-off"' in again.err


def test_what_a_check_names_is_not_for_people(signed: ProjectFolder, harness: Harness) -> None:
    signed.write(DOCUMENT, "# Testing\n- [ ] Verify security rules\n")
    assert harness("sign-off", "Verify security rules", "--by", "Ana").status == 0
    signed.write("checks/test_rules.py", RULES_CHECK)
    ran = harness("audit")
    assert ran.status == 1
    assert "(not run): Testing/Verify security rules" in ran.out
    ran = harness("sign-off", "Verify security rules", "--by", "Ana")
    assert ran.status == 2
    assert 'checks/test_rules.py verifies "Verify security rules"' in ran.err
    assert "harness verify --item testing/verify-security-rules" in ran.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["User sign-off"], "a sign-off needs a name"),
        (["User sign-off", "--by", " "], "a sign-off needs a name"),
        (["Usr sign-off", "--by", "Ana"], "User sign-off"),
        (["plan/empty", "--by", "Ana"], "nothing is written at workflow/feature.md:5"),
    ],
)
def test_what_cannot_be_signed_says_why(
    signed: ProjectFolder, harness: Harness, words: list[str], said: str
) -> None:
    ran = harness("sign-off", *words)
    assert ran.status == 2
    assert said in ran.err
    assert signed.workflow == TEXT


def test_a_sign_off_outlives_a_change_of_the_back_end_unless_it_is_to_expire(
    signed: ProjectFolder, harness: Harness
) -> None:
    harness("sign-off", "User sign-off", "--by", "Ana")
    signed.write("firestore.rules", RULES + "\n")
    report = harness("report", "--format", "json").out
    assert "firestore.rules has changed since" in report
    assert harness("audit").status == 0
    signed.write("harness.yaml", "sign_off: {expire_on_change: true}\n")
    ran = harness("audit")
    assert ran.status == 1
    assert "(stale): Completion/User sign-off" in ran.out


def test_behind_an_unsigned_gate_the_word_is_kept_and_the_box_stays_empty(
    signed: ProjectFolder, harness: Harness
) -> None:
    signed.write("harness.yaml", "order: enforce\n")
    ran = harness("sign-off", "User sign-off", "--by", "Ana")
    assert ran.status == 0
    assert 'the box stays empty: held back until "PAUSE, Check in with user"' in ran.err
    assert signed.workflow == TEXT
    report = " ".join(harness("report").out.split())
    assert 'nothing after "PAUSE, Check in with user" (line 3) is ticked until' in report
    assert harness("sign-off", "Plan/PAUSE, Check in with user", "--by", "Ana").status == 0
    assert harness("audit", "--fix").status == 0
    assert "[x] User sign-off" in signed.workflow
    withdrawn = harness("sign-off", "Plan/PAUSE, Check in with user", "--withdraw")
    assert "other boxes are not as they should be" in withdrawn.err


@needs_git
def test_a_sign_off_names_the_commit(
    signed: ProjectFolder, harness: Harness, git: Callable[..., str]
) -> None:
    harness("sign-off", "User sign-off", "--by", "Ana")
    head = git("rev-parse", "HEAD")
    assert f"at {head[:7]}" in harness("evidence", "show", "User sign-off").out


@needs_git
@needs_ssh
def test_where_signed_commits_are_asked_for_only_those_count(
    signed: ProjectFolder, harness: Harness, git: Callable[..., str], tmp_path: Path
) -> None:
    signed.write("harness.yaml", "sign_off: {require_signed_commits: true}\n")
    ran = harness("sign-off", "Plan/PAUSE, Check in with user", "--by", "Ana")
    assert ran.status == 0
    assert "which does not count: it is not committed" in ran.err
    assert signed.workflow == TEXT

    git("add", ".")
    git("commit", "--quiet", "-m", "unsigned")
    shown = harness("evidence", "show", "plan/pause-check-in-with-user").out
    assert "has no signature that git accepts" in shown

    key = tmp_path / "key"
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True, timeout=60
    )
    allowed = tmp_path / "allowed"
    allowed.write_text(f"ana@example.com {key.with_suffix('.pub').read_text()}")
    git("config", "gpg.format", "ssh")
    git("config", "user.signingkey", str(key))
    git("config", "gpg.ssh.allowedSignersFile", str(allowed))
    git("commit", "--quiet", "--amend", "-S", "-m", "signed")
    assert harness("audit", "--fix").status == 0
    assert signed.workflow == TEXT.replace("[ ] PAUSE", "[x] PAUSE")

    signed.write(GATE, signed.read(GATE).replace('"Ana"', '"Eve"'))
    assert "it is not as it was committed" in harness("audit").out
    git("checkout", "--quiet", GATE)
    allowed.write_text("")
    assert "has no signature that git accepts" in harness("audit").out


def test_outside_of_git_signed_commits_cannot_be_had(
    signed: ProjectFolder, harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(signed.path.parent))
    signed.write("harness.yaml", "sign_off: {require_signed_commits: true}\n")
    harness("sign-off", "User sign-off", "--by", "Ana")
    said = harness("evidence", "show", "User sign-off").out
    assert "git knows no commit here" in said or "there is no git" in said
