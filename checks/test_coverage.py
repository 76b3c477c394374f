"""Verification Phase / Quality Check / Test coverage: what the tests and checks reach."""

import os
import re
import shutil
import subprocess

import pytest

import harness

pytestmark = pytest.mark.workflow("Quality Check/Test coverage")


def test_every_rule_is_seen_to_allow_and_to_deny(access_matrix, record_proof):
    """Each allow statement grants some request of the access matrix, and refuses another."""
    assert access_matrix.unseen_statements() == ()
    record_proof("every allow statement was seen both ways")


def test_checks_evaluate_the_rules_to_the_threshold(rules_coverage, harness_settings, record_proof):
    """What the checks evaluate of each rules file reaches the threshold of harness.yaml."""
    threshold = harness_settings.rules.coverage
    if threshold is None:
        harness.not_verified("harness.yaml states no rules: coverage")
    for summary in rules_coverage:
        missing = "\n".join(f"  {gap.position}: {gap.text}" for gap in summary.unevaluated)
        assert summary.evaluated.percent >= threshold, (
            f"{summary.file_name}: {summary.evaluated} of expressions; never evaluated:\n{missing}"
        )
        record_proof(f"{summary.file_name}: {summary.evaluated} of expressions were evaluated")


def test_unit_tests_cover_the_pure_modules(harness_project, harness_settings, record_proof):
    """The unit tests pass, and each module that has a test of its own is covered."""
    node = shutil.which("node")
    if node is None:
        harness.not_verified("Node.js is not installed")
    threshold = harness_settings.coverage_threshold
    if threshold is None:
        harness.not_verified("harness.yaml states no coverage_threshold")
    run = subprocess.run(
        [node, "--test", "--experimental-test-coverage", "--test-reporter=tap", "test/"],
        cwd=harness_project / "backend/functions",
        env={**os.environ, "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert run.returncode == 0, run.stdout[-2000:]
    covered = {
        name: float(percent)
        for name, percent in re.findall(r"^#\s+(\S+\.js)\s*\|\s*([\d.]+)", run.stdout, re.MULTILINE)
    }
    tests = (harness_project / "backend/functions/test").glob("*.test.js")
    tested = {f"src/{test.name.removesuffix('.test.js')}.js" for test in tests}
    ours = {name: percent for name, percent in covered.items() if name in tested}
    assert len(ours) >= 5, f"Node reported coverage of {sorted(covered)}"
    low = {name: percent for name, percent in ours.items() if percent < threshold}
    assert not low, f"below {threshold} % of lines: {low}"
    record_proof(f"unit tests pass; each of {len(ours)} modules is covered to {threshold:g} %")


def test_every_function_runs_in_the_checks(harness_project, deployed_functions, record_proof):
    """Each deployed function is called, or set off, by name in the checks."""
    named = "\n".join(
        file.read_text(encoding="utf-8")
        for file in sorted((harness_project / "checks").glob("*.py"))
    )
    triggers = {name for name in deployed_functions if name.startswith("on")}
    called = set(deployed_functions) - triggers
    missing = [name for name in sorted(called) if not re.search(rf"\b{name}\b", named)]
    assert not missing, f"no check calls {', '.join(missing)}"
    record_proof(f"{len(called)} functions are called by checks")
