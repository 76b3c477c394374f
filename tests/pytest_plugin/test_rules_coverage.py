"""Rules coverage of a run, against an embedded Firestore that the run starts itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.project import load_project
from harness.rules_coverage import RULES_LCOV, coverage_folder, coverage_of_project, read_run
from tests.pytest_plugin.checks import make_project, results_of

pytest_plugins = "pytester"

# The file comes first by its name, and the check that looks at the others first in it.
CHECKS = {
    "test_a_whole": """
    import pytest

    pytestmark = pytest.mark.workflow("Testing/Performance testing")

    def test_all_were_counted(rules_coverage):
        (summary,) = rules_coverage
        assert summary.file_name == "firestore.rules"
        users, admins = summary.roots
        assert users.count == 3
        assert users.evaluated.percent == 100
        assert users.both.percent == 100
        assert admins.count == 0
        assert [gap.text for gap in summary.unevaluated] == ["request.auth.token.admin == true"]

    def test_something_else():
        pass
    """,
    "test_b_users": """
    import pytest
    from google.api_core.exceptions import PermissionDenied

    pytestmark = pytest.mark.workflow("Testing/Verify security rules")

    def test_owner(firestore_as):
        firestore_as("alice").document("users/alice").get()

    def test_stranger(firestore_as):
        with pytest.raises(PermissionDenied):
            firestore_as("bob").document("users/alice").get()

    def test_signed_out(firestore_unauthenticated):
        with pytest.raises(PermissionDenied):
            firestore_unauthenticated.document("users/alice").get()
    """,
}


@pytest.fixture(autouse=True)
def without_node(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine on which no suite runs and Node is not installed: the Firestore runs alone."""
    for name in ("FIREBASE_EMULATOR_HUB", "FIRESTORE_EMULATOR_HOST", "GCLOUD_PROJECT"):
        monkeypatch.delenv(name, raising=False)
    empty = tmp_path / "bin"
    empty.mkdir()
    monkeypatch.setenv("PATH", str(empty))


def project_of(pytester: pytest.Pytester) -> Path:
    return make_project(pytester, **{f"checks/{name}": text for name, text in CHECKS.items()})


@pytest.mark.parametrize("workers", [[], ["-n", "2"]], ids=["one process", "xdist"])
def test_a_check_sees_what_all_others_reached_and_the_run_leaves_it(
    pytester: pytest.Pytester, workers: list[str]
) -> None:
    folder = project_of(pytester)
    result = pytester.runpytest_subprocess("-q", "checks", *workers)
    result.assert_outcomes(passed=5)
    result.stdout.fnmatch_lines(
        ["*= rules coverage =*", "*firestore.rules: 64.2 % of 14 expressions evaluated, *"]
    )
    project = load_project(folder)
    run = read_run(coverage_folder(project) / "rules.json")
    assert (run.checks, run.partial) == (5, None)
    (file,) = coverage_of_project(project, run.rulesets)
    assert [root.count for root in file.summary.roots] == [3, 0]
    assert "SF:firestore.rules" in (coverage_folder(project) / RULES_LCOV).read_text("utf-8")


@pytest.mark.parametrize(
    ("left_out", "reason"),
    [
        (["checks", "-k", "not stranger"], "some checks were left out"),
        (["checks/test_a_whole.py"], "checks of some files were left out"),
    ],
    ids=["by -k", "by file"],
)
def test_of_a_part_of_the_checks_nothing_is_said(
    pytester: pytest.Pytester, left_out: list[str], reason: str
) -> None:
    folder = project_of(pytester)
    pytester.runpytest_subprocess("-q", *left_out, "--harness-evidence", "out")
    (result,) = (
        result
        for result in results_of(folder / "out")
        if result.nodeid.endswith("test_all_were_counted")
    )
    assert result.outcome.value == "SKIPPED"
    assert result.reason is not None
    assert result.reason.startswith("rules coverage is of a whole run: ")
    assert reason in result.reason
    run = read_run(coverage_folder(load_project(folder)) / "rules.json")
    assert run.partial is not None
    assert reason in run.partial


def test_counts_of_the_rules_before_a_change_are_not_taken_for_those_after(
    pytester: pytest.Pytester,
) -> None:
    folder = project_of(pytester)
    pytester.runpytest_subprocess("-q", "checks").assert_outcomes(passed=5)
    rules = folder / "firestore.rules"
    rules.write_text(f"// changed\n{rules.read_text('utf-8')}", encoding="utf-8")
    project = load_project(folder)
    (file,) = coverage_of_project(
        project, read_run(coverage_folder(project) / "rules.json").rulesets
    )
    assert not file.has_counts
    assert file.summary.evaluated.part == 0
