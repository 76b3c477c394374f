"""A run in parts, and checks that harness.yaml maps, under plain pytest and under xdist."""

import json

import pytest

from tests.pytest_plugin.checks import make_project, outcomes_of

pytest_plugins = "pytester"

CHECKS = """
import pytest

@pytest.mark.workflow("Verify security rules")
@pytest.mark.parametrize("number", range(3))
def test_rules(number):
    pass

@pytest.mark.workflow("Test Cloud Functions")
def test_functions():
    pass

@pytest.mark.workflow("Performance testing", "Test Cloud Functions")
def test_speed():
    assert False

def test_nothing_named():
    pass
"""


@pytest.mark.parametrize("workers", [[], ["-n", "2"]], ids=["one process", "xdist"])
def test_each_part_runs_its_own_and_says_which_items_are_its(
    pytester: pytest.Pytester, workers: list[str]
) -> None:
    make_project(pytester, test_checks=CHECKS)
    ran: list[str] = []
    items: list[str] = []
    for number in ("1", "2"):
        out = pytester.path / f"out-{number}"
        pytester.runpytest_subprocess(
            "-q", *workers, "--harness-evidence", str(out), f"--harness-shard={number}/2"
        )
        outcomes = outcomes_of(out)
        ran += sorted({name for (name, _), outcome in outcomes.items() if outcome != "DESELECTED"})
        events = [json.loads(line) for line in (out / "progress.jsonl").read_text().splitlines()]
        (shard,) = [event["items"] for event in events if event["event"] == "shard"]
        items += shard
        for (_, item), outcome in outcomes.items():
            assert item is None or (item in shard) == (outcome != "DESELECTED")
    assert sorted(ran) == [
        "test_functions",
        "test_nothing_named",
        *(f"test_rules[{number}]" for number in range(3)),
        "test_speed",
    ]
    assert sorted(items) == [
        "testing/performance-testing",
        "testing/test-cloud-functions",
        "testing/verify-security-rules",
    ]


@pytest.mark.parametrize("text", ["0/2", "3/2", "x"])
def test_what_is_no_part_is_refused(pytester: pytest.Pytester, text: str) -> None:
    make_project(pytester, test_checks=CHECKS)
    result = pytester.runpytest_inprocess(f"--harness-shard={text}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR


def test_patterns_decide_before_marks_and_map_what_has_none(pytester: pytest.Pytester) -> None:
    make_project(pytester, test_checks=CHECKS)
    pytester.makefile(
        ".yaml",
        harness='checks:\n  "*::test_nothing*": Performance testing\n'
        '  "test_checks.py::test_speed": Verify security rules\n',
    )
    pytester.runpytest_inprocess("-q", "--harness-evidence", "out")
    assert outcomes_of(pytester.path / "out") == {
        ("test_rules[0]", "testing/verify-security-rules"): "PASSED",
        ("test_rules[1]", "testing/verify-security-rules"): "PASSED",
        ("test_rules[2]", "testing/verify-security-rules"): "PASSED",
        ("test_functions", "testing/test-cloud-functions"): "PASSED",
        ("test_speed", "testing/verify-security-rules"): "FAILED",
        ("test_nothing_named", "testing/performance-testing"): "PASSED",
    }


def test_what_does_not_import_leaves_the_items_of_its_patterns_open(
    pytester: pytest.Pytester,
) -> None:
    make_project(pytester, test_checks=CHECKS, test_broken="import nothing_of_this_name\n")
    pytester.makefile(".yaml", harness="checks: {test_broken.py: Test Cloud Functions}\n")
    pytester.runpytest_inprocess(
        "-q", "--continue-on-collection-errors", "--harness-evidence", "out"
    )
    outcomes = outcomes_of(pytester.path / "out")
    assert outcomes["test_broken.py", "testing/test-cloud-functions"] == "ERROR"
    assert outcomes["test_functions", "testing/test-cloud-functions"] == "PASSED"


def test_a_wrong_item_of_a_pattern_stops_the_run_once(pytester: pytest.Pytester) -> None:
    make_project(pytester, test_checks=CHECKS)
    pytester.makefile(".yaml", harness="checks: {test_checks.py: Verify securty rules}\n")
    result = pytester.runpytest_inprocess("-q")
    result.stdout.fnmatch_lines(["*`checks:` of harness.yaml: no item of*Verify securty rules*"])
    assert result.ret == pytest.ExitCode.INTERRUPTED
