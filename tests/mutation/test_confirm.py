"""Checks that are really run against mutants, on an embedded Firestore of their own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from harness.mutation.confirm import MutantChecks
from harness.project import load_project
from harness.review.mutants import find_mutants
from harness.review.scoring import Finding, Standing
from harness.rules.ruleset import CompiledRuleset, load_ruleset
from harness.source import SourceText
from tests.pytest_plugin.checks import RULES, WORKFLOW

CHECKS = '''\
"""Checks of a small project."""

import time

import pytest
from google.api_core.exceptions import PermissionDenied


def test_owner(firestore_as):
    firestore_as("alice").document("users/alice").set({"name": "Alice"})


def test_stranger(firestore_as):
    with pytest.raises(PermissionDenied):
        firestore_as("bob").document("users/alice").get()


def test_does_not_mind(firestore_as):
    try:
        firestore_as("bob").document("users/alice").get()
    except PermissionDenied:
        pass


def test_hangs_when_allowed(firestore_as):
    try:
        firestore_as("bob").document("users/alice").get()
    except PermissionDenied:
        return
    time.sleep(600)


def test_needs_functions(call_function):
    call_function("x")
'''
FILE = "checks/test_users.py"


@pytest.fixture(scope="module")
def ruleset() -> CompiledRuleset:
    loaded = load_ruleset(SourceText("firestore.rules", RULES)).ruleset
    assert loaded is not None
    return loaded


@pytest.fixture(scope="module")
def checks(
    tmp_path_factory: pytest.TempPathFactory, ruleset: CompiledRuleset
) -> Iterator[MutantChecks]:
    folder = tmp_path_factory.mktemp("project")
    (folder / "firebase.json").write_text('{"firestore": {"rules": "firestore.rules"}}')
    (folder / "firestore.rules").write_text(RULES)
    (folder / "workflow").mkdir()
    (folder / "workflow" / "feature.md").write_text(WORKFLOW)
    (folder / "checks").mkdir()
    (folder / FILE).write_text(CHECKS)
    requests = folder / ".harness" / "requests"
    requests.mkdir(parents=True)
    (requests / "kept.jsonl").write_text("of the last run\n")
    with MutantChecks(load_project(folder), ruleset) as running:
        yield running
    # What the last real run recorded is still there, and alone.
    assert [path.name for path in requests.iterdir()] == ["kept.jsonl"]


# Each case is a mutant by which everybody reads everything, and the checks that it may concern.
CASES = {
    "noticed": ("test_owner", "test_stranger"),
    "not minded": ("test_does_not_mind",),
    "not all can run": ("test_does_not_mind", "test_needs_functions"),
    "does not end": ("test_hangs_when_allowed",),
    "of another folder": ("elsewhere",),
}


@pytest.fixture(scope="module")
def decided(checks: MutantChecks, ruleset: CompiledRuleset) -> dict[str, Finding]:
    mutant = next(
        each for each in find_mutants(ruleset)
        if each.operator == "condition to true" and each.position.line == 5
    )  # fmt: skip
    findings = [
        Finding(
            replace(mutant, id=name),
            Standing.OPEN,
            changed=tuple(
                f"elsewhere.py::{each}" if each == "elsewhere" else f"{FILE}::{each}"
                for each in names
            ),
        )
        for name, names in CASES.items()
    ]
    findings.append(Finding(replace(mutant, id="decided"), Standing.KILLED, "access: a / b"))
    with pytest.MonkeyPatch.context() as patch:
        # Long enough for the others on a busy machine.
        patch.setattr("harness.mutation.confirm._LEAST_S", 20.0)
        patch.setattr("harness.mutation.confirm._TIMES_AS_LONG", 0)
        answers = checks.confirm(findings, jobs=2)
    assert [each.mutant.id for each in answers] == [each.mutant.id for each in findings]
    return {each.mutant.id: each for each in answers}


def test_a_check_that_fails_notices_the_mutant(decided: dict[str, Finding]) -> None:
    assert decided["noticed"].standing is Standing.KILLED
    assert decided["noticed"].noticed_by == f"{FILE}::test_stranger"


def test_a_check_that_does_not_mind_lets_it_survive(decided: dict[str, Finding]) -> None:
    assert decided["not minded"].standing is Standing.SURVIVED


def test_a_check_that_cannot_run_here_leaves_it_open(decided: dict[str, Finding]) -> None:
    assert decided["not all can run"].standing is Standing.OPEN
    assert decided["of another folder"].standing is Standing.OPEN


def test_a_check_that_does_not_end_is_ended(decided: dict[str, Finding]) -> None:
    assert decided["does not end"].standing is Standing.TIMED_OUT


def test_what_is_decided_is_left_alone(decided: dict[str, Finding]) -> None:
    assert decided["decided"].noticed_by == "access: a / b"
